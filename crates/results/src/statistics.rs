//! Statistics of a few numbers: over noise samples, or over cases.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Interval, Resamples, means};

/// The mean of some numbers, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many there are.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with n − 1; `None` for a single number.
    pub std: Option<f64>,
    /// The standard error of the mean, `std` / √n; `None` for a single number.
    pub stderr: Option<f64>,
    /// The bootstrap interval of the mean; `None` for a single number, and where one isn't
    /// finite.
    pub interval: Option<Interval>,
}

impl Summary {
    /// Of these numbers; `None` where there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::with(values, &Resamples::of(values.len()))
    }

    /// The same but for the interval, which takes thousands of times as long.
    pub fn without_interval(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let count = n as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = (n > 1).then(|| (squares / (count - 1.0)).sqrt());
        let stderr = std.map(|std| std / count.sqrt());
        Some(Self { n, mean, std, stderr, interval: None })
    }

    /// The mean alone; `None` where there is no number, or one isn't finite.
    pub(crate) fn finite_mean(values: &[f64]) -> Option<f64> {
        let mean = Self::without_interval(values)?.mean;
        mean.is_finite().then_some(mean)
    }

    /// With draws that others have used, which are the same for as many values.
    pub fn with(values: &[f64], resamples: &Resamples) -> Option<Self> {
        let cases: Vec<[f64; 1]> = values.iter().map(|&value| [value]).collect();
        let interval = resamples.interval(&cases, |[mean]| mean);
        Some(Self { interval, ..Self::without_interval(values)? })
    }
}

/// A case's share in a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fraction {
    /// Of a recovery: how much came back.
    pub numerator: f64,
    /// Of a recovery: how much was lost.
    pub denominator: f64,
}

/// Why a ratio doesn't exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undefined {
    /// Nothing to average.
    #[error("there is no case")]
    NoCases,
    /// NaN or an infinity among the numbers, or a missing one.
    #[error("a value of these runs is missing or isn't a finite number")]
    NotFinite,
    /// The denominator is zero, or no farther from it than the rounding of its sum.
    #[error("the clean and corrupted runs don't differ on average")]
    NoDifference,
}

/// The mean numerator over the mean denominator. A case counts by how much it lost, so that one
/// whose runs hardly differ has hardly a say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioOfMeans {
    /// The ratio.
    pub ratio: f64,
    /// Its bootstrap interval, for which a case's two numbers are drawn together; `None` for a
    /// single case, and where a resample has no ratio because its denominators come to zero.
    pub interval: Option<Interval>,
}

impl RatioOfMeans {
    /// Over these cases.
    ///
    /// # Errors
    ///
    /// [`Undefined`] where the ratio doesn't exist.
    pub fn of(cases: &[Fraction]) -> Result<Self, Undefined> {
        Self::with(cases, &Resamples::of(cases.len()))
    }

    /// With draws that others have used.
    pub(crate) fn with(cases: &[Fraction], resamples: &Resamples) -> Result<Self, Undefined> {
        if cases.is_empty() {
            return Err(Undefined::NoCases);
        }
        let n = cases.len();
        let parts: Vec<[f64; 3]> = cases
            .iter()
            .map(|case| [case.numerator, case.denominator, case.denominator.abs()])
            .collect();
        let ratio = quotient(means(parts.iter()), n)?;
        let of_resample = |means| quotient(means, n).unwrap_or(f64::NAN);
        Ok(Self { ratio, interval: resamples.interval(&parts, of_resample) })
    }
}

/// The mean over cases of each one's ratio: every case has the same say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanOfRatios {
    /// The mean.
    pub mean: f64,
    /// How many cases have a ratio; the others are left out.
    pub n: usize,
}

impl MeanOfRatios {
    /// Over these cases; `None` where none has a ratio.
    pub fn of(cases: &[Fraction]) -> Option<Self> {
        let part = |case: &Fraction| {
            quotient([case.numerator, case.denominator, case.denominator.abs()], 1).ok()
        };
        let ratios: Vec<f64> = cases.iter().filter_map(part).collect();
        Summary::without_interval(&ratios).map(|Summary { mean, n, .. }| Self { mean, n })
    }
}

/// The ratio of two means over `n` cases; `size` is the mean of the denominators' absolute values.
fn quotient([numerator, denominator, size]: [f64; 3], n: usize) -> Result<f64, Undefined> {
    if !(numerator.is_finite() && denominator.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    // Denominators that cancel leave what rounding their sum leaves (Higham, "Accuracy and
    // Stability of Numerical Algorithms", section 4.2), and no ratio.
    if denominator.abs() <= n as f64 * f64::EPSILON * size {
        return Err(Undefined::NoDifference);
    }
    // Not −0.
    let quotient = numerator / denominator + 0.0;
    if quotient.is_finite() { Ok(quotient) } else { Err(Undefined::NotFinite) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fractions(cases: &[(f64, f64)]) -> Vec<Fraction> {
        let fraction = |&(numerator, denominator)| Fraction { numerator, denominator };
        cases.iter().map(fraction).collect()
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}, expected is {expected}");
    }

    #[test]
    fn a_summary_is_what_is_computed_by_hand() {
        let summary = Summary::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((summary.n, summary.mean), (4, 2.5));
        close(summary.std.unwrap(), (5.0_f64 / 3.0).sqrt());
        close(summary.stderr.unwrap(), (5.0_f64 / 12.0).sqrt());
    }

    #[test]
    fn a_single_number_has_a_mean_and_nothing_else() {
        let summary = Summary { n: 1, mean: 7.0, std: None, stderr: None, interval: None };
        assert_eq!(Summary::of(&[7.0]), Some(summary));
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn the_interval_of_two_numbers_reaches_from_one_to_the_other() {
        // A quarter of the resamples draws the first twice, and a quarter the second.
        let interval = Summary::of(&[1.0, 3.0]).unwrap().interval;
        assert_eq!(interval, Some(Interval { low: 1.0, high: 3.0 }));
    }

    #[test]
    fn the_interval_of_many_numbers_is_nearly_the_normal_distributions() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let summary = Summary::of(&values).unwrap();
        let Interval { low, high } = summary.interval.unwrap();
        let half = 1.96 * summary.stderr.unwrap();
        // The ends of 2000 resamples are sure to about 3 % of the half width.
        for (found, expected) in [(summary.mean - low, half), (high - summary.mean, half)] {
            assert!((found / expected - 1.0).abs() < 0.1, "{found}, {expected}");
        }
    }

    #[test]
    fn the_same_numbers_give_the_same_interval() {
        let values = [0.3, 0.1, 0.7, 0.2, 0.9];
        assert_eq!(Summary::of(&values), Summary::of(&values));
    }

    #[test]
    fn equal_numbers_have_an_interval_without_width() {
        let summary = Summary::of(&[0.5; 7]).unwrap();
        assert_eq!(summary.interval, Some(Interval { low: 0.5, high: 0.5 }));
    }

    #[test]
    fn a_ratio_of_means_and_a_mean_of_ratios_differ() {
        let cases = fractions(&[(1.0, 1.0), (1.0, 4.0)]);
        let ratio = RatioOfMeans::of(&cases).unwrap();
        assert_eq!(ratio.ratio, 2.0 / 5.0);
        assert_eq!(ratio.interval, Some(Interval { low: 0.25, high: 1.0 }));
        assert_eq!(MeanOfRatios::of(&cases), Some(MeanOfRatios { mean: 0.625, n: 2 }));
    }

    #[test]
    fn numerator_and_denominator_are_drawn_together() {
        // Every case has the ratio one half, so every resample has it too.
        let cases = fractions(&[(1.0, 2.0), (4.0, 8.0), (32.0, 64.0)]);
        let interval = RatioOfMeans::of(&cases).unwrap().interval;
        assert_eq!(interval, Some(Interval { low: 0.5, high: 0.5 }));
    }

    #[test]
    fn a_zero_denominator_is_told_and_no_infinity() {
        let check = |cases: &[(f64, f64)], reason| {
            assert_eq!(RatioOfMeans::of(&fractions(cases)).unwrap_err(), reason);
        };
        check(&[(1.0, 0.0), (2.0, 0.0)], Undefined::NoDifference);
        check(&[(0.0, 0.0)], Undefined::NoDifference);
        check(&[(1.0, 0.1), (1.0, 0.2), (1.0, -0.3)], Undefined::NoDifference);
        check(&[(1.0, f64::NAN)], Undefined::NotFinite);
        check(&[(f64::INFINITY, 1.0)], Undefined::NotFinite);
        check(&[(1e300, 1e-300)], Undefined::NotFinite);
        check(&[], Undefined::NoCases);
        assert_eq!(MeanOfRatios::of(&fractions(&[(1.0, 0.0)])), None);
    }

    #[test]
    fn a_case_without_a_difference_counts_in_the_ratio_of_means_alone() {
        let cases = fractions(&[(1.0, 2.0), (0.0, 0.0)]);
        let ratio = RatioOfMeans::of(&cases).unwrap();
        // A resample of the second case alone has no ratio.
        assert_eq!(ratio, RatioOfMeans { ratio: 0.5, interval: None });
        assert_eq!(MeanOfRatios::of(&cases), Some(MeanOfRatios { mean: 0.5, n: 1 }));
    }

    #[test]
    fn a_number_that_is_not_finite_leaves_no_interval() {
        let summary = Summary::of(&[1.0, f64::NAN]).unwrap();
        assert!(summary.mean.is_nan());
        assert_eq!(summary.interval, None);
    }
}
