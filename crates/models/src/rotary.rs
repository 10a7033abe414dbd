//! Rotary positions: queries and keys turned by their positions.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use tracewright_ir::{Pairs, Position};

use crate::decoder::{Decoder, Layer};

/// Rows that one thread takes at a time.
const CHUNK: usize = 16;

/// How a layer turns its queries and keys.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pairs: Pairs,
    /// The angle of each pair from a position to the next, in radians.
    angles: Vec<f32>,
}

impl Turn {
    /// That of a layer with or without a window; none where positions are learned.
    pub(crate) fn of(position: &Position, windowed: bool) -> Option<Self> {
        let Position::Rotary(rotary) = position else { return None };
        let angles = rotary.window_angles.filter(|_| windowed).unwrap_or(rotary.angles);
        Some(Self { pairs: rotary.pairs, angles: angles.of_pairs(rotary.width / 2) })
    }

    /// cos and sin of each pair at a position.
    fn at(&self, position: usize) -> Vec<(f32, f32)> {
        // The angle is rounded to f32, as transformers has it.
        let of_pair = |angle: &f32| f64::from(position as f32 * angle);
        self.angles.iter().map(of_pair).map(|a| (a.cos() as f32, a.sin() as f32)).collect()
    }

    /// Where the two numbers of a pair stand in a head.
    fn places(&self, pair: usize) -> [usize; 2] {
        match self.pairs {
            Pairs::Neighbours => [2 * pair, 2 * pair + 1],
            Pairs::Halves => [pair, pair + self.angles.len()],
        }
    }
}

impl Decoder {
    /// Queries or keys turned by their positions, `[rows, heads · d_head]`; as they are where the model's
    /// positions are learned.
    pub fn turn(&self, layer: &Layer, x: Tensor<2>, positions: &[usize]) -> Tensor<2> {
        let Some(turn) = &layer.turn else { return x };
        if self.on_host {
            self.turn_on_host(turn, x, positions)
        } else {
            self.turn_by_tensors(turn, x, positions)
        }
    }

    fn turn_on_host(&self, turn: &Turn, x: Tensor<2>, positions: &[usize]) -> Tensor<2> {
        let (device, [_, width]) = (x.device(), x.dims());
        let different: BTreeSet<usize> = positions.iter().copied().collect();
        let at: BTreeMap<usize, Vec<(f32, f32)>> =
            different.into_iter().map(|position| (position, turn.at(position))).collect();
        let mut data = x.into_data();
        let values = data.as_mut_slice::<f32>().expect("activations are f32");
        let rows = values.par_chunks_mut(CHUNK * width).zip(positions.par_chunks(CHUNK));
        rows.for_each(|(rows, positions)| {
            for (row, position) in rows.chunks_exact_mut(width).zip(positions) {
                for head in row.chunks_exact_mut(self.architecture.d_head) {
                    for (pair, (cos, sin)) in at[position].iter().enumerate() {
                        let [first, second] = turn.places(pair);
                        let (a, b) = (head[first], head[second]);
                        head[first] = a * cos - b * sin;
                        head[second] = b * cos + a * sin;
                    }
                }
            }
        });
        Tensor::from_data(data, &device)
    }

    /// The same with tensors: x · cos + (x with each pair's numbers exchanged) · sin.
    fn turn_by_tensors(&self, turn: &Turn, x: Tensor<2>, positions: &[usize]) -> Tensor<2> {
        let ([rows, width], d_head) = (x.dims(), self.architecture.d_head);
        let mut other: Vec<usize> = (0..d_head).collect();
        for pair in 0..turn.angles.len() {
            let [first, second] = turn.places(pair);
            (other[first], other[second]) = (second, first);
        }
        let (mut cos, mut sin) = (vec![1.0; rows * d_head], vec![0.0; rows * d_head]);
        for (row, position) in positions.iter().enumerate() {
            for (pair, (cos_of, sin_of)) in turn.at(*position).into_iter().enumerate() {
                let [first, second] = turn.places(pair).map(|place| row * d_head + place);
                (cos[first], cos[second]) = (cos_of, cos_of);
                (sin[first], sin[second]) = (-sin_of, sin_of);
            }
        }
        let table = |values: Vec<f32>| -> Tensor<3> {
            Tensor::from_data(TensorData::new(values, [rows, 1, d_head]), &self.device)
        };
        let x: Tensor<3> = x.reshape([rows, width / d_head, d_head]);
        let exchanged = x.clone().select(2, self.indices(&other));
        (x * table(cos) + exchanged * table(sin)).reshape([rows, width])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};
    use tracewright_ir::{AngleScaling, Angles};

    use super::*;
    use crate::DeviceName;
    use crate::model::Checkpoint;

    #[test]
    fn turning_in_place_agrees_with_the_tensor_formula() {
        let model = Checkpoint::built_in().and_then(|c| c.load(DeviceName::Cpu)).expect("it loads");
        let decoder = &model.decoder;
        let d_head = decoder.architecture().d_head;
        let angles = Angles { base: 1e4, scaling: AngleScaling::None };
        let positions: Vec<usize> = (0..40).map(|row| row * 7 % 23).collect();
        Device::flex().seed(1);
        let x: Tensor<2> =
            Tensor::random([40, 3 * d_head], Distribution::Normal(0.0, 1.0), &Device::flex());
        for pairs in [Pairs::Neighbours, Pairs::Halves] {
            let turn = Turn { pairs, angles: angles.of_pairs(d_head / 4) };
            let in_place = decoder.turn_on_host(&turn, x.clone(), &positions).into_data();
            let formula = decoder.turn_by_tensors(&turn, x.clone(), &positions).into_data();
            // Two products and a sum.
            in_place.assert_approx_eq::<f32>(&formula, Tolerance::rel_abs(1e-6, 1e-6));
        }
    }
}
