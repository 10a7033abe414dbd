//! How to patch between two prompts.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracewright_ir::{Component, Direction, Metric, RunId};

use super::positions::Positions;
use super::prompts::FedPair;
use crate::error::SweepError;
use crate::words::{each_once, word};

/// The components that a pair's patches copy.
const SITES: [Component; 4] =
    [Component::ResidPre, Component::ResidPost, Component::AttnOut, Component::MlpOut];

/// How to patch between two prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairSettings {
    /// What is copied, a grid for each.
    pub sites: Vec<Component>,
    /// The axes of the grids.
    pub per: Vec<Per>,
    /// Which positions: one after the other where they are an axis, otherwise together.
    pub positions: Vec<Positions>,
    /// What is measured.
    pub metrics: Vec<PairMetric>,
    /// Which way values are copied.
    pub direction: Direction,
}

impl Default for PairSettings {
    fn default() -> Self {
        Self {
            sites: vec![Component::ResidPost],
            per: Per::ALL.to_vec(),
            positions: vec![Positions::Each],
            metrics: vec![PairMetric::Kl],
            direction: Direction::Denoise,
        }
    }
}

impl PairSettings {
    /// Fails where there is nothing to patch, or something twice.
    ///
    /// # Errors
    ///
    /// Sites that pairs don't take, lists that are empty or name something twice, positions that
    /// contradict the axes.
    pub fn check(&self) -> Result<(), SweepError> {
        let lists = [
            ("site", each_once(&self.sites)),
            ("axis", each_once(&self.per)),
            ("metric", each_once(&self.metrics)),
        ];
        if let Some((what, _)) = lists.into_iter().find(|(_, good)| !good) {
            return Err(SweepError::NotEachOnce { what });
        }
        if let Some(site) = self.sites.iter().find(|site| !SITES.contains(site)) {
            return Err(not_yet(*site));
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

    /// The site with a component's name, if pairs take it.
    ///
    /// # Errors
    ///
    /// A name that no component has, and one of a component that isn't patched between prompts.
    pub fn site(name: &str) -> Result<Component, SweepError> {
        match Component::from_name(name) {
            Some(site) if SITES.contains(&site) => Ok(site),
            Some(site) => Err(not_yet(site)),
            None => word("site", name, &SITES, |site| site.name()),
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

fn not_yet(site: Component) -> SweepError {
    SweepError::SiteNotYet { site: site.name(), known: SITES.map(Component::name).join(", ") }
}

/// An axis of a pair's grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// A cell for each layer; otherwise all layers are patched together.
    Layer,
    /// A cell for each position; otherwise they are patched together.
    Position,
}

impl Per {
    /// Every axis.
    pub const ALL: [Self; 2] = [Self::Layer, Self::Position];

    /// The word for it in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Position => "position",
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
}

impl PairMetric {
    /// Every metric.
    pub const ALL: [Self; 4] = [Self::Prob, Self::Logit, Self::LogitDiff, Self::Kl];

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
        check(of(&Per::ALL, &[Positions::All]), together);
        let each = "the positions 'each' are patched one by one, but position isn't an axis: give --per layer,position, or --positions all";
        check(of(&[Per::Layer], &[Positions::Each]), each);
        let several = "several --positions are patched one by one, but position isn't an axis: give --per layer,position, or a single selection such as 3-5";
        check(of(&[Per::Layer], &[Positions::Subject, Positions::Last]), several);
        check(of(&Per::ALL, &[Positions::Subject, Positions::Last]), "");
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
    }

    #[test]
    fn sites_have_their_aliases_and_others_are_told_apart_from_unknown_ones() {
        let name = |name| PairSettings::site(name).map(Component::name).map_err(|e| e.to_string());
        assert_eq!(name("self_attn").as_deref(), Ok("attn_out"));
        assert_eq!(name("output").as_deref(), Ok("resid_post"));
        assert_eq!(
            name("z").expect_err("a head's site"),
            "the site 'z' can't be patched between prompts yet; pair takes resid_pre, resid_post, attn_out, mlp_out"
        );
        assert_eq!(
            name("resid").expect_err("no site"),
            "there is no site 'resid'; the nearest are resid_pre, resid_post, attn_out; known: resid_pre, resid_post, attn_out, mlp_out"
        );
    }
}
