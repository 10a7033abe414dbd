//! What is known of a pair of prompts: `cases/NAME.json`.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracewright_ir::{Direction, Tokens};

use crate::case::CaseRecord;

/// Two prompts, and what patching between them gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairRecord {
    /// The model.
    #[serde(default)]
    pub model: String,
    /// The clean prompt.
    pub clean: PairPrompt,
    /// The corrupted prompt; the clean one where its embeddings are corrupted, and of several the first.
    pub corrupted: PairPrompt,
    /// What corrupts the clean prompt's embeddings, in words; null for another prompt.
    #[serde(default)]
    pub corruption: Option<String>,
    /// How many corrupted runs there are.
    #[serde(default = "one")]
    pub samples: usize,
    /// How positions of prompts of different lengths correspond; null where they have as many tokens.
    #[serde(default)]
    pub align: Option<String>,
    /// What is done at a cell's place: `copy`, `zero`, `scale=2`.
    #[serde(default = "copy")]
    pub change: String,
    /// The named runs that are patched and read, where they aren't those that the direction says.
    #[serde(default)]
    pub base: Option<String>,
    /// See [`PairRecord::base`].
    #[serde(default)]
    pub source: Option<String>,
    /// Which way values were copied.
    pub direction: Direction,
    /// The subject's tokens, half open; the same positions in both prompts.
    pub subject_range: Range<usize>,
    /// False where nobody named the subject and it is the tokens in which the prompts differ.
    pub subject_given: bool,
    /// The token whose probability or logit is measured; if not given, what the clean run says.
    pub answer: PairToken,
    /// The token that the answer is compared with; if not given, what the corrupted run says.
    pub distractor: PairToken,
    /// Further answers, and further distractors.
    #[serde(default)]
    pub others: [Vec<PairToken>; 2],
    /// The axes of the grids among `layer`, `position`, `head`, `neuron` and `src_position`.
    pub per: Vec<String>,
    /// The positions that were patched: one after the other where they are an axis, otherwise
    /// together.
    pub positions: Vec<usize>,
    /// How many layers around a cell's are patched together.
    #[serde(default)]
    pub window: usize,
    /// Who alone reads what is copied; everybody where the list is empty.
    #[serde(default)]
    pub receivers: Vec<String>,
    /// Whether MLPs are held on the way to the receivers.
    #[serde(default)]
    pub freeze_mlp: bool,
    /// Whether a receiver's head is a key/value head with its whole group of query heads.
    #[serde(default)]
    pub by_group: bool,
    /// Each metric of the two runs without a patch.
    pub baselines: Vec<Baseline>,
    /// Grids by metric, then site, then the axes that stand neither down nor across.
    pub grids: Vec<PairGrid>,
    /// How much each layer recovers at the subject's last token (or at all patched positions
    /// together), for each grid that has layers and this token.
    pub subject_curves: Vec<SubjectCurve>,
    /// The likeliest tokens of the clean run, the corrupted ones, and each cell's runs, in the order of the
    /// grids; empty unless they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TopTokens>,
}

fn one() -> usize {
    1
}

fn copy() -> String {
    "copy".to_owned()
}

/// The likeliest next tokens of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopTokens {
    /// `clean`, `corrupted`, or `cell`.
    pub run: String,
    /// Which of the corrupted runs.
    pub sample: usize,
    /// The cell's place on each axis.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub at: Value,
    /// The tokens, the likeliest first.
    pub tokens: Vec<TopToken>,
}

/// One of the likeliest next tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopToken {
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: u32,
    /// Its logit.
    pub logit: f32,
    /// Its probability.
    pub prob: f32,
}

/// One prompt of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairPrompt {
    /// Its text.
    pub prompt: String,
    /// The prompt as it was fed.
    pub tokens: Tokens,
    /// The likeliest next token.
    pub prediction: PairToken,
}

/// A token that is an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairToken {
    /// Its text, with its leading space.
    pub text: String,
    /// Its id.
    pub id: u32,
    /// True where the user gave it, false where the model said it.
    pub given: bool,
}

/// A metric without a patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The metric.
    pub metric: String,
    /// Its value in the clean run.
    pub clean: f64,
    /// Its value in the corrupted run.
    pub corrupted: f64,
}

/// The cells of one site under one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairGrid {
    /// The site's short name, with its layer where one was asked for.
    pub site: String,
    /// The metric.
    pub metric: String,
    /// Axes that all cells share an index of: `position`, `layer`, `head`, `neuron`, `src_position`.
    pub at: BTreeMap<String, usize>,
    /// What stands down; null for a single row.
    pub rows: Option<GridAxis>,
    /// What stands across; null for a single column.
    pub columns: Option<GridAxis>,
    /// The metric after each patch; null where no path leads to a receiver.
    pub values: Vec<Vec<Option<f64>>>,
    /// How much of the clean run's value each patched run has; null where the two runs don't
    /// differ.
    pub recovery: Vec<Vec<Option<f64>>>,
    /// How far each patch has moved its base towards its source; null where the two don't differ.
    #[serde(default)]
    pub effect: Vec<Vec<Option<f64>>>,
}

/// An axis of a grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GridAxis {
    /// `position`, `layer`, `head`, `kv_head`, `neuron` or `src_position`.
    pub axis: String,
    /// The indices in their order.
    pub indices: Vec<usize>,
}

/// Recovery by layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubjectCurve {
    /// The site's short name.
    pub site: String,
    /// The metric.
    pub metric: String,
    /// The subject's last token; null where positions were patched together.
    pub position: Option<usize>,
    /// One for each layer.
    pub recovery: Vec<Option<f64>>,
    /// The layer whose patch changes most: the highest recovery, or the lowest for noising. Of
    /// equal ones the first.
    pub best_layer: Option<usize>,
}

impl CaseRecord {
    /// The record of a pair, if the case is one.
    pub fn pair(&self) -> Option<PairRecord> {
        PairRecord::deserialize(&self.extra).ok()
    }
}
