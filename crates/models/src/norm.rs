//! Normalisations, taken apart at their hook sites.

use burn::tensor::{Tensor, module};
use tracewright_ir::Norm as NormKind;

use crate::in_place::in_place;

/// A normalisation with its gain and bias.
#[derive(Clone, Debug)]
pub struct Norm {
    pub(crate) kind: NormKind,
    /// `[width]`
    pub(crate) gain: Tensor<1>,
    /// `[width]`
    pub(crate) bias: Option<Tensor<1>>,
    /// True where the tensors lie in the host's memory.
    pub(crate) on_host: bool,
}

impl Norm {
    /// The norm in one step, `[rows, width]`, where nothing between is looked at.
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        match self.kind {
            NormKind::LayerNorm { eps } => {
                module::layer_norm(x, self.gain.clone(), self.bias.clone(), eps)
            }
            NormKind::RmsNorm { eps, .. } if self.on_host => self.rms_in_place(x, eps as f32),
            NormKind::RmsNorm { .. } => {
                let divisor = self.divisor(x.clone());
                self.finish(x / divisor)
            }
        }
    }

    fn rms_in_place(&self, x: Tensor<2>, eps: f32) -> Tensor<2> {
        let gain = self.gain.to_data();
        let gain = gain.as_slice::<f32>().expect("gains are f32");
        in_place(x, |values| {
            for row in values.chunks_exact_mut(gain.len()) {
                let mean = sum_of_squares(row) / row.len() as f32;
                let divisor = if mean.is_finite() { (mean + eps).sqrt() } else { f32::NAN };
                row.iter_mut().zip(gain).for_each(|(x, gain)| *x = *x / divisor * gain);
            }
        })
    }

    /// The first step: what is divided, `[rows, width]`.
    pub fn centre(&self, x: Tensor<2>) -> Tensor<2> {
        match self.kind {
            NormKind::LayerNorm { .. } => x.clone() - x.mean_dim(1),
            NormKind::RmsNorm { .. } => x,
        }
    }

    /// The second step: the divisor of centred rows, `[rows, 1]`. One that overflows is no number: divided by
    /// infinity, the row would be zero, and nobody would see that the model has failed on it.
    pub fn divisor(&self, centred: Tensor<2>) -> Tensor<2> {
        let (NormKind::LayerNorm { eps } | NormKind::RmsNorm { eps, .. }) = self.kind;
        let divisor = (centred.square().mean_dim(1) + eps).sqrt();
        divisor.clone() + (divisor.clone() - divisor)
    }

    /// The last step: gain and bias on the normalised rows, `[rows, width]`.
    pub fn finish(&self, normalized: Tensor<2>) -> Tensor<2> {
        let scaled = normalized * self.gain.clone().unsqueeze();
        match &self.bias {
            Some(bias) => scaled + bias.clone().unsqueeze(),
            None => scaled,
        }
    }

    /// The norm of each head by itself, `[rows, heads · width]`, or of all of them together, where the
    /// gain is as wide as they are.
    pub(crate) fn apply_to_heads(&self, x: Tensor<2>) -> Tensor<2> {
        let ([rows, all], [width]) = (x.dims(), self.gain.dims());
        self.apply(x.reshape([rows * all / width, width])).reshape([rows, all])
    }
}

#[inline(always)]
fn sum_of_squares(row: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x * x);
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;

    #[test]
    fn rms_in_one_step_agrees_with_its_steps() {
        Device::flex().seed(1);
        let random = |shape| Tensor::random(shape, Distribution::Normal(0.5, 1.5), &Device::flex());
        let x: Tensor<2> = random([70, 37]);
        let gain: Tensor<1> = random([1, 37]).squeeze_dim(0);
        let kind = NormKind::RmsNorm { eps: 1e-5, plus_one: false };
        let norm = |on_host| Norm { kind, gain: gain.clone(), bias: None, on_host };
        let in_place = norm(true).apply(x.clone()).into_data();
        // A few roundings in a sum of 37.
        let tolerance = Tolerance::rel_abs(1e-6, 1e-6);
        in_place.assert_approx_eq::<f32>(&norm(false).apply(x).into_data(), tolerance);
    }
}
