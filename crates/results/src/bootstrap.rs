//! Intervals by drawing the cases again.
//!
//! Reference: Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13, the
//! percentile interval: the statistic of many lists of cases, each drawn from the given ones with
//! replacement and as long as they are, and of these statistics the middle 95 %.

use rand_mt::Mt64;
use serde::{Deserialize, Serialize};

/// How often the cases are drawn again. The ends of an interval lie beyond 50 of them each.
pub const RESAMPLES: usize = 2000;
/// How much of the resampled statistics an interval holds.
pub const LEVEL: f64 = 0.95;
/// Any number does; the same one each time gives the same file each time.
const SEED: u64 = 1;

/// Where a statistic may lie, with [`LEVEL`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Which cases each resample draws.
///
/// They depend on the number of cases alone: groups of the same cases are resampled alike, so
/// that their intervals can be compared, and drawing is paid for once.
#[derive(Clone, Debug)]
pub struct Resamples {
    cases: usize,
    draws: Vec<u32>,
}

impl Resamples {
    /// For so many cases or samples. A single one can't be resampled.
    pub fn of(cases: usize) -> Self {
        // The Mersenne Twister's stream is a published standard, so that no update changes it.
        let mut generator = Mt64::new(SEED);
        let count = if cases < 2 { 0 } else { cases * RESAMPLES };
        Self { cases, draws: (0..count).map(|_| below(&mut generator, cases)).collect() }
    }

    /// The interval of a statistic of means, where a case's numbers are drawn together.
    ///
    /// `None` for fewer than two cases, and where the statistic of a resample isn't finite.
    pub(crate) fn interval<const K: usize>(
        &self,
        cases: &[[f64; K]],
        statistic: impl Fn([f64; K]) -> f64,
    ) -> Option<Interval> {
        if self.cases < 2 || cases.len() != self.cases {
            return None;
        }
        let resamples = self.draws.chunks_exact(self.cases);
        let mut found: Vec<f64> = resamples
            .map(|draws| statistic(means(draws.iter().map(|&i| &cases[i as usize]))))
            .collect();
        if !found.iter().all(|statistic| statistic.is_finite()) {
            return None;
        }
        found.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - LEVEL) / 2.0;
        Some(Interval { low: quantile(&found, tail), high: quantile(&found, 1.0 - tail) })
    }
}

/// What `each` makes of the groups, in their order; `cases` is a group's number of cases.
pub(crate) fn resampled<G, A>(
    groups: &[G],
    cases: impl Fn(&G) -> usize,
    each: impl Fn(&G, &Resamples) -> Option<A>,
) -> Vec<A> {
    // By the number of cases, so that each number's draws are made once.
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&index| cases(&groups[index]));
    let mut resamples = Resamples::of(0);
    let mut done = Vec::with_capacity(groups.len());
    for index in order {
        let group = &groups[index];
        if resamples.cases != cases(group) {
            resamples = Resamples::of(cases(group));
        }
        done.extend(each(group, &resamples).map(|made| (index, made)));
    }
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, made)| made).collect()
}

/// The ends of an interval as two columns.
pub(crate) fn ends(interval: Option<Interval>) -> (Option<f64>, Option<f64>) {
    (interval.map(|interval| interval.low), interval.map(|interval| interval.high))
}

/// The mean of each number over the cases.
pub(crate) fn means<'a, const K: usize>(
    cases: impl ExactSizeIterator<Item = &'a [f64; K]>,
) -> [f64; K] {
    let n = cases.len() as f64;
    let mut sums = [0.0; K];
    for case in cases {
        for (sum, number) in sums.iter_mut().zip(case) {
            *sum += number;
        }
    }
    sums.map(|sum| sum / n)
}

/// A number below `end`, by scaling: no number is likelier than another by more than `end` / 2⁶⁴.
fn below(generator: &mut Mt64, end: usize) -> u32 {
    ((u128::from(generator.next_u64()) * end as u128) >> 64) as u32
}

/// Between the two nearest of the sorted numbers, as NumPy's `quantile` does by default.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // numpy.quantile([1, 2, 4, 8], [0, 0.25, 0.5, 0.9, 1])
        let expected = [1.0, 1.75, 3.0, 6.8, 8.0];
        for (share, expected) in [0.0, 0.25, 0.5, 0.9, 1.0].into_iter().zip(expected) {
            let found = quantile(&[1.0, 2.0, 4.0, 8.0], share);
            assert!((found - expected).abs() < 1e-12, "{share}: {found}");
        }
    }

    #[test]
    fn every_case_is_drawn_and_none_more_than_its_share() {
        let resamples = Resamples::of(3);
        assert_eq!(resamples.draws.len(), 3 * RESAMPLES);
        for case in 0..3 {
            let drawn = resamples.draws.iter().filter(|&&draw| draw == case).count();
            // A binomial's deviation is 37 here.
            assert!(drawn.abs_diff(RESAMPLES) < 150, "{case}: {drawn}");
        }
    }

    #[test]
    fn the_first_draws_stay_what_they_are() {
        // From a transcription of MT19937-64's definition in Python.
        assert_eq!(Resamples::of(10).draws[..10], [1u32, 1, 4, 0, 3, 9, 4, 0, 5, 6]);
    }
}
