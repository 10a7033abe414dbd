//! What an executor gives back, and whom it tells meanwhile.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use tracewright_ir::Array;

/// The answer to a [`Request`](tracewright_ir::Request).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// One list for each of the request's measures, with one value for each measured run.
    pub values: Vec<Vec<f64>>,
    /// One array for each of the request's readings, of the locus' shape.
    pub readings: Vec<Array>,
    /// What it took.
    pub cost: Cost,
}

/// What an execution took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Forward passes of one sequence.
    pub forwards: usize,
    /// Rows (positions of sequences) that went through every layer.
    pub rows: usize,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.forwards += other.forwards;
        self.rows += other.rows;
    }
}

/// Told now and then how many forward passes are done, of how many; may stop the execution.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> ControlFlow<()>;

/// Watches nothing and never stops: for callers that don't show progress.
pub fn silent(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
