//! One row of the table of averages.

use serde::{Deserialize, Serialize};

/// One cell of the grids averaged over cases; a column that doesn't apply is null.
///
/// The fields are the columns of `averages.parquet`, in this order and with these names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Average {
    /// What the averaged cells have in common.
    #[serde(flatten)]
    pub group: Group,
    /// The mean over cases of the metric of the patched runs.
    pub value: f64,
    /// Its standard deviation over cases, with n − 1; null for one case.
    pub std: Option<f64>,
    /// Its standard error, `std` / √n; null for one case.
    pub stderr: Option<f64>,
    /// The lower end of the mean's 95 % bootstrap interval over cases; null for one case.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The standard error that the noise samples alone leave in `value`; null where a cell has
    /// fewer than two.
    ///
    /// √(Σ sᵢ²) / n over the n cases, sᵢ the mean of the case's cells' `stderr`. `std`, `stderr`,
    /// `low` and `high` say how prompts differ, this says how much more samples would change. It
    /// takes cases as independent, which is an approximation: the same seed draws the same
    /// numbers for each. The cells of one case share their noise, so their errors are averaged as
    /// if they were one, which is never too small.
    pub noise_stderr: Option<f64>,
    /// The mean over cases of the metric of the clean run.
    pub clean: Option<f64>,
    /// The mean over cases of the metric of the corrupted runs.
    pub corrupted: Option<f64>,
    /// Of the means: (value − corrupted) / (clean − corrupted), for distances 1 − value /
    /// corrupted; null where the denominator is zero.
    pub recovery: Option<f64>,
    /// The lower end of its 95 % bootstrap interval over cases; null for one case, and where the
    /// runs of the cases that a resample draws don't differ.
    pub recovery_low: Option<f64>,
    /// Its upper end.
    pub recovery_high: Option<f64>,
    /// Why there is no recovery; null where there is one.
    pub reason: Option<String>,
    /// The mean over cases of each one's recovery, where it has one.
    pub mean_of_ratios: Option<f64>,
    /// The number of cases that have a recovery of their own.
    pub ratios: u32,
    /// The number of cases that have this cell.
    pub n: u32,
}

/// Where cells are in their grids: all cells that agree in this are averaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// What the clean prompts are corrupted by.
    pub corruption: Option<String>,
    /// ROME's kind: `hidden`, `mlp`, `attn`.
    pub kind: Option<String>,
    /// The site's short name.
    pub site: String,
    /// The site's layer; the centre of a window.
    pub layer: Option<u32>,
    /// The position; null where cases can't be compared by it.
    pub position: Option<u32>,
    /// The key's position of scores and patterns, where cases can be compared by it.
    pub src_position: Option<u32>,
    /// The role of the tokens at the cells' positions; null where they have several.
    pub role: Option<String>,
    /// The role of the tokens at the keys' positions; null where they have several.
    pub src_role: Option<String>,
    /// The query head.
    pub head: Option<u32>,
    /// The key/value head.
    pub kv_head: Option<u32>,
    /// The neuron of the MLP.
    pub neuron: Option<u32>,
    /// The sender of a patched path.
    pub sender: Option<String>,
    /// The receivers of a patched path.
    pub receiver: Option<String>,
    /// The metric.
    pub metric: String,
    /// The position that the metric is read at, if not the last one.
    pub metric_position: Option<u32>,
}
