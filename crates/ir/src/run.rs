//! Runs and variants.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::intervention::Intervention;

/// The index of a run in its [`Request`](crate::Request).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub usize);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A token sequence with an ordered list of interventions, or another run with more of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What it is called in messages and plans: `clean`, `corrupted 3`.
    pub name: String,
    /// Where its tokens come from.
    pub origin: Origin,
    /// What is changed, in this order, after everything that its base changes.
    pub interventions: Vec<Intervention>,
}

/// What a run starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// These token ids.
    Tokens(Vec<u32>),
    /// Another run's tokens and interventions: this run is a variant of it.
    Base(RunId),
}

impl Run {
    /// A run of a token sequence without interventions.
    pub fn of_tokens(name: impl Into<String>, ids: &[u32]) -> Self {
        Self { name: name.into(), origin: Origin::Tokens(ids.to_vec()), interventions: Vec::new() }
    }

    /// A variant of another run.
    pub fn variant(
        name: impl Into<String>,
        base: RunId,
        interventions: impl IntoIterator<Item = Intervention>,
    ) -> Self {
        let interventions = interventions.into_iter().collect();
        Self { name: name.into(), origin: Origin::Base(base), interventions }
    }
}
