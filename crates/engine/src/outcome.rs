//! What an executor gives back, and whom it tells meanwhile.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use tracewright_ir::plan::{PRODUCTS, product};
use tracewright_ir::{Architecture, Array, Component};

use crate::predict::Candidate;

/// The answer to a [`Request`](tracewright_ir::Request).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// One list for each of the request's measures, with one value for each measured run.
    pub values: Vec<Vec<f64>>,
    /// One array for each of the request's readings, of the locus' shape.
    pub readings: Vec<Array>,
    /// The likeliest next tokens of each measured run, the likeliest first, as many as the request asks for; no lists where
    /// it asks for none.
    pub tops: Vec<Vec<Candidate>>,
    /// What it took.
    pub cost: Cost,
}

/// What an execution took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Runs that went through the model: as many full forward passes with the reference executor.
    pub forwards: usize,
    /// Rows (positions of runs) that went through a layer, summed over the layers: those whose attention
    /// or whose MLP was computed there.
    pub rows: usize,
    /// Floating point operations of the products with weights.
    #[serde(default)]
    pub flops: u64,
}

impl Cost {
    /// Full forward passes of `sequences` of `len` tokens, with the logits of `logits` rows in all.
    pub fn of_forwards(
        architecture: &Architecture,
        sequences: usize,
        len: usize,
        logits: usize,
    ) -> Self {
        let rows = sequences * len * architecture.n_layers;
        let flops = |component: &Component| {
            let rows = if component.in_layers() { rows } else { logits };
            2 * rows as u64 * product(architecture, *component)
        };
        Self { forwards: sequences, rows, flops: PRODUCTS.iter().map(flops).sum() }
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.forwards += other.forwards;
        self.rows += other.rows;
        self.flops += other.flops;
    }
}

/// Told now and then how many floating point operations are done, of how many that are planned; may stop the
/// execution.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// Watches nothing and never stops: for callers that don't show progress.
pub fn silent(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
