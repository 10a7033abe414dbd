//! Path patching: what reaches some receivers from a sender, and what that does to the answer.
//!
//! Run C has the clean prompt and every head's q, k and v held at the clean run's, so that nothing
//! travels between positions, and the sender's value is the corrupted run's. What the receivers compute
//! there, norms and (unless they are frozen too) MLPs between included, goes into run D, which is the
//! clean run otherwise.
//!
//! Reference: Wang et al. 2022, arXiv 2211.00593, appendix B; Goldowsky-Dill et al. 2023, arXiv 2304.05969.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::{
    Architecture, Component, Coordinates, Intervention, Locus, Operation, Request, Run, RunId,
    Selection, Site, Source, State, Value,
};

use crate::error::SweepError;
use crate::words::as_text;

/// What senders are patched for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paths {
    /// Who reads the senders' values: all of them together.
    pub receivers: Vec<Receiver>,
    /// Whether MLPs are held at the clean run's outputs, so that only direct paths are left.
    #[serde(default)]
    pub freeze_mlp: bool,
    /// Whether `k@7.3` is a key/value head, whose changed keys or values its whole group of query heads sees;
    /// otherwise it is a query head, which alone sees them.
    #[serde(default)]
    pub by_group: bool,
}

/// What a sender's value is read by: `q@6.5`, `mlp_in@8`, `resid_pre@7`, `logits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Receiver {
    component: Component,
    layer: Option<usize>,
    head: Option<usize>,
}

/// The words for receivers, and what they read.
const RECEIVERS: [(&str, Component); 9] = {
    use Component as C;
    [
        ("q", C::Q),
        ("k", C::K),
        ("v", C::V),
        // The stream as the MLP or attention reads it; its norm is all that reads it.
        ("mlp_in", C::Ln2),
        ("attn_in", C::Ln1),
        ("resid_pre", C::ResidPre),
        ("resid_mid", C::ResidMid),
        ("resid_post", C::ResidPost),
        ("logits", C::Logits),
    ]
};

impl Paths {
    /// What senders may be.
    pub(crate) const SENDERS: [Component; 3] = [Component::Z, Component::MlpOut, Component::Embed];

    /// Fails where the model hasn't got a receiver.
    pub(crate) fn check(&self, architecture: &Architecture) -> Result<(), SweepError> {
        for receiver in &self.receivers {
            receiver.check(architecture, self.by_group)?;
        }
        Ok(())
    }

    /// The receivers in words.
    pub(crate) fn names(&self) -> Vec<String> {
        self.receivers.iter().map(Receiver::to_string).collect()
    }

    /// Adds the runs C and D of a sender, whose value `sent` copies; none where no path leads from it over
    /// any receiver to the positions `read_at` that metrics read.
    pub(crate) fn push(
        &self,
        request: &mut Request,
        clean: RunId,
        at: &Coordinates,
        sent: Vec<Intervention>,
        (architecture, read_at): (&Architecture, &[usize]),
    ) -> Option<RunId> {
        let n_layers = architecture.n_layers;
        let len = request.tokens(clean).ok()?.len();
        let reaches = |sender: &Locus| {
            let positions = sender.positions.indices(len);
            let reached = |receiver: &Receiver| {
                let seen = |p: &usize| {
                    let reached = receiver.reached(*p, len, architecture);
                    read_at.iter().any(|read| reached.get(*read) == Some(&true))
                };
                receiver.comes_after(sender.site, architecture) && positions.iter().any(seen)
            };
            self.receivers.iter().any(reached)
        };
        if !sent.iter().any(|sent| reaches(&sent.locus)) {
            return None;
        }
        let held = [Component::Q, Component::K, Component::V];
        let mlp = self.freeze_mlp.then_some(Component::MlpOut);
        let freeze = |component, layer| {
            Intervention::copy(Locus::at(Site::in_layer(component, layer)), clean)
        };
        let mut changes: Vec<Intervention> = (0..n_layers)
            .flat_map(|layer| held.into_iter().chain(mlp).map(move |c| freeze(c, layer)))
            .collect();
        // After the freezing: a frozen MLP may be the sender.
        changes.extend(sent);
        let name = at.sender.clone().unwrap_or_default();
        let c = request.push(Run::variant(format!("{name} sends"), clean, changes));
        let alone = |receiver: &&Receiver| !self.by_group && receiver.is_seen_alone(architecture);
        let (alone, shared): (Vec<&Receiver>, Vec<&Receiver>) =
            self.receivers.iter().partition(alone);
        let loci = shared.iter().flat_map(|receiver| receiver.loci(architecture));
        let received = loci.map(|locus| computed(locus, c));
        let d = request.push(Run::variant(name, clean, received.collect::<Vec<_>>()));
        Some(see_alone(&alone, request, d, c, architecture))
    }
}

/// A value as it was computed in run C.
fn computed(locus: Locus, c: RunId) -> Intervention {
    let source = Source { run: c, locus: None, state: State::Computed };
    Intervention { locus, operation: Operation::Replace(Value::Source(source)) }
}

/// Run D with keys and values of C that single query heads see: layer by layer each of these heads has what
/// it gives in a run where its group's keys and values are C's.
fn see_alone(
    receivers: &[&Receiver],
    request: &mut Request,
    mut d: RunId,
    c: RunId,
    architecture: &Architecture,
) -> RunId {
    let mut heads: BTreeMap<(usize, usize), Vec<Component>> = BTreeMap::new();
    for receiver in receivers {
        if let (Some(layer), Some(head)) = (receiver.layer, receiver.head) {
            heads.entry((layer, head)).or_default().push(receiver.component);
        }
    }
    let heads: Vec<_> = heads.into_iter().collect();
    let group = architecture.n_heads / architecture.n_kv_heads;
    for of_layer in heads.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
        let name = request.runs[d.0].name.clone();
        let mut given = Vec::new();
        for ((layer, head), components) in of_layer {
            let at = |component| Locus::at(Site::in_layer(component, *layer));
            let seen = components.iter().map(|c| at(*c).heads([head / group]));
            let seen: Vec<Intervention> = seen.map(|locus| computed(locus, c)).collect();
            let run = Run::variant(format!("{name} as head {layer}.{head} sees it"), d, seen);
            let run = request.push(run);
            given.push(Intervention::copy(at(Component::Z).heads([*head]), run));
        }
        d = request.push(Run::variant(name, d, given));
    }
    d
}

impl Receiver {
    fn site(&self) -> Site {
        Site { component: self.component, layer: self.layer }
    }

    /// Fails where the model hasn't got it.
    fn check(&self, architecture: &Architecture, by_group: bool) -> Result<(), SweepError> {
        let outside = |has: String| SweepError::ReceiverOutside { given: self.to_string(), has };
        let Architecture { n_layers, n_heads, n_kv_heads, .. } = *architecture;
        if self.layer.is_some_and(|layer| layer >= n_layers) {
            return Err(outside(format!("layers 0 to {}", n_layers - 1)));
        }
        let of_group = by_group && self.is_seen_alone(architecture);
        let heads = if of_group { n_kv_heads } else { n_heads };
        if self.head.is_some_and(|head| head >= heads) {
            let kind = if of_group { "key/value heads" } else { "heads" };
            return Err(outside(format!("{kind} 0 to {}", heads - 1)));
        }
        // Positions are those of the run, so any length will do.
        let unshared =
            |locus: &Locus| !self.is_seen_alone(architecture) || locus.heads == Selection::All;
        let loci = self.loci(architecture);
        Ok(loci
            .iter()
            .filter(|locus| unshared(locus))
            .try_for_each(|l| l.check(architecture, 1))?)
    }

    /// The positions whose logits may depend on what it computes at one: windows hide what lies before them.
    fn reached(&self, position: usize, len: usize, architecture: &Architecture) -> Vec<bool> {
        use Component as C;
        let n_layers = architecture.n_layers;
        let layer = self.layer.unwrap_or(n_layers);
        let read_in_layer = matches!(self.component, C::K | C::V | C::Ln1 | C::ResidPre);
        let first = if read_in_layer { layer } else { layer + 1 };
        let mut reached: Vec<bool> = (0..len).map(|p| p == position).collect();
        for layer in first..n_layers {
            let sees = |p: usize| architecture.keys(layer, p).any(|key| reached[key]);
            reached = (0..len).map(sees).collect();
        }
        reached
    }

    /// Whether what a sender adds to the stream is in what it reads.
    fn comes_after(&self, sender: Site, architecture: &Architecture) -> bool {
        // Attention and MLP of a parallel layer don't read one another.
        let beside = architecture.is_parallel()
            && sender.layer.is_some_and(|layer| self.layer == Some(layer));
        sender.order() < self.site().order() && (!beside || self.component == Component::ResidPost)
    }

    /// Whether it is a query head that shares its keys and values with others.
    fn is_seen_alone(&self, architecture: &Architecture) -> bool {
        let grouped = architecture.n_kv_heads < architecture.n_heads;
        let shared = matches!(self.component, Component::K | Component::V);
        grouped && shared && self.head.is_some()
    }

    /// The places that it stands for: in a model without a norm of its own before attention or the MLP, what
    /// is projected from the stream there.
    fn loci(&self, architecture: &Architecture) -> Vec<Locus> {
        use Component as C;
        let at = |component| Locus::at(Site { component, layer: self.layer });
        let has = |component: &C| architecture.lacks(*component).is_none();
        let projected: &[C] = match self.component {
            C::Ln1 if architecture.shares_norm() || !has(&C::Ln1) => &[C::Q, C::K, C::V],
            C::Ln2 if !has(&C::Ln2) => &[C::MlpPre, C::MlpPreLinear],
            component => {
                let narrowed = self.head.into_iter();
                return vec![narrowed.fold(at(component), |locus, head| locus.heads([head]))];
            }
        };
        projected.iter().filter(|component| has(component)).map(|c| at(*c)).collect()
    }
}

impl FromStr for Receiver {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        let unknown = || SweepError::UnknownReceiver { given: given.to_owned() };
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or_else(unknown)
        };
        let (word, place) = match given.split_once('@') {
            Some((word, place)) => (word, Some(place)),
            None => (given, None),
        };
        let named = RECEIVERS.into_iter().find(|(name, _)| *name == word);
        let (_, component) = named.ok_or_else(unknown)?;
        let (layer, head) = match place.map(|place| place.split_once('.').ok_or(place)) {
            None => (None, None),
            Some(Err(layer)) => (Some(number(layer)?), None),
            Some(Ok((layer, head))) => (Some(number(layer)?), Some(number(head)?)),
        };
        let fits = component.in_layers() == layer.is_some()
            && (head.is_none() || component.head_axis().is_some());
        if fits { Ok(Self { component, layer, head }) } else { Err(unknown()) }
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, layer, head } = self;
        let named = RECEIVERS.iter().find(|(_, named)| named == component);
        f.write_str(named.map_or("", |(name, _)| name))?;
        if let Some(layer) = layer {
            write!(f, "@{layer}")?;
        }
        head.map_or(Ok(()), |head| write!(f, ".{head}"))
    }
}

as_text!(Receiver);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_read_as_they_are_written() {
        for given in ["q@6.5", "v@7", "mlp_in@8", "resid_post@11", "logits"] {
            assert_eq!(given.parse::<Receiver>().expect(given).to_string(), given);
        }
        for given in ["", "z@3", "q", "q@", "q@+1", "mlp_in@8.1", "logits@3", "q@1.2.3", "Q@1"] {
            let error = given.parse::<Receiver>().expect_err(given).to_string();
            assert!(error.starts_with(&format!("there is no receiver '{given}'")), "{error}");
        }
    }
}
