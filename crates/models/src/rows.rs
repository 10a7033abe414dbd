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

    /// Writes `[rows.len(), width]` to these rows, for which there must be room.
    pub fn write(&mut self, rows: &[u32], block: Tensor<2>) {
        match &mut self.memory {
            Memory::Host(data) => {
                let block = block.into_data();
                let Ok(values) = block.as_slice::<f32>() else { return };
                for (row, values) in rows.iter().zip(values.chunks_exact(self.width)) {
                    data[*row as usize * self.width..][..self.width].copy_from_slice(values);
                }
            }
            Memory::Device(tensor) => {
                if let Some(all) = tensor.take() {
                    let indices = indices(rows, &self.device);
                    *tensor = Some(all.select_assign(0, indices, block, IndexingUpdateOp::Assign));
                }
            }
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

fn indices(rows: &[u32], device: &Device) -> Tensor<1, burn::tensor::Int> {
    let values: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    Tensor::from_data(TensorData::new(values, [rows.len()]), device)
}
