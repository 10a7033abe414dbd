//! What is compared, and how far apart the two sides are.

use anyhow::{Result, ensure};
use tracewright_ir::Array;

/// Numbers that are compared under one bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// What is compared.
    pub name: String,
    /// How many numbers.
    pub compared: usize,
    /// The largest difference.
    pub largest: f64,
    /// What it may be at most.
    pub bound: f64,
    /// Where the largest difference is; empty where there is none.
    pub at: String,
}

impl Quantity {
    pub(super) fn new(name: impl Into<String>, bound: f64) -> Self {
        Self { name: name.into(), compared: 0, largest: 0.0, bound, at: String::new() }
    }

    /// True where something was compared and all of it is within the bound.
    pub fn is_ok(&self) -> bool {
        self.compared > 0 && self.largest <= self.bound
    }

    /// Takes a difference.
    pub(super) fn take(&mut self, at: &str, difference: f64) {
        self.compared += 1;
        // A difference that isn't a number must not look like none.
        let difference = if difference.is_nan() { f64::INFINITY } else { difference };
        if difference > self.largest {
            self.largest = difference;
            self.at = at.to_owned();
        }
    }

    /// Compares two numbers; the difference is a multiple of `scale`. Infinities agree where they
    /// are equal.
    pub(super) fn compare(&mut self, at: &str, ours: f64, golden: f64, scale: f64) {
        let difference = if ours == golden { 0.0 } else { (ours - golden).abs() / scale };
        self.take(at, difference);
    }

    /// Compares two arrays number by number.
    pub(super) fn compare_arrays(
        &mut self,
        at: &str,
        ours: &Array,
        golden: &Array,
        scale: f64,
    ) -> Result<()> {
        let (shape, expected) = (&ours.shape, &golden.shape);
        ensure!(shape == expected, "{at}: our shape is {shape:?}, the golden one {expected:?}");
        for (ours, golden) in ours.data.iter().zip(&golden.data) {
            self.compare(at, *ours, *golden, scale);
        }
        Ok(())
    }

    /// Compares what has no distance: equal, or infinitely far apart.
    pub(super) fn equal<T: PartialEq + ?Sized>(&mut self, at: &str, ours: &T, golden: &T) {
        self.take(at, if ours == golden { 0.0 } else { f64::INFINITY });
    }
}

/// The largest absolute value that is finite.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().filter(|value| value.is_finite()).fold(0.0, |most, value| value.abs().max(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_compared_is_not_ok() {
        assert!(!Quantity::new("nothing", 1.0).is_ok());
    }

    #[test]
    fn infinities_agree_only_where_they_are_equal() {
        let difference = |ours, golden| {
            let mut quantity = Quantity::new("", 1.0);
            quantity.compare("here", ours, golden, 1.0);
            (quantity.largest, quantity.is_ok())
        };
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        assert_eq!(difference(-inf, -inf), (0.0, true));
        for (ours, golden) in [(-inf, inf), (-inf, 1.0), (1.0, -inf), (nan, 1.0), (nan, nan)] {
            assert_eq!(difference(ours, golden), (inf, false), "{ours} {golden}");
        }
    }

    #[test]
    fn the_largest_difference_is_named() {
        let mut quantity = Quantity::new("", 0.5);
        for (at, ours) in [("a", 1.0), ("b", 1.5), ("c", 0.75)] {
            quantity.compare(at, ours, 1.0, 2.0);
        }
        assert_eq!((quantity.compared, quantity.largest, quantity.at.as_str()), (3, 0.25, "b"));
    }
}
