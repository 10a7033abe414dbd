//! What a pass costs: exact counts of rows, operations and bytes.

use std::iter::Sum;
use std::ops::Add;

use serde::Serialize;

use crate::architecture::Architecture;
use crate::component::Component;
use crate::plan::pass::{Birth, Pass, Segment};
use crate::plan::stage::Stages;

/// Rows that go through the stages of a segment together: enough for large matrix products, few
/// enough for what lies between the products to stay in a processor's cache.
pub const BLOCK_ROWS: usize = 512;

/// Rows whose logits exist at the same time: they are as wide as the vocabulary.
pub const LOGIT_ROWS: usize = 64;

const F32: u64 = size_of::<f32>() as u64;

/// What a pass, or several, cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PassCost {
    /// Rows that go through a layer, summed over the layers.
    pub rows: u64,
    /// Floating point operations of projections, MLPs and unembedding: two for each weight and row.
    pub flops: u64,
    /// Those of the attentions themselves: queries with keys, patterns with values.
    pub attention_flops: u64,
    /// The largest number of bytes in tensors at one time, weights apart.
    pub peak_bytes: u64,
}

impl Add for PassCost {
    type Output = Self;

    /// One after the other: what is computed adds up, memory is used again.
    fn add(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            flops: self.flops + other.flops,
            attention_flops: self.attention_flops + other.attention_flops,
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
        }
    }
}

impl Sum for PassCost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Self::add)
    }
}

/// The weights of the product that makes a component, for one row.
pub fn product(architecture: &Architecture, component: Component) -> u64 {
    use Component as C;
    let Architecture { d_model, n_heads, n_kv_heads, d_head, d_mlp, vocab, .. } = *architecture;
    let weights = match component {
        C::Q => d_model * n_heads * d_head,
        C::K | C::V => d_model * n_kv_heads * d_head,
        C::AttnOut => n_heads * d_head * d_model,
        C::MlpPre | C::MlpPreLinear | C::MlpOut => d_model * d_mlp,
        C::Logits => d_model * vocab,
        _ => 0,
    };
    weights as u64
}

/// The components that matrix products with weights make.
pub const PRODUCTS: [Component; 7] = {
    use Component as C;
    [C::Q, C::K, C::V, C::AttnOut, C::MlpPre, C::MlpOut, C::Logits]
};

/// The operations of one full forward pass of a sequence, with the logits of every position.
pub fn forward_flops(architecture: &Architecture, len: usize) -> u64 {
    let weights = |component: &Component| {
        let times = if component.in_layers() { architecture.n_layers as u64 } else { 1 };
        times * product(architecture, *component)
    };
    2 * len as u64 * PRODUCTS.iter().map(weights).sum::<u64>()
}

impl Pass {
    /// What the pass costs on a model of this shape.
    pub fn cost(&self, architecture: &Architecture) -> PassCost {
        let mut cost: PassCost = self.segments.iter().map(|s| s.cost(architecture)).sum();
        let rows = self.segments.iter().map(|segment| segment.rows.len()).max().unwrap_or(0);
        let kept = |segment: &Segment| bytes_of(architecture, segment.kept.iter().map(|k| k.0));
        let held = self.segments.iter().flat_map(|segment| segment.held.iter().map(|h| h.0));
        cost.peak_bytes = row_bytes(architecture) * rows as u64
            + self.segments.iter().map(kept).max().unwrap_or(0)
            + bytes_of(architecture, held)
            + scratch_bytes(architecture, rows);
        cost
    }
}

impl Segment {
    fn cost(&self, architecture: &Architecture) -> PassCost {
        let mut cost = PassCost::default();
        for component in PRODUCTS {
            let rows = self.rows.iter().filter(|row| row.computes(component)).count() as u64;
            cost.flops += 2 * rows * product(architecture, component);
        }
        let width = (architecture.n_heads * architecture.d_head) as u64;
        for row in self.rows.iter().filter(|row| row.stages.meets(Stages::ATTENTION)) {
            if let Birth::Attention { .. } = row.birth {
                cost.attention_flops += 4 * width * u64::from(row.position + 1);
                cost.rows += 1;
            }
        }
        cost
    }
}

/// Bytes that a row takes between two attentions: the stream below and above, q, k and v.
pub(crate) fn row_bytes(architecture: &Architecture) -> u64 {
    let Architecture { d_model, n_heads, n_kv_heads, d_head, .. } = *architecture;
    F32 * (2 * d_model + (n_heads + 2 * n_kv_heads) * d_head) as u64
}

/// Bytes that the stages of a segment need for a block of rows, and the metrics for their logits.
pub(crate) fn scratch_bytes(architecture: &Architecture, rows: usize) -> u64 {
    let Architecture { d_model, n_heads, d_head, d_mlp, vocab, .. } = *architecture;
    // A product's input and output exist together, beside the stream; a metric turns logits into
    // logarithms of probabilities and keeps both.
    let block = rows.min(BLOCK_ROWS) * (4 * d_model + (n_heads * d_head) + d_mlp);
    let logits = rows.min(LOGIT_ROWS) * (3 * vocab + d_model);
    F32 * block.max(logits) as u64
}

fn bytes_of(architecture: &Architecture, values: impl Iterator<Item = Component>) -> u64 {
    let width = |component: Component| -> u64 {
        let axes = component.axes().iter().skip(1);
        axes.map(|axis| architecture.axis_len(*axis, architecture.context) as u64).product()
    };
    F32 * values.map(width).sum::<u64>()
}
