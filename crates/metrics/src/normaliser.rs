//! What turns logits into logarithms of probabilities.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// Numbers that are compared side by side.
const LANES: usize = 16;

/// The largest logit of each row and the logarithm of Σ exp(z − largest), both `[rows, 1]`: a logit
/// minus their sum is the logarithm of a probability.
///
/// Burn's `log_softmax` would write `[rows, vocab]` twice for the one column that is asked for, on one
/// thread where the rows lie in the host's memory. There it is one pass on all threads, without a copy
/// where nothing else holds the tensor; the tensor formula is the other devices' path and its test.
pub(crate) fn log_normaliser(logits: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    if logits.device() == Device::flex() { on_host(logits) } else { by_tensors(logits) }
}

fn by_tensors(logits: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let largest = logits.clone().max_dim(1);
    let log_sum = (logits - largest.clone()).exp().sum_dim(1).log();
    (largest, log_sum)
}

fn on_host(logits: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let (device, [rows, vocab]) = (logits.device(), logits.dims());
    let data = logits.into_data();
    let values = data.as_slice::<f32>().expect("logits are f32");
    let (largest, sums): (Vec<f32>, Vec<f32>) = values.par_chunks_exact(vocab).map(of_row).unzip();
    let column = |values| Tensor::from_data(TensorData::new(values, [rows, 1]), &device);
    (column(largest), column(sums))
}

fn of_row(logits: &[f32]) -> (f32, f32) {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for some in logits.chunks(LANES) {
        for (lane, logit) in lanes.iter_mut().zip(some) {
            *lane = if *logit > *lane { *logit } else { *lane };
        }
    }
    let largest = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
    // In f64: fifty thousand numbers added up in f32 would lose three digits.
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - largest).exp())).sum();
    (largest, sum.ln() as f32)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;

    #[test]
    fn rows_on_the_host_agree_with_the_tensor_formula() {
        Device::flex().seed(1);
        let logits = Tensor::random([5, 1003], Distribution::Normal(0.0, 4.0), &Device::flex());
        let (ours, theirs) = (on_host(logits.clone()), by_tensors(logits));
        ours.0.into_data().assert_eq(&theirs.0.into_data(), true);
        // The formula's own sum in f32.
        ours.1
            .into_data()
            .assert_approx_eq::<f32>(&theirs.1.into_data(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn logits_that_overflow_have_no_normaliser() {
        for odd in [f32::NAN, f32::INFINITY] {
            let (_, sum) = of_row(&[1.0, odd, 2.0]);
            assert!(sum.is_nan(), "{odd}: {sum}");
        }
    }
}
