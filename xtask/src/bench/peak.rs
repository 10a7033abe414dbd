//! The machine's own matrix product: what no pass can be faster than.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use serde_json::json;

use super::peer::Peer;
use super::range::Range;

/// Rows, inner width and columns: a large batch of rows through GPT-2 small's MLP.
const SHAPE: [usize; 3] = [512, 768, 3072];
/// Products in one measurement: a few tenths of a second.
const PRODUCTS: usize = 40;

/// Speeds in GFLOP/s.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Peak {
    /// Burn's CPU backend.
    pub burn: Range,
    /// PyTorch.
    pub torch: Range,
}

/// Both sides, ready to multiply.
pub(super) struct Products {
    a: Tensor<2>,
    b: Tensor<2>,
    peer: Peer,
    burn: Vec<f64>,
    torch: Vec<f64>,
}

impl Products {
    /// Makes the matrices and multiplies once, unmeasured.
    pub(super) fn start(python: &Path, logs: &Path, device: &Device) -> Result<Self> {
        let [rows, inner, columns] = SHAPE;
        let (a, b) = (matrix(rows, inner, device), matrix(inner, columns, device));
        let peer = Peer::start(python, "matmul.py", json!({ "shape": SHAPE }), logs)?;
        let mut products = Self { a, b, peer, burn: Vec::new(), torch: Vec::new() };
        products.seconds()?;
        Ok(products)
    }

    /// Measures both once more, and gives Burn's GFLOP/s. The speed of a shared machine changes, so
    /// this is done before and after each comparison.
    pub(super) fn measure(&mut self) -> Result<f64> {
        let [rows, inner, columns] = SHAPE;
        let operations = 2.0 * (rows * inner * columns * PRODUCTS) as f64;
        let [burn, torch] = self.seconds()?.map(|seconds| operations / seconds / 1e9);
        self.burn.push(burn);
        self.torch.push(torch);
        Ok(burn)
    }

    /// What was measured so far.
    pub(super) fn peak(&self) -> Peak {
        Peak { burn: Range::of(&self.burn), torch: Range::of(&self.torch) }
    }

    fn seconds(&mut self) -> Result<[f64; 2]> {
        let start = Instant::now();
        for _ in 0..PRODUCTS {
            let _ = self.a.clone().matmul(self.b.clone());
        }
        let burn = start.elapsed().as_secs_f64();
        Ok([burn, self.peer.ask(&json!([PRODUCTS]))?.cells])
    }
}

/// Any numbers that aren't all alike.
fn matrix(rows: usize, columns: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..rows * columns).map(|i| (i % 251) as f32 / 125.0 - 1.0).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}
