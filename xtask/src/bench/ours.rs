//! Our side, in this process.

use std::time::Instant;

use anyhow::Result;
use tracewright_engine::{Execution, Outcome, execute, reference, silent};
use tracewright_ir::Request;
use tracewright_models::{Decoder, Model};

use super::cells;
use super::side::{Measured, Side};
use super::task::Task;

/// What is measured as ours: the one place that names the executor.
pub(super) fn ours(decoder: &Decoder, request: &Request) -> Result<Outcome> {
    Ok(execute(decoder, request, &Execution::default(), &mut silent)?)
}

/// One full forward pass for every run: what ours is compared with, too.
pub(super) fn reference(decoder: &Decoder, request: &Request) -> Result<Outcome> {
    Ok(reference::execute(decoder, request, &Execution::default(), &mut silent)?)
}

/// One of our executors on a model.
pub(super) struct InProcess<'a> {
    pub(super) model: &'a Model,
    pub(super) task: &'a Task,
    pub(super) execute: fn(&Decoder, &Request) -> Result<Outcome>,
}

impl InProcess<'_> {
    /// Seconds and values of a sweep with these cells, from the tokens to the numbers.
    fn sweep(&self, chosen: &[usize]) -> Result<(f64, Vec<f64>)> {
        let start = Instant::now();
        let mut sweep = self.task.sweep(self.model)?;
        if chosen.len() < sweep.cells.len() {
            sweep = cells::part(&sweep, chosen);
        }
        let outcome = (self.execute)(&self.model.decoder, &sweep.request)?;
        let values = cells::values(&sweep, &outcome);
        Ok((start.elapsed().as_secs_f64(), values))
    }
}

impl Side for InProcess<'_> {
    fn run(&mut self, chosen: &[usize]) -> Result<Measured> {
        let (base, _) = self.sweep(&[])?;
        let (seconds, values) = self.sweep(chosen)?;
        Ok(Measured { base, cells: (seconds - base).max(0.0), values })
    }
}
