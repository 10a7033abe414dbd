//! The two sides of a comparison.

use anyhow::Result;

/// Somebody who can run a sweep, with the model loaded.
pub(super) trait Side {
    /// Sweeps the cells of these numbers.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from an answer.
    fn run(&mut self, chosen: &[usize]) -> Result<Measured>;
}

/// One measurement.
pub(super) struct Measured {
    /// Seconds for what is done once, however many cells there are.
    pub(super) base: f64,
    /// Seconds for the cells.
    pub(super) cells: f64,
    /// The metric of the clean run, of the corrupted ones, and of each cell.
    pub(super) values: Vec<f64>,
}

impl Measured {
    /// The seconds of a whole sweep, if every cell takes as long as those of this part of it.
    pub(super) fn whole(&self, part: usize, total: usize) -> f64 {
        self.base + self.cells * (total as f64 / part as f64)
    }
}
