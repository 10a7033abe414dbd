//! Whether both sides computed the same: a benchmark of wrong numbers is worthless.

use anyhow::{Result, ensure};

/// Of the range of the values: f32 sums in another order, through twelve layers.
const RELATIVE: f64 = 1e-3;
/// Of a probability.
const PROBABILITY: f64 = 2e-5;

/// The largest difference of two sides' values, as a fraction of the range of ours.
///
/// # Errors
///
/// Values that aren't as many, that are all the same (they would show nothing), or that differ by
/// more than a thousandth of their range, or, where they are probabilities, by more than 2e-5.
pub(super) fn check(ours: &[f64], theirs: &[f64], probabilities: bool) -> Result<f64> {
    let (count, expected) = (theirs.len(), ours.len());
    ensure!(count == expected, "the other side gave {count} values instead of {expected}");
    let highest = ours.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = highest - ours.iter().copied().fold(f64::INFINITY, f64::min);
    ensure!(range > 0.0 && range.is_finite(), "our values span a range of {range}");
    let mut largest = 0.0_f64;
    for (ours, theirs) in ours.iter().zip(theirs) {
        let difference = (ours - theirs).abs();
        let same = difference <= RELATIVE * range && (!probabilities || difference <= PROBABILITY);
        ensure!(same, "the sides disagree: ours {ours}, theirs {theirs}, in a range of {range}");
        largest = largest.max(difference);
    }
    Ok(largest / range)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn equal_values_agree_and_others_do_not() {
        assert_eq!(check(&[1.0, 3.0], &[1.0, 3.0], true).ok(), Some(0.0));
        assert_eq!(check(&[0.0, 1024.0], &[0.0, 1023.0], false).ok(), Some(1.0 / 1024.0));
        assert!(check(&[1.0, 3.0], &[1.0, 3.003], false).is_err());
        assert!(check(&[1.0, 3.0], &[1.0, 3.001], true).is_err());
        assert!(check(&[1.0, 3.0], &[1.0, f64::NAN], false).is_err());
    }

    #[test]
    fn values_that_show_nothing_are_refused() {
        assert!(check(&[1.0, 1.0], &[1.0, 1.0], false).is_err());
        assert!(check(&[1.0, 2.0], &[1.0], false).is_err());
        assert!(check(&[], &[], false).is_err());
    }
}
