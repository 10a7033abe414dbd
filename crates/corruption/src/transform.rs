//! Normal noise with a given mean and covariance.

use std::cmp::Ordering;

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::{CorruptionError, EmbeddingMoments};

/// More than enough: the iteration takes two or three steps for each eigenvalue.
const STEPS_PER_EIGENVALUE: usize = 100;

/// Turns standard normal rows into rows with the mean and covariance of embeddings.
///
/// y = μ + W x with W = V diag(√s), where covariance = V diag(s) Vᵀ and s falls.
///
/// The sign of a singular vector isn't determined, and for equal singular values not even the
/// vector is, so noise of this kind agrees with ROME's in distribution, not in its values. Here
/// the entry of a vector that is largest in magnitude is positive (the first of equal ones), so
/// equal moments give equal noise.
///
/// Reference: `make_generator_transform` in ROME's `experiments/causal_trace.py`, which takes
/// the singular value decomposition; for a covariance that is the eigendecomposition.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianTransform {
    mean: DVector<f64>,
    weight: DMatrix<f64>,
}

impl GaussianTransform {
    /// The transform for these moments.
    ///
    /// # Errors
    ///
    /// [`CorruptionError::NoEigenvalues`] where the eigenvalue iteration doesn't converge.
    pub fn new(moments: &EmbeddingMoments) -> Result<Self, CorruptionError> {
        let width = moments.width();
        let steps = STEPS_PER_EIGENVALUE * width;
        let covariance = DMatrix::from_column_slice(width, width, moments.covariance());
        let eigen = SymmetricEigen::try_new(covariance, f64::EPSILON, steps)
            .ok_or(CorruptionError::NoEigenvalues { width, steps })?;
        Ok(Self {
            mean: DVector::from_column_slice(moments.mean()),
            weight: scaled_vectors(&eigen),
        })
    }

    /// The width of a row.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Transforms rows that lie one after the other; a rest that isn't a whole row is left out.
    pub(crate) fn apply(&self, rows: &[f64]) -> Vec<f64> {
        let (width, count) = (self.width(), rows.len() / self.width());
        // Rows in C order are the columns of a matrix in nalgebra's order.
        let x = DMatrix::from_column_slice(width, count, &rows[..width * count]);
        let mut y = &self.weight * x;
        for mut column in y.column_iter_mut() {
            column += &self.mean;
        }
        y.data.into()
    }
}

/// V diag(√s), with the order and the signs that [`GaussianTransform`] promises.
fn scaled_vectors(eigen: &SymmetricEigen<f64, nalgebra::Dyn>) -> DMatrix<f64> {
    let values = &eigen.eigenvalues;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap_or(Ordering::Equal));
    let columns: Vec<DVector<f64>> = order
        .into_iter()
        .map(|i| {
            let vector = eigen.eigenvectors.column(i);
            // Rounding can leave an eigenvalue that should be 0 just below it.
            vector * (values[i].max(0.0).sqrt() * sign_of_largest(vector.iter()))
        })
        .collect();
    DMatrix::from_columns(&columns)
}

fn sign_of_largest<'a>(entries: impl Iterator<Item = &'a f64>) -> f64 {
    let largest =
        entries.fold(0.0f64, |best, &entry| if entry.abs() > best.abs() { entry } else { best });
    largest.signum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn transform(rows: &[[f32; 3]]) -> (EmbeddingMoments, GaussianTransform) {
        let moments = EmbeddingMoments::of_rows(3, rows.iter().map(|row| row.as_slice()));
        let moments = moments.expect("moments");
        let transform = GaussianTransform::new(&moments).expect("a transform");
        (moments, transform)
    }

    fn check_square_root(rows: &[[f32; 3]]) {
        let (moments, transform) = transform(rows);
        let square = &transform.weight * transform.weight.transpose();
        let largest = moments.covariance().iter().fold(0.0f64, |m, c| m.max(c.abs()));
        for (value, expected) in square.iter().zip(moments.covariance()) {
            assert!((value - expected).abs() <= 1e-12 * largest, "{value} {expected}");
        }
    }

    #[test]
    fn the_weight_is_numpys_up_to_the_sign_convention() {
        let (_, transform) = transform(&[[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 4.0, 0.0]]);
        // u, s, _ = numpy.linalg.svd(numpy.cov(rows.T)); u * numpy.sqrt(s), the sign of a column
        // turned so that its largest entry is positive.
        let expected = [
            -0.6940940867477957,
            0.9228037343200756,
            0.0,
            2.2924370400044585,
            0.27940248916022703,
            0.0,
            0.0,
            0.0,
            0.0,
        ];
        for (value, expected) in transform.weight.transpose().iter().zip(expected) {
            assert!((value - expected).abs() < 1e-14, "{value} {expected}");
        }
    }

    #[test]
    fn zeros_give_the_mean_and_unit_vectors_the_weights() {
        let (moments, transform) = transform(&[[1.0, 2.0, 3.0], [2.0, 4.0, 1.0], [0.0, 1.0, 5.0]]);
        assert_eq!(transform.apply(&[0.0; 3]), moments.mean());
        let rows = transform.apply(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        for (i, value) in rows.iter().enumerate() {
            let expected = moments.mean()[i % 3] + transform.weight[(i % 3, i / 3)];
            assert!((value - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn a_covariance_without_full_rank_has_a_square_root() {
        check_square_root(&[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]);
        check_square_root(&[[1.0, 1.0, 1.0]; 4]);
    }

    proptest! {
        #[test]
        fn the_weight_is_a_square_root_of_the_covariance(
            rows in prop::collection::vec(prop::array::uniform3(-10.0f32..10.0), 2..20),
        ) {
            check_square_root(&rows);
        }

        #[test]
        fn scales_fall_and_the_largest_entries_are_positive(
            rows in prop::collection::vec(prop::array::uniform3(-10.0f32..10.0), 5..20),
        ) {
            let (_, transform) = transform(&rows);
            let norms: Vec<f64> = transform.weight.column_iter().map(|c| c.norm()).collect();
            prop_assert!(norms.windows(2).all(|pair| pair[0] >= pair[1] - 1e-9));
            for column in transform.weight.column_iter() {
                prop_assert!(column.max() >= -column.min());
            }
        }
    }
}
