//! What noise rules need to know about a model's embeddings.

use nalgebra::{DMatrix, DVector};

use crate::CorruptionError;

/// The standard deviation of embedding values, all of them taken together: for the rule `s<k>`
/// the values of all subjects, each encoded by itself.
///
/// √(Σ (x − mean)² / (n − 1)), summed in f64 by Welford's method and rounded to f32, which is
/// what PyTorch's `.std().item()` gives for f32 embeddings (`collect_embedding_std` in ROME's
/// code).
///
/// # Errors
///
/// [`CorruptionError::TooFew`] for fewer than two values, [`CorruptionError::NotFinite`] for NaN
/// or an infinity among them.
pub fn embedding_std(values: impl IntoIterator<Item = f32>) -> Result<f64, CorruptionError> {
    let (mut count, mut mean, mut squares) = (0usize, 0.0f64, 0.0f64);
    for value in values {
        check_finite(count, value)?;
        count += 1;
        let delta = f64::from(value) - mean;
        mean += delta / count as f64;
        squares += delta * (f64::from(value) - mean);
    }
    check_count("embedding values", count, 2)?;
    Ok(f64::from((squares / (count - 1) as f64).sqrt() as f32))
}

/// Mean and covariance of embedding vectors over a text, one row for each of its tokens.
///
/// The covariance is divided by n − 1: `Covariance.covariance()` in ROME's
/// `util/runningstats.py` is unbiased unless told otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingMoments {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

impl EmbeddingMoments {
    /// The moments of rows of width `d_model`, in f64.
    ///
    /// # Errors
    ///
    /// [`CorruptionError::TooFew`] for fewer than two rows or a width of 0,
    /// [`CorruptionError::RowWidth`] for a row of another width,
    /// [`CorruptionError::NotFinite`] for NaN or an infinity.
    pub fn of_rows<'a>(
        d_model: usize,
        rows: impl IntoIterator<Item = &'a [f32]>,
    ) -> Result<Self, CorruptionError> {
        check_count("components of an embedding", d_model, 1)?;
        let mut sums = Sums::new(d_model);
        let mut block = Vec::with_capacity(BLOCK * d_model);
        for (row, values) in rows.into_iter().enumerate() {
            append_row(&mut block, row, d_model, values)?;
            if block.len() == BLOCK * d_model {
                sums.add(&block);
                block.clear();
            }
        }
        sums.add(&block);
        check_count("tokens of text", sums.count, 2)?;
        Ok(sums.into_moments())
    }

    /// The number of components of an embedding.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// The mean, one value for each component.
    pub fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    /// The covariance `[width, width]`, symmetric to the last bit.
    pub fn covariance(&self) -> &[f64] {
        self.covariance.as_slice()
    }
}

/// Rows that enter the covariance as one matrix product, which is what makes it fast.
const BLOCK: usize = 256;

/// Running sums over blocks of rows: Chan, Golub and LeVeque, "Algorithms for Computing the
/// Sample Variance" (1983), which doesn't cancel where the mean is large.
struct Sums {
    count: usize,
    mean: DVector<f64>,
    squares: DMatrix<f64>,
}

impl Sums {
    fn new(width: usize) -> Self {
        Self { count: 0, mean: DVector::zeros(width), squares: DMatrix::zeros(width, width) }
    }

    fn add(&mut self, block: &[f64]) {
        let width = self.mean.len();
        let rows = block.len() / width;
        if rows == 0 {
            return;
        }
        let mut centred = DMatrix::from_column_slice(width, rows, block);
        let mean = centred.column_mean();
        for mut column in centred.column_iter_mut() {
            column -= &mean;
        }
        let (old, new) = (self.count as f64, rows as f64);
        let delta = mean - &self.mean;
        self.squares.gemm(1.0, &centred, &centred.transpose(), 1.0);
        self.squares.ger(old * new / (old + new), &delta, &delta, 1.0);
        self.mean.axpy(new / (old + new), &delta, 1.0);
        self.count += rows;
    }

    fn into_moments(self) -> EmbeddingMoments {
        let mut covariance = self.squares / (self.count - 1) as f64;
        // A matrix product doesn't promise equal bits on both sides of the diagonal.
        covariance.fill_upper_triangle_with_lower_triangle();
        EmbeddingMoments { mean: self.mean, covariance }
    }
}

fn append_row(
    block: &mut Vec<f64>,
    row: usize,
    expected: usize,
    values: &[f32],
) -> Result<(), CorruptionError> {
    if values.len() != expected {
        return Err(CorruptionError::RowWidth { row, given: values.len(), expected });
    }
    for (column, &value) in values.iter().enumerate() {
        check_finite(row * expected + column, value)?;
        block.push(f64::from(value));
    }
    Ok(())
}

fn check_finite(index: usize, value: f32) -> Result<(), CorruptionError> {
    if value.is_finite() { Ok(()) } else { Err(CorruptionError::NotFinite { index, value }) }
}

fn check_count(what: &'static str, given: usize, needed: usize) -> Result<(), CorruptionError> {
    if given >= needed { Ok(()) } else { Err(CorruptionError::TooFew { what, given, needed }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROWS: [[f32; 3]; 4] = [
        [-0.7, -0.6, -0.417_157_3],
        [-0.180_384_76, 0.1, 0.418_034],
        [0.769_693_85, 1.152_025_9, 1.562_741_8],
        [2.0, 2.462_277_7, 2.948_287_2],
    ];

    fn moments(rows: &[[f32; 3]]) -> Result<EmbeddingMoments, CorruptionError> {
        EmbeddingMoments::of_rows(3, rows.iter().map(|row| row.as_slice()))
    }

    fn check_close(values: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() <= tolerance, "{value} instead of {expected}");
        }
    }

    #[test]
    fn the_deviation_is_unbiased_and_rounded_to_f32() {
        // numpy.float32(numpy.std(rows.astype(float), ddof=1))
        assert_eq!(embedding_std(ROWS.into_iter().flatten()), Ok(1.236301302909851));
        assert_eq!(embedding_std([1.0, 1.0]), Ok(0.0));
    }

    #[test]
    fn one_value_has_no_deviation() {
        for values in [vec![], vec![1.0]] {
            let message = embedding_std(values).expect_err("too few").to_string();
            assert!(message.contains("at least 2"), "{message}");
        }
    }

    #[test]
    fn nan_among_the_embeddings_is_found_and_located() {
        let error = embedding_std([1.0, f32::NAN]).expect_err("not finite");
        assert!(error.to_string().starts_with("value 1 of the embeddings is NaN"), "{error}");
        let error = moments(&[[0.0; 3], [0.0, f32::INFINITY, 0.0]]);
        assert_eq!(error, Err(CorruptionError::NotFinite { index: 4, value: f32::INFINITY }));
    }

    #[test]
    fn moments_are_numpys() {
        let moments = moments(&ROWS).expect("moments");
        // rows.mean(0) and numpy.cov(rows.T)
        check_close(
            moments.mean(),
            &[0.4723272770643234, 0.7785758916288614, 1.1279764249920845],
            1e-14,
        );
        check_close(
            moments.covariance(),
            &[
                1.4075316805172835,
                1.580751197712221,
                1.728304742067745,
                1.580751197712221,
                1.7784177815003714,
                1.946352539925888,
                1.728304742067745,
                1.946352539925888,
                2.1313362857967846,
            ],
            1e-14,
        );
    }

    #[test]
    fn moments_need_two_rows_of_the_right_width() {
        assert!(matches!(moments(&ROWS[..1]), Err(CorruptionError::TooFew { .. })));
        assert!(matches!(
            EmbeddingMoments::of_rows(0, [[].as_slice(), &[]]),
            Err(CorruptionError::TooFew { .. })
        ));
        let ragged = EmbeddingMoments::of_rows(2, [[1.0f32, 2.0].as_slice(), &[1.0]]);
        assert_eq!(ragged, Err(CorruptionError::RowWidth { row: 1, given: 1, expected: 2 }));
    }

    #[test]
    fn a_large_mean_does_not_cancel_the_covariance() {
        let rows: Vec<[f32; 3]> = (0..1000).map(|i| [1e6 + (i % 2) as f32, 0.0, 1.0]).collect();
        let covariance = moments(&rows).expect("moments").covariance()[0];
        assert!((covariance - 250.0 / 999.0).abs() < 1e-9, "{covariance}");
    }

    proptest! {
        #[test]
        fn blocks_do_not_change_the_moments(
            rows in prop::collection::vec(prop::array::uniform3(-2.0f32..2.0), 2..700),
        ) {
            let moments = moments(&rows).expect("moments");
            let n = rows.len() as f64;
            let mean = |c: usize| rows.iter().map(|r| f64::from(r[c])).sum::<f64>() / n;
            for i in 0..3 {
                for j in 0..3 {
                    let (a, b) = (mean(i), mean(j));
                    let products = rows.iter().map(|r| (f64::from(r[i]) - a) * (f64::from(r[j]) - b));
                    let expected = products.sum::<f64>() / (n - 1.0);
                    prop_assert!((moments.covariance()[3 * i + j] - expected).abs() < 1e-12);
                }
            }
        }
    }
}
