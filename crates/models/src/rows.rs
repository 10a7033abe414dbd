//! A matrix that is written block by block and read row by row.

use burn::tensor::{Device, IndexingUpdateOp, Tensor, TensorData};
use rayon::prelude::*;

use crate::decoder::Decoder;

/// Rows of one width that stay while blocks of others are computed.
///
/// On the CPU it is a buffer that is used again and again: fresh memory costs more than what is
/// written into it.
#[derive(Debug)]
pub struct Rows {
    width: usize,
    device: Device,
    memory: Memory,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a handful of them")]
enum Memory {
    Host(Vec<f32>),
    /// `[capacity, width]`, none while there is nothing.
    Device(Option<Tensor<2>>),
}

/// Rows that one thread copies at a time.
const CHUNK: usize = 64;

impl Rows {
    /// An empty matrix where a decoder computes.
    pub fn new(decoder: &Decoder, width: usize) -> Self {
        let memory = if decoder.on_host { Memory::Host(Vec::new()) } else { Memory::Device(None) };
        Self { width, device: decoder.device.clone(), memory }
    }

    /// Makes room for at least this many rows; what all of them hold is not known until they are
    /// written.
    pub fn resize(&mut self, rows: usize) {
        match &mut self.memory {
            // Made anew: grown memory would be copied, with up to twice the room.
            Memory::Host(data) if data.len() < rows * self.width => {
                *data = Vec::new();
                *data = vec![0.0; rows * self.width];
            }
            Memory::Host(_) => {}
            Memory::Device(tensor) => {
                let held = tensor.as_ref().map_or(0, |tensor| tensor.dims()[0]);
                if held < rows {
                    let more = Tensor::zeros([rows - held, self.width], &self.device);
                    *tensor = Some(match tensor.take() {
                        Some(tensor) => Tensor::cat(vec![tensor, more], 0),
                        None => more,
                    });
                }
            }
        }
    }

    /// Writes `[rows.len(), width]` to these rows, which rise and for which there must be room.
    pub fn write(&mut self, rows: &[u32], block: Tensor<2>) {
        Self::write_parts(std::slice::from_mut(self), rows, block);
    }

    /// The same for several matrices whose values stand side by side in one block.
    ///
    /// Without a copy of the block where nothing else holds the tensor.
    pub fn write_parts(parts: &mut [Self], rows: &[u32], block: Tensor<2>) {
        if parts.iter().all(|part| part.on_host().is_some()) {
            let block = block.into_data();
            let values = block.as_slice::<f32>().expect("activations are f32");
            let whole = parts.iter().map(|part| part.width).sum();
            let mut first = 0;
            for Self { width, memory, .. } in parts {
                if let Memory::Host(data) = memory {
                    Scatter { width: *width, first, whole }.write(data, 0, rows, values);
                }
                first += *width;
            }
            return;
        }
        let mut first = 0;
        for Self { width, device, memory } in parts {
            let values = block.clone().narrow(1, first, *width);
            if let Memory::Device(held) = memory
                && let Some(all) = held.take()
            {
                let rows = indices(rows, device);
                *held = Some(all.select_assign(0, rows, values, IndexingUpdateOp::Assign));
            }
            first += *width;
        }
    }

    /// Reads rows: `[rows.len(), width]`.
    pub fn take(&self, rows: &[u32]) -> Tensor<2> {
        match &self.memory {
            Memory::Host(data) => {
                let width = self.width;
                let mut taken = vec![0.0; rows.len() * width];
                taken.par_chunks_mut(CHUNK * width).zip(rows.par_chunks(CHUNK)).for_each(
                    |(taken, rows)| {
                        for (taken, row) in taken.chunks_exact_mut(width).zip(rows) {
                            taken.copy_from_slice(&data[*row as usize * width..][..width]);
                        }
                    },
                );
                Tensor::from_data(TensorData::new(taken, [rows.len(), width]), &self.device)
            }
            Memory::Device(Some(tensor)) => tensor.clone().select(0, indices(rows, &self.device)),
            Memory::Device(None) => Tensor::zeros([rows.len(), self.width], &self.device),
        }
    }

    /// The buffer, `[rows, width]`, where the rows lie in the host's memory.
    pub(crate) fn on_host(&self) -> Option<&[f32]> {
        match &self.memory {
            Memory::Host(data) => Some(data),
            Memory::Device(_) => None,
        }
    }
}

/// Some columns of a block, row by row to others.
#[derive(Clone, Copy)]
struct Scatter {
    width: usize,
    /// The first of the block's columns.
    first: usize,
    /// All of the block's columns.
    whole: usize,
}

impl Scatter {
    /// `data` begins with row `start`; the rows rise, so that halves of them are apart.
    fn write(self, data: &mut [f32], start: usize, rows: &[u32], values: &[f32]) {
        let Self { width, first, whole } = self;
        if rows.len() > CHUNK {
            let (low, high) = rows.split_at(rows.len() / 2);
            let (low_values, high_values) = values.split_at(low.len() * whole);
            let middle = high[0] as usize;
            let (low_data, high_data) = data.split_at_mut((middle - start) * width);
            rayon::join(
                || self.write(low_data, start, low, low_values),
                || self.write(high_data, middle, high, high_values),
            );
            return;
        }
        for (row, values) in rows.iter().zip(values.chunks_exact(whole)) {
            let row = &mut data[(*row as usize - start) * width..][..width];
            row.copy_from_slice(&values[first..][..width]);
        }
    }
}

fn indices(rows: &[u32], device: &Device) -> Tensor<1, burn::tensor::Int> {
    let values: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    Tensor::from_data(TensorData::new(values, [rows.len()]), device)
}
