//! How to patch between two prompts.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracewright_ir::{Architecture, Component, Direction, IrError, Metric, RunId, Site};

use super::paths::Paths;
use super::positions::Positions;
use super::prompts::FedPair;
use crate::error::SweepError;
use crate::words::{each_once, word};

/// How to patch between two prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairSettings {
    /// What is copied; without a layer in all layers.
    #[serde(with = "site_names")]
    pub sites: Vec<Site>,
    /// The axes of the grids.
    pub per: Vec<Per>,
    /// Which positions: one after the other where they are an axis, otherwise together.
    pub positions: Vec<Positions>,
    /// How many layers around a cell's are patched together, counted as ROME counts them
    /// ([`window`](tracewright_ir::window)).
    pub window: usize,
    /// What is measured.
    pub metrics: Vec<PairMetric>,
    /// Which way values are copied; corrupted ones into the clean run where paths are patched.
    pub direction: Direction,
    /// Who alone reads the copied values; everybody where there are no paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Paths>,
}

impl Default for PairSettings {
    fn default() -> Self {
        Self {
            sites: vec![everywhere(Component::ResidPost)],
            per: vec![Per::Layer, Per::Position],
            positions: vec![Positions::Each],
            window: 1,
            metrics: vec![PairMetric::Kl],
            direction: Direction::Denoise,
            paths: None,
        }
    }
}

impl PairSettings {
    /// Fails where there is nothing to patch, or something twice.
    ///
    /// # Errors
    ///
    /// Lists that are empty or name something twice, positions that contradict the axes, a window around
    /// nothing, senders that there aren't, paths in the other direction.
    pub fn check(&self) -> Result<(), SweepError> {
        let lists = [
            ("site", each_once(&self.sites)),
            ("axis", each_once(&self.per)),
            ("metric", each_once(&self.metrics)),
        ];
        if let Some((what, _)) = lists.into_iter().find(|(_, good)| !good) {
            return Err(SweepError::NotEachOnce { what });
        }
        if self.paths.as_ref().is_some_and(|paths| !each_once(&paths.receivers)) {
            return Err(SweepError::NotEachOnce { what: "receiver" });
        }
        let sends = |site: &&Site| !Paths::SENDERS.contains(&site.component);
        if let Some(site) = self.sites.iter().find(sends).filter(|_| self.paths.is_some()) {
            let known = Paths::SENDERS.map(Component::name).join(", ");
            return Err(SweepError::NoSender { site: site.short_name(), known });
        }
        if self.window == 0 {
            return Err(SweepError::NoWindow { given: self.window });
        }
        let fixed = |site: &Site| site.layer.is_some() || !site.component.in_layers();
        let around = self.has(Per::Layer) && !self.sites.iter().any(fixed) && self.paths.is_none();
        if self.window > 1 && !around {
            return Err(SweepError::WindowWithoutLayers);
        }
        if self.paths.is_some() && self.direction == Direction::Denoise {
            return Err(SweepError::PathsDenoise);
        }
        if self.paths.is_some() && !matches!(self.positions[..], [one] if one != Positions::Each) {
            return Err(SweepError::SenderPositions);
        }
        let one_by_one = self.has(Per::Position);
        match self.positions.as_slice() {
            _ if one_by_one && self.positions.contains(&Positions::All) => {
                Err(SweepError::TogetherOnAxis)
            }
            [Positions::Each] if !one_by_one => Err(SweepError::EachWithoutAxis),
            [] => Err(SweepError::NotEachOnce { what: "position" }),
            [_] => Ok(()),
            _ if one_by_one => Ok(()),
            _ => Err(SweepError::SeveralWithoutAxis),
        }
    }

    /// True where the grids have this axis.
    pub fn has(&self, axis: Per) -> bool {
        self.per.contains(&axis)
    }

    /// The positions that are patched, rising and each once.
    ///
    /// # Errors
    ///
    /// A range that reaches past the prompts' end.
    pub fn positions_of(&self, fed: &FedPair) -> Result<Vec<usize>, SweepError> {
        let mut all = Vec::new();
        for positions in &self.positions {
            all.extend(positions.of(fed.clean.len(), &fed.subject)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// A site by any of its names; without its layer it stands for the component in all layers.
    ///
    /// # Errors
    ///
    /// A name that the model hasn't got, with the nearest.
    pub fn site(name: &str, architecture: &Architecture) -> Result<Site, SweepError> {
        // As `tracewright sites` writes a name for all layers.
        let of_any = name.replace(".N.", ".0.");
        match Site::parse(&of_any, architecture) {
            Err(IrError::NoLayer { component }) => Ok(everywhere(component)),
            Ok(site) if of_any != name => Ok(everywhere(site.component)),
            _ => Ok(Site::parse(name, architecture)?),
        }
    }

    /// The direction of this name.
    ///
    /// # Errors
    ///
    /// Another name than `denoise` and `noise`.
    pub fn direction(name: &str) -> Result<Direction, SweepError> {
        word("direction", name, &Direction::ALL, Direction::name)
    }
}

/// A component in all layers, or the one outside them.
const fn everywhere(component: Component) -> Site {
    Site { layer: None, component }
}

/// Sites in files by their short names: `z`, `z@9`.
mod site_names {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tracewright_ir::{Component, Site};

    pub(super) fn serialize<S: Serializer>(sites: &[Site], to: S) -> Result<S::Ok, S::Error> {
        sites.iter().map(|site| site.short_name()).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Site>, D::Error> {
        let site = |name: String| {
            let (component, layer) = match name.split_once('@') {
                Some((component, layer)) => (component, Some(layer.parse().ok()?)),
                None => (name.as_str(), None),
            };
            Some(Site { component: Component::from_name(component)?, layer })
        };
        let names: Vec<String> = Vec::deserialize(from)?;
        let sites = names.into_iter().map(|name| site(name.clone()).ok_or(name));
        sites
            .collect::<Result<_, _>>()
            .map_err(|name| D::Error::custom(format!("no site '{name}'")))
    }
}

/// An axis of a pair's grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A cell for each layer; otherwise all layers are patched together.
    Layer,
    /// A cell for each position; otherwise they are patched together.
    Position,
    /// A cell for each head; key/value heads of k and v.
    Head,
    /// A cell for each neuron of the MLP.
    Neuron,
    /// A cell for each key position of scores and patterns.
    SrcPosition,
}

impl Per {
    /// Every axis.
    pub const ALL: [Self; 5] =
        [Self::Layer, Self::Position, Self::Head, Self::Neuron, Self::SrcPosition];

    /// The word for it in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Position => "position",
            Self::Head => "head",
            Self::Neuron => "neuron",
            Self::SrcPosition => "src_position",
        }
    }
}

impl FromStr for Per {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        word("axis", given, &Self::ALL, Self::name)
    }
}

/// A metric whose answer isn't known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairMetric {
    /// The answer's probability.
    Prob,
    /// The answer's logit.
    Logit,
    /// The answer's logit minus the distractor's.
    LogitDiff,
    /// KL(clean ‖ run).
    Kl,
    /// The logarithm of the answer's probability.
    Logprob,
    /// How many tokens are likelier than the answer.
    Rank,
    /// The entropy of the next token's distribution.
    Entropy,
    /// The Euclidean distance of the logits to the clean run's.
    L2,
    /// The mean squared difference of the logits to the clean run's.
    Mse,
    /// One minus the cosine of the angle between the logits and the clean run's.
    Cosine,
}

impl PairMetric {
    /// Every metric.
    pub const ALL: [Self; 10] = [
        Self::Prob,
        Self::Logit,
        Self::LogitDiff,
        Self::Kl,
        Self::Logprob,
        Self::Rank,
        Self::Entropy,
        Self::L2,
        Self::Mse,
        Self::Cosine,
    ];

    /// The metric's name, spelled like the program's flag.
    pub fn name(self) -> &'static str {
        self.of(0, 0, RunId(0)).name()
    }

    /// The metric of these tokens and this clean run.
    pub fn of(self, answer: u32, distractor: u32, clean: RunId) -> Metric {
        match self {
            Self::Prob => Metric::Prob { answer },
            Self::Logit => Metric::Logit { answer },
            Self::LogitDiff => {
                Metric::LogitDiff { answers: vec![answer], distractors: vec![distractor] }
            }
            Self::Kl => Metric::Kl { clean },
            Self::Logprob => Metric::Logprob { answer },
            Self::Rank => Metric::Rank { answer },
            Self::Entropy => Metric::Entropy,
            Self::L2 => Metric::L2 { clean },
            Self::Mse => Metric::Mse { clean },
            Self::Cosine => Metric::Cosine { clean },
        }
    }
}

impl FromStr for PairMetric {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        word("metric", given, &Self::ALL, Self::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: PairSettings, expected: &str) {
        let message = settings.check().map_err(|error| error.to_string()).err();
        assert_eq!(message.unwrap_or_default(), expected);
    }

    #[test]
    fn positions_that_contradict_the_axes_are_refused() {
        let of = |per: &[Per], positions: &[Positions]| PairSettings {
            per: per.to_vec(),
            positions: positions.to_vec(),
            ..PairSettings::default()
        };
        let together = "the positions 'all' are patched together, but position is an axis: give --per layer, or --positions each";
        let both = [Per::Layer, Per::Position];
        check(of(&both, &[Positions::All]), together);
        let each = "the positions 'each' are patched one by one, but position isn't an axis: give --per layer,position, or --positions all";
        check(of(&[Per::Layer], &[Positions::Each]), each);
        let several = "several --positions are patched one by one, but position isn't an axis: give --per layer,position, or a single selection such as 3-5";
        check(of(&[Per::Layer], &[Positions::Subject, Positions::Last]), several);
        check(of(&both, &[Positions::Subject, Positions::Last]), "");
        check(of(&[Per::Layer], &[Positions::Subject]), "");
    }

    #[test]
    fn nothing_and_something_twice_are_refused() {
        let default = PairSettings::default;
        check(default(), "");
        check(PairSettings { sites: vec![], ..default() }, "give at least one site, each once");
        let twice = vec![PairMetric::Kl, PairMetric::Kl];
        check(PairSettings { metrics: twice, ..default() }, "give at least one metric, each once");
        check(PairSettings { per: vec![], ..default() }, "give at least one axis, each once");
        let none = "--window is 0: give how many layers are patched together, from 1 on";
        check(PairSettings { window: 0, ..default() }, none);
    }
}
