//! Vectorised, threaded passes over a tensor's own buffer in the host's memory.
//!
//! Burn's flex backend runs elementwise operations on one thread, many of them into fresh memory.

use burn::tensor::{Tensor, TensorData};
use pulp::Arch;
use rayon::prelude::*;

/// Elements that one thread takes at a time, about: 64 KiB, which fits a core's own cache.
const CHUNK: usize = 16 * 1024;

/// Runs `function` over pieces of the buffer of `[rows, width]`, each of whole rows; without a copy
/// where nothing else holds the tensor.
pub(crate) fn in_place(x: Tensor<2>, function: impl Fn(&mut [f32]) + Sync) -> Tensor<2> {
    let (device, [_, width]) = (x.device(), x.dims());
    let mut data: TensorData = x.into_data();
    let values = data.as_mut_slice::<f32>().expect("activations are f32");
    let arch = Arch::new();
    let chunk = (CHUNK / width.max(1)).max(1) * width.max(1);
    values.par_chunks_mut(chunk).for_each(|values| arch.dispatch(|| function(values)));
    Tensor::from_data(data, &device)
}

/// The same with another matrix of as many numbers, piece by piece.
pub(crate) fn in_place_with(
    x: Tensor<2>,
    other: Tensor<2>,
    function: impl Fn(&mut [f32], &[f32]) + Sync,
) -> Tensor<2> {
    let device = x.device();
    let (mut data, other) = (x.into_data(), other.into_data());
    let values = data.as_mut_slice::<f32>().expect("activations are f32");
    let other = other.as_slice::<f32>().expect("activations are f32");
    let arch = Arch::new();
    values
        .par_chunks_mut(CHUNK)
        .zip(other.par_chunks(CHUNK))
        .for_each(|(values, other)| arch.dispatch(|| function(values, other)));
    Tensor::from_data(data, &device)
}

/// x + bias, `[rows, width]` and `[width]`.
pub(crate) fn add_bias(x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let bias = bias.into_data();
    let bias = bias.as_slice::<f32>().expect("biases are f32");
    in_place(x, |values| {
        for row in values.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    #[test]
    fn a_tensor_that_is_held_elsewhere_stays_as_it_was() {
        let x = random([3, 5]);
        let before = x.clone().into_data();
        let _ = in_place(x.clone(), |values| values.fill(7.0));
        x.into_data().assert_eq(&before, true);
    }

    #[test]
    fn a_bias_is_added_to_every_row() {
        let (x, bias) = (random([70, 1000]), random([1000]));
        let expected = (x.clone() + bias.clone().unsqueeze()).into_data();
        add_bias(x, bias).into_data().assert_eq(&expected, true);
    }
}
