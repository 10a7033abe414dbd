//! Products with weights, and how exact a device's are.

use burn::tensor::{FloatDType, Tensor};
use tracewright_ir::plan::BLOCK_ROWS;

use crate::decoder::Decoder;

/// Columns of a product that are compared.
const COLUMNS: usize = 16;

/// Columns that are computed: as many as any but the widest models have, whose product would take seconds.
const MOST_COLUMNS: usize = 4096;

/// Less isn't told apart.
const FINEST: f64 = 1e-8;

/// x W in the weight's type: f32 `[rows, in]` and `[in, out]` → f32 `[rows, out]`.
pub(crate) fn product(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (of_x, of_weight) = (x.dtype(), weight.dtype());
    if of_x == of_weight {
        return x.matmul(weight);
    }
    x.cast(of_weight).matmul(weight).cast(FloatDType::F32)
}

impl Decoder {
    /// How far this device's products are from exact ones, as a part of the largest number in them
    /// and rounded up to a power of ten: measured, with the first layer's MLP, for one row and for a
    /// block of a lockstep pass.
    ///
    /// About 1e-6 says that f32 is multiplied as such. A GPU's kernels may round the factors to TF32
    /// (11 bits) instead, and Burn has no switch for it: then it is about 1e-3.
    pub fn product_error(&self) -> f64 {
        let of_rows = |rows| self.product_error_of(rows).unwrap_or(f64::INFINITY);
        let error = of_rows(1).max(of_rows(BLOCK_ROWS));
        10.0_f64.powf(error.max(FINEST).log10().ceil())
    }

    fn product_error_of(&self, rows: usize) -> Option<f64> {
        let layer = self.layer(0).ok()?;
        let ids: Vec<u32> = (0..rows).map(|row| (row % self.architecture.vocab) as u32).collect();
        let x = self.embed(&ids).ok()?;
        let columns = COLUMNS.min(self.architecture.d_mlp);
        // Wide enough for the kernel that the model's own products take.
        let width = MOST_COLUMNS.min(self.architecture.d_mlp);
        let weight = layer.mlp_in.weight.clone().narrow(1, 0, width);
        let found = product(x.clone(), weight).narrow(1, 0, columns);
        let weight = layer.mlp_in.weight.clone().narrow(1, 0, columns);
        let read = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().ok();
        let (found, x) = (read(found)?, read(x)?);
        let weight = read(weight.cast(FloatDType::F32))?;
        let (mut error, mut largest) = (0.0_f64, 0.0_f64);
        for (x, found) in x.chunks(x.len() / rows).zip(found.chunks(columns)) {
            for (column, found) in found.iter().enumerate() {
                let of_column = weight.iter().skip(column).step_by(columns);
                let exact: f64 =
                    x.iter().zip(of_column).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                error = error.max((exact - f64::from(*found)).abs());
                largest = largest.max(exact.abs());
            }
        }
        Some(error / largest)
    }
}
