//! A case's cells in a group, summed.

use crate::Row;
use crate::statistics::Fraction;

/// One case's cells in a group.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CaseSums {
    case: usize,
    pub(crate) cells: f64,
    pub(crate) value: f64,
    pub(crate) clean: f64,
    pub(crate) corrupted: f64,
    base: f64,
    source: f64,
    noise: f64,
}

impl CaseSums {
    pub(crate) fn add(&mut self, value: f64, row: &Row) {
        self.cells += 1.0;
        self.value += value;
        // A missing number leaves the case without one.
        let or_nan = |number: Option<f64>| number.unwrap_or(f64::NAN);
        self.clean += or_nan(row.clean);
        self.corrupted += or_nan(row.corrupted);
        self.base += or_nan(row.base);
        self.source += or_nan(row.source);
        self.noise += or_nan(row.stderr);
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.cells
    }

    /// How much came back, of how much was lost.
    pub(crate) fn recovery(&self, metric: &str) -> Fraction {
        let (value, clean, corrupted) =
            (self.mean(self.value), self.mean(self.clean), self.mean(self.corrupted));
        match is_distance(metric) {
            true => Fraction { numerator: corrupted - value, denominator: corrupted },
            false => Fraction { numerator: value - corrupted, denominator: clean - corrupted },
        }
    }

    /// How far the patch moved its base, of how far its source is.
    pub(crate) fn effect(&self) -> Fraction {
        let (value, base, source) =
            (self.mean(self.value), self.mean(self.base), self.mean(self.source));
        Fraction { numerator: value - base, denominator: source - base }
    }
}

/// The sums of a case, in the order of the cases. Rows come nearly in that order, so a new case
/// goes nearly always to the end.
pub(crate) fn sums_of(cases: &mut Vec<CaseSums>, case: usize) -> &mut CaseSums {
    let place = cases.binary_search_by_key(&case, |sums| sums.case).unwrap_or_else(|place| {
        cases.insert(place, CaseSums { case, ..CaseSums::default() });
        place
    });
    &mut cases[place]
}

/// Each case's mean of what is summed.
pub(crate) fn mean_of(cases: &[CaseSums], sum: impl Fn(&CaseSums) -> f64) -> Vec<f64> {
    cases.iter().map(|case| case.mean(sum(case))).collect()
}

/// See [`Average::noise_stderr`](crate::Average::noise_stderr).
pub(crate) fn noise_stderr(cases: &[CaseSums]) -> Option<f64> {
    let squares: f64 = mean_of(cases, |case| case.noise).iter().map(|error| error * error).sum();
    let stderr = squares.sqrt() / cases.len() as f64;
    stderr.is_finite().then_some(stderr)
}

/// Whether 0 is the clean run's value and larger is farther from it.
///
/// [`tracewright_ir::Metric::is_distance`] knows it of a metric with its tokens and runs; a row
/// has nothing but the name, so here it goes by that, and a test holds the two to each other. A
/// distance of the caller's own isn't known by its name; where it is 0 for the clean run itself,
/// the other formula comes to the same.
fn is_distance(metric: &str) -> bool {
    matches!(metric, "kl" | "l2" | "mse" | "cosine")
}

#[cfg(test)]
mod tests {
    use tracewright_ir::{Metric, RunId};

    use super::*;

    #[test]
    fn a_name_is_a_distance_where_the_metric_is() {
        let (answer, clean) = (0, RunId(0));
        let (answers, distractors) = (vec![0], vec![1]);
        for metric in [
            Metric::Prob { answer },
            Metric::Logprob { answer },
            Metric::Logit { answer },
            Metric::LogitDiff { answers, distractors },
            Metric::Kl { clean },
            Metric::Rank { answer },
            Metric::TopK { answer, k: 5 },
            Metric::Entropy,
            Metric::L2 { clean },
            Metric::Mse { clean },
            Metric::Cosine { clean },
        ] {
            assert_eq!(is_distance(metric.name()), metric.is_distance(), "{}", metric.name());
        }
    }
}
