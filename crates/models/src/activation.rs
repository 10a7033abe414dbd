//! The MLP's activation functions.
//!
//! Burn's flex backend computes the tanh approximation of GELU in several passes on one thread
//! with a scalar tanh, which takes longer than the matrix products around it. On the CPU it is
//! therefore one pass over the tensor's own buffer; the tensor formula is the other devices' path
//! and the test of this one.

use burn::tensor::{Tensor, activation};
use tracewright_ir::Activation;

use crate::in_place::in_place;

/// sqrt(2 / π)
const GELU_RATE: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;

/// Applies an activation function to every element of `[rows, d_mlp]`.
///
/// `on_host` says that the tensor's memory is the host's, so that it can be changed in place.
pub(crate) fn apply(function: Activation, x: Tensor<2>, on_host: bool) -> Tensor<2> {
    match function {
        Activation::GeluTanh if on_host => in_place(x, gelu_tanh),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Gelu => activation::gelu(x),
        Activation::Relu => activation::relu(x),
        Activation::Silu if on_host => in_place(x, silu),
        Activation::Silu => activation::silu(x),
    }
}

/// x · (1 + tanh(u)) / 2 with u = sqrt(2/π)(x + 0.044715 x³), written as x / (1 + exp(−2u)).
///
/// Reference: Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv 1606.08415.
#[inline(always)]
fn gelu_tanh(values: &mut [f32]) {
    for x in values {
        let u = GELU_RATE * (*x + GELU_CUBE * *x * *x * *x);
        *x /= 1.0 + exp(-2.0 * u);
    }
}

/// x · sigmoid(x)
#[inline(always)]
fn silu(values: &mut [f32]) {
    for x in values {
        *x /= 1.0 + exp(-*x);
    }
}

/// exp in f32 by range reduction to ±ln(2)/2 and a polynomial (Cephes' coefficients, relative
/// error below 2e-7); arguments beyond ±87 are clamped, where GELU is 0 or x already.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2^23 rounds to a whole number without an instruction that SSE2 lacks.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let series = POLYNOMIAL.iter().fold(0.0, |sum, c| sum * r + c);
    // The rounded number stands in the low bits of `shifted`; moved up it is the exponent.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    (series * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData, Tolerance};

    use super::*;

    fn numbers(count: usize) -> Tensor<2> {
        let value = |i: usize| ((i as f32 * 0.618_034).fract() - 0.5) * 24.0;
        let extremes = [0.0, -0.0, 1e-30, -1e-30, 60.0, -60.0, 1e4, -1e4];
        let values: Vec<f32> = extremes.into_iter().chain((0..count).map(value)).collect();
        let len = values.len();
        Tensor::from_data(TensorData::new(values, [1, len]), &Device::flex())
    }

    #[test]
    fn the_fused_passes_agree_with_the_tensor_formulas() {
        let x = numbers(50_000);
        for function in [Activation::GeluTanh, Activation::Silu] {
            let fused = apply(function, x.clone(), true).into_data();
            let formula = apply(function, x.clone(), false).into_data();
            // 1e-6 of the value: a few roundings; below 1e-6 absolute, the tails.
            fused.assert_approx_eq::<f32>(&formula, Tolerance::rel_abs(1e-6, 1e-6));
        }
    }

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for i in -8600..8600 {
            let x = i as f32 * 0.01;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 2.5e-7, "exp({x}) = {ours}, not {exact}");
        }
    }
}
