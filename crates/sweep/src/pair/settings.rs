//! How to patch a pair.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::{Component, Direction};

use super::change::Change;
use super::corruption::Corruption;
use super::indices::Indices;
use super::mean::MeanOf;
use super::measures::{AnswerTokens, PairMetric};
use super::partners::Align;
use super::paths::Paths;
use super::positions::Positions;
use super::prompts::FedPair;
use super::runs::NamedRun;
use super::target::Target;
use crate::error::SweepError;
use crate::words::word;

/// How to patch a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PairSettings {
    /// What is patched; without a layer in all layers.
    pub sites: Vec<Target>,
    /// The axes of the grids; without any there is one cell.
    pub per: Vec<Per>,
    /// Which positions: one after the other where they are an axis, otherwise together. If not given, each by
    /// itself where position is an axis, and otherwise all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<Positions>,
    /// Which layers, if not all: one after the other where they are an axis, otherwise together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Indices>,
    /// Which heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<Indices>,
    /// Which neurons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neurons: Option<Indices>,
    /// Which keys of scores and patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_positions: Option<Indices>,
    /// What is left alone of all that (`z@9.6`): every head but those of a circuit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Target>,
    /// How many layers around a cell's are patched together, counted as ROME counts them
    /// ([`window`](tracewright_ir::window)).
    pub window: usize,
    /// What is done there.
    pub change: Change,
    /// The dataset that the change `mean` takes its values from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<MeanOf>,
    /// What is measured; if nothing is given, `kl`, or `logit-diff` where the pairs have answers and distractors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<PairMetric>,
    /// The positions that metrics are read at, each by itself; if not given, the last one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metric_at: Vec<Positions>,
    /// Whether the mean over these positions is taken.
    pub metric_mean: bool,
    /// What is done with an answer of several tokens; otherwise it is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_tokens: Option<AnswerTokens>,
    /// How many of the likeliest tokens are stored for each cell, and count as the top of `topk-acc` (5 if none
    /// are stored).
    pub top_k: usize,
    /// Sites whose values are stored, of the clean and the corrupted runs and of each cell's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<Target>,
    /// Which way values are copied; corrupted ones into the clean run where paths are patched.
    #[schemars(with = "String")]
    pub direction: Direction,
    /// How positions correspond where prompts have different lengths.
    pub align: Align,
    /// How the clean prompts are corrupted: one case for each.
    pub corruptions: Vec<Corruption>,
    /// Further runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<NamedRun>,
    /// The run that is patched, if not the one that the direction says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The run that is copied from, if not the one that the direction says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who alone reads the copied values; everybody where there are no paths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Paths>,
}

impl Default for PairSettings {
    fn default() -> Self {
        Self {
            sites: vec![Component::ResidPost.into()],
            per: vec![Per::Layer, Per::Position],
            positions: Vec::new(),
            layers: None,
            heads: None,
            neurons: None,
            src_positions: None,
            except: Vec::new(),
            window: 1,
            change: Change::Copy,
            mean: None,
            metrics: Vec::new(),
            metric_at: Vec::new(),
            metric_mean: false,
            answer_tokens: None,
            top_k: 0,
            read: Vec::new(),
            direction: Direction::Denoise,
            align: Align::None,
            corruptions: vec![Corruption::default()],
            runs: Vec::new(),
            base: None,
            source: None,
            paths: None,
        }
    }
}

/// The top of `topk-acc` where no tokens are stored.
const TOP: usize = 5;

impl PairSettings {
    /// True where the grids have this axis.
    pub fn has(&self, axis: Per) -> bool {
        self.per.contains(&axis)
    }

    /// Whether there is something to patch under a corruption; otherwise the clean run is only looked at.
    pub(crate) fn patches(&self, nothing: bool) -> bool {
        !(nothing && self.change.reads_a_run() && self.source.is_none())
    }

    /// The metrics: those given, or the default for these answers.
    pub(crate) fn metrics(&self, fed: &FedPair) -> Vec<PairMetric> {
        match (self.metrics.is_empty(), fed.answers.is_empty() || fed.distractors.is_empty()) {
            (false, _) => self.metrics.clone(),
            (true, true) => vec![PairMetric::Kl],
            (true, false) => vec![PairMetric::LogitDiff],
        }
    }

    /// How many tokens are the top.
    pub(crate) fn top(&self) -> usize {
        if self.top_k == 0 { TOP } else { self.top_k }
    }

    /// The positions of the clean prompt that are patched, rising and each once.
    ///
    /// # Errors
    ///
    /// A range that reaches past the prompt's end.
    pub fn positions_of(&self, fed: &FedPair) -> Result<Vec<usize>, SweepError> {
        match self.positions.is_empty() {
            true => Ok((0..fed.clean.len()).collect()),
            false => chosen(&self.positions, fed),
        }
    }

    /// The positions that metrics are read at; none for the last one alone.
    ///
    /// # Errors
    ///
    /// A range that reaches past the prompt's end, and prompts of different lengths.
    pub(crate) fn measured_at(&self, fed: &FedPair) -> Result<Option<Vec<usize>>, SweepError> {
        if self.metric_at.is_empty() || self.metric_at == [Positions::LAST] {
            return Ok(None);
        }
        match fed.aligned() {
            true => chosen(&self.metric_at, fed).map(Some),
            false => Err(SweepError::MeasuresOfUnequal),
        }
    }

    /// What is selected on an axis.
    pub(crate) fn selection(&self, per: Per) -> Option<&Indices> {
        match per {
            Per::Layer => self.layers.as_ref(),
            Per::Head => self.heads.as_ref(),
            Per::Neuron => self.neurons.as_ref(),
            Per::SrcPosition => self.src_positions.as_ref(),
            Per::Position => None,
        }
    }

    /// The selected indices of an axis of length `len`.
    pub(crate) fn selected(&self, per: Per, len: usize) -> Result<Vec<usize>, SweepError> {
        match self.selection(per) {
            Some(indices) => indices.of(per.name(), len),
            None => Ok((0..len).collect()),
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

/// The positions of several selections, rising and each once.
fn chosen(selections: &[Positions], fed: &FedPair) -> Result<Vec<usize>, SweepError> {
    let mut all = Vec::new();
    for positions in selections {
        all.extend(positions.of(fed.clean.len(), &fed.subject)?);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// An axis of a pair's grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
