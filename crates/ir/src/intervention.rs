//! Interventions: operations at a locus.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::locus::Locus;
use crate::run::RunId;

/// An operation at a locus of a run.
///
/// Freezing is replacing with another run's value at the same locus ([`Intervention::copy`]): on
/// a row that something upstream has changed it severs the path that goes through the locus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervention {
    /// Where.
    pub locus: Locus,
    /// What is done there.
    pub operation: Operation,
}

impl Intervention {
    /// Copies another run's value, as that run left it, into the same locus of this run.
    pub fn copy(locus: Locus, run: RunId) -> Self {
        Self { locus, operation: Operation::Replace(Value::Source(Source::of(run))) }
    }

    /// Sets the locus to zero.
    pub fn zero(locus: Locus) -> Self {
        Self { locus, operation: Operation::Replace(Value::Constant(0.0)) }
    }

    /// Every source that the operation reads.
    pub fn sources(&self) -> &[Source] {
        match &self.operation {
            Operation::Replace(value)
            | Operation::Add(value)
            | Operation::Interpolate { value, .. } => value.sources(),
            Operation::Project { along: Along::Of(source), .. } => std::slice::from_ref(source),
            Operation::Call(call) => &call.reads,
            Operation::Scale(_) | Operation::Project { .. } => &[],
        }
    }
}

impl fmt::Display for Intervention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Operation::Replace(value) => write!(f, "{} ← {value}", self.locus),
            Operation::Add(value) => write!(f, "{} += {value}", self.locus),
            Operation::Scale(factor) => write!(f, "{} ×= {factor}", self.locus),
            Operation::Interpolate { value, weight } => {
                write!(f, "{} ← {weight} of the way to {value}", self.locus)
            }
            Operation::Project { along, .. } => match along {
                Along::Out => write!(f, "{} without its part along a direction", self.locus),
                Along::In => write!(f, "{} ← its part along a direction", self.locus),
                Along::Of(source) => {
                    write!(f, "{} ← {source} along a direction", self.locus)
                }
            },
            Operation::Call(call) => write!(f, "{} ← {}(…)", self.locus, call.name),
        }
    }
}

/// What is done to the values of a locus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// They become the given value.
    Replace(Value),
    /// The given value is added. An array is summed in f64 and rounded once, as NumPy's noise is in
    /// ROME's code; what the model computed is f32 on both sides anyway.
    Add(Value),
    /// They are multiplied.
    Scale(f64),
    /// They go a part of the way to the given value: x + weight · (value − x).
    Interpolate {
        /// Where to.
        value: Value,
        /// How far: 0 stays, 1 replaces.
        weight: f64,
    },
    /// What they have along a direction d, (x · d) d / (d · d), is taken away, kept alone or exchanged.
    Project {
        /// The direction, of any length but 0: as many numbers as the last axis of the locus has. Each
        /// position, and each head, is projected by itself.
        direction: Arc<Array>,
        /// What is done.
        along: Along,
    },
    /// They become what a function of the caller's own makes of them.
    Call(Call),
}

/// What [`Operation::Project`] does with a value's part along the direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Along {
    /// It is taken away.
    Out,
    /// Only it is left.
    In,
    /// It becomes that of another run's value: interchange in a subspace.
    Of(Source),
}

/// A function of the caller's own, by its name; whoever executes the request knows what it does.
///
/// It is pure: equal arguments give equal values, so that runs which agree up to here may share them.
/// It is given the locus' values of one run, all of them in C order and as [`Locus::shape`] says,
/// and those of each of `reads`, and gives back as many numbers as the locus has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What it reads beside its own locus, of any shape.
    #[serde(default)]
    pub reads: Vec<Source>,
    /// The floating point operations that it takes for each row, as plans count them.
    #[serde(default)]
    pub flops: u64,
}

/// A value for a locus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// The same number everywhere.
    Constant(f64),
    /// Numbers of the locus' own shape.
    Array(Arc<Array>),
    /// What another run has there.
    Source(Source),
    /// The mean of what several runs have there.
    Mean(Vec<Source>),
}

impl Value {
    /// Every source that the value is read from.
    pub fn sources(&self) -> &[Source] {
        match self {
            Self::Source(source) => std::slice::from_ref(source),
            Self::Mean(sources) => sources,
            Self::Constant(_) | Self::Array(_) => &[],
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::Array(array) => write!(f, "array {:?}", array.shape),
            Self::Source(source) => write!(f, "{source}"),
            Self::Mean(sources) => write!(f, "mean of {} runs", sources.len()),
        }
    }
}

/// Numbers on the host, in C order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Array {
    /// The length of each axis, as [`Locus::shape`] gives it.
    pub shape: Vec<usize>,
    /// The numbers.
    pub data: Vec<f64>,
}

/// What a replacement reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The run that is read.
    pub run: RunId,
    /// Where it is read, if not at the locus that is changed; of the same shape.
    #[serde(default)]
    pub locus: Option<Locus>,
    /// Before or after that run's own interventions there.
    #[serde(default)]
    pub state: State,
}

impl Source {
    /// The same locus of `run`, as left.
    pub fn of(run: RunId) -> Self {
        Self { run, locus: None, state: State::Left }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.run)?;
        if let Some(locus) = &self.locus {
            write!(f, ".{locus}")?;
        }
        match self.state {
            State::Left => Ok(()),
            State::Computed => f.write_str(" as computed"),
        }
    }
}

/// Which of the two values that a run has at a place it intervenes on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it was computed, before the run's own interventions at the place.
    Computed,
    /// As the run's own interventions left it.
    #[default]
    Left,
}
