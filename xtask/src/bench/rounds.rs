//! Both sides of a comparison in turn, checked each time.

use anyhow::{Context, Result};

use super::side::Side;
use super::{agreement, cells};

/// Cells that both sides compute before anything is timed.
const WARM_UP: usize = 12;

/// Rounds of one comparison: our whole sweep, then the other side's cells.
pub(super) struct Rounds {
    /// Cells of the whole sweep.
    pub(super) total: usize,
    /// Cells that the other side is timed on.
    pub(super) timed: Vec<usize>,
    /// Whether the metric is a probability.
    pub(super) probabilities: bool,
}

/// Seconds of whole sweeps, repetition by repetition.
#[derive(Default)]
pub(super) struct Times {
    pub(super) ours: Vec<f64>,
    pub(super) theirs: Vec<f64>,
    /// The largest difference of the values, as a fraction of their range.
    pub(super) difference: f64,
}

impl Times {
    /// Theirs / ours.
    pub(super) fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| theirs / ours).collect()
    }
}

impl Rounds {
    /// Lets both sides warm up and agree, then measures them in turn.
    ///
    /// # Errors
    ///
    /// A side that fails, and sides that disagree, in any repetition.
    pub(super) fn alternate(
        &self,
        ours: &mut dyn Side,
        theirs: &mut dyn Side,
        repeat: usize,
    ) -> Result<Times> {
        let (all, warm_up) =
            (cells::spread(self.total, self.total), cells::spread(self.total, WARM_UP));
        let mut times = Times::default();
        let before = [ours.run(&warm_up)?.values, theirs.run(&warm_up)?.values];
        times.difference = self.check(&before[0], &before[1]).context("before timing")?;
        for _ in 0..repeat {
            let (mine, other) = (ours.run(&all)?, theirs.run(&self.timed)?);
            times.ours.push(mine.whole(self.total, self.total));
            times.theirs.push(other.whole(self.timed.len(), self.total));
            // The clean and the corrupted value come before the cells'.
            let timed = self.timed.iter().map(|cell| mine.values[2 + cell]);
            let mine: Vec<f64> = mine.values[..2].iter().copied().chain(timed).collect();
            times.difference = times.difference.max(self.check(&mine, &other.values)?);
        }
        Ok(times)
    }

    fn check(&self, ours: &[f64], theirs: &[f64]) -> Result<f64> {
        agreement::check(ours, theirs, self.probabilities)
    }
}
