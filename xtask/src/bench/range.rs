//! The three numbers that repetitions are reduced to.

use serde::Serialize;

/// Smallest, middle and largest of several measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Range {
    /// The smallest.
    pub min: f64,
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Range {
    /// Of at least one number.
    pub(super) fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Self::default();
        };
        let middle = [sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]];
        Self { min, median: middle.iter().sum::<f64>() / 2.0, max }
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        assert_eq!(Range::of(&[3.0, 1.0, 2.0]), Range { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Range::of(&[4.0, 1.0, 2.0, 8.0]), Range { min: 1.0, median: 3.0, max: 8.0 });
        assert_eq!(Range::of(&[5.0]), Range { min: 5.0, median: 5.0, max: 5.0 });
    }
}
