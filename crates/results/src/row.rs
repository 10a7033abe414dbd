//! One row of the table of cells.

use serde::{Deserialize, Serialize};

/// One cell of a sweep under one metric; a column that doesn't apply is null.
///
/// The fields are the columns of `cells.parquet`, in this order and with these names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The case's name: a fact's id, a pair's name.
    pub case: String,
    /// What the clean prompt is corrupted by, where a pair's cases differ in it: `prompt`, `noise-s3`.
    pub corruption: Option<String>,
    /// ROME's kind: `hidden`, `mlp`, `attn`.
    pub kind: Option<String>,
    /// The site's short name, as asked for (`resid_post`, `z`).
    pub site: String,
    /// The site's layer; the centre of the window for a window of layers.
    pub layer: Option<u32>,
    /// The position; the destination for scores and patterns, the key's for k and v.
    pub position: Option<u32>,
    /// The key's position of scores and patterns.
    pub src_position: Option<u32>,
    /// The token at `position`, decoded by itself.
    pub token: Option<String>,
    /// The token's role (a word of [`Role`](tracewright_ir::Role)).
    pub role: Option<String>,
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
    /// The metric, spelled like the flag.
    pub metric: String,
    /// The position that the metric is read at; null for the last one, or a mean over several.
    pub metric_position: Option<u32>,
    /// The metric of the patched runs, averaged over noise samples.
    pub value: Option<f64>,
    /// The metric of the clean run.
    pub clean: Option<f64>,
    /// The metric of the corrupted runs, averaged over noise samples.
    pub corrupted: Option<f64>,
    /// The metric of the run that was patched.
    pub base: Option<f64>,
    /// The metric of the run that was read.
    pub source: Option<f64>,
    /// (value − corrupted) / (clean − corrupted); null where the denominator is zero.
    pub recovery: Option<f64>,
    /// (value − base) / (source − base); null where the denominator is zero.
    pub effect: Option<f64>,
    /// The standard deviation over noise samples, with n − 1; null for one sample.
    pub std: Option<f64>,
    /// The standard error over noise samples, `std` / √n; null for one sample, and in tables that
    /// were written before the column was there.
    pub stderr: Option<f64>,
    /// The lower end of the mean's bootstrap interval over noise samples, 95 %; null for one sample.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The number of noise samples (1 without noise).
    pub n: u32,
}
