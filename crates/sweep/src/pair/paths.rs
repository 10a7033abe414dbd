//! Path patching: what reaches some receivers from a sender, and what that does to the answer.
//!
//! Run C has the clean prompt and every head's q, k and v held at the clean run's, so that nothing
//! travels between positions, and the sender's value is the corrupted run's. What the receivers compute
//! there, norms and (unless they are frozen too) MLPs between included, goes into run D, which is the
//! clean run otherwise.
//!
//! Reference: Wang et al. 2022, arXiv 2211.00593, appendix B; Goldowsky-Dill et al. 2023, arXiv 2304.05969.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::{
    Architecture, Component, Coordinates, Intervention, Locus, Operation, Request, Run, RunId,
    Site, Source, State, Value,
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
        // The stream as the MLP reads it; its norm is all that reads it.
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
            // Positions are those of the run, so any length will do.
            receiver.locus().check(architecture, 1)?;
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
        (n_layers, read_at): (usize, &[usize]),
    ) -> Option<RunId> {
        let len = request.tokens(clean).ok()?.len();
        let last = read_at.iter().copied().max()?;
        let reaches = |sender: &Locus| {
            let positions = sender.positions.indices(len);
            let reached = |receiver: &Receiver| {
                let seen = |p: &usize| {
                    read_at.contains(p) || *p < last && receiver.is_read_later(n_layers)
                };
                sender.site.order() < receiver.site().order() && positions.iter().any(seen)
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
        let receive = |receiver: &Receiver| {
            let source = Source { run: c, locus: None, state: State::Computed };
            let operation = Operation::Replace(Value::Source(source));
            Intervention { locus: receiver.locus(), operation }
        };
        Some(request.push(Run::variant(name, clean, self.receivers.iter().map(receive))))
    }
}

impl Receiver {
    fn site(&self) -> Site {
        Site { component: self.component, layer: self.layer }
    }

    /// Whether what it computes at one position is read at later ones, and so by the metric.
    fn is_read_later(&self, n_layers: usize) -> bool {
        use Component as C;
        match (self.component, self.layer) {
            (C::K | C::V | C::Ln1 | C::ResidPre, _) => true,
            (_, Some(layer)) => layer + 1 < n_layers,
            (_, None) => false,
        }
    }

    fn locus(&self) -> Locus {
        let locus = Locus::at(self.site());
        self.head.into_iter().fold(locus, |locus, head| locus.heads([head]))
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
