//! What a pass costs: exact counts of rows, operations and bytes.

use std::iter::Sum;
use std::ops::Add;

use serde::Serialize;

use crate::architecture::Architecture;
use crate::component::{Axis, Component};
use crate::plan::pass::{Birth, Pass};
use crate::plan::scope::Scope;
use crate::plan::stage::{Layout, Stages};

/// Rows that go through the stages of a segment together: enough for large matrix products, few
/// enough for what lies between the products to stay in a processor's cache.
pub const BLOCK_ROWS: usize = 512;

/// Rows whose logits exist at the same time: they are as wide as the vocabulary.
pub const LOGIT_ROWS: usize = 128;

const F32: u64 = size_of::<f32>() as u64;

/// What a pass, or several, cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PassCost {
    /// Rows that go through a layer, summed over the layers: those whose attention or whose MLP is
    /// computed there; where these lie side by side, those whose attention is.
    pub rows: u64,
    /// Floating point operations of projections, MLPs and unembedding: two for each weight and row; and
    /// those that functions of the caller's own declare.
    pub flops: u64,
    /// Those of the attentions themselves: queries with keys, patterns with values.
    pub attention_flops: u64,
    /// The largest number of bytes in tensors at one time, weights apart: the rows of the largest
    /// segment (the stream below and above, q, k and v), the values that births and later readers
    /// wait for, those that passes carry, the logits that metrics compare with, and the scratch of one block.
    pub peak_bytes: u64,
    /// How many times the whole unembedding is read where the model is streamed: once for each block of rows
    /// that have their logits together. None where only the columns of a few tokens are.
    pub unembeddings: u64,
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
            unembeddings: self.unembeddings + other.unembeddings,
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
        // The heads' results together are the output, and need the same product.
        C::Result => n_heads * d_head * d_model,
        C::MlpPreLinear if !architecture.gated_mlp => 0,
        // One product, called as what it gives.
        C::MlpModule if !architecture.has_post_norm() => 0,
        C::MlpOut if architecture.has_post_norm() => 0,
        C::MlpPre | C::MlpPreLinear | C::MlpModule | C::MlpOut => d_model * d_mlp,
        C::Logits => d_model * vocab,
        _ => 0,
    };
    weights as u64
}

/// The components that matrix products with weights make.
pub const PRODUCTS: [Component; 9] = {
    use Component as C;
    [C::Q, C::K, C::V, C::Result, C::MlpPre, C::MlpPreLinear, C::MlpModule, C::MlpOut, C::Logits]
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
        let architecture = self.scope.narrowed(architecture);
        let layout = Layout::of(&architecture);
        let mut tally = Tally::new(&architecture, &layout, &self.scope);
        for (at, segment) in self.segments.iter().enumerate() {
            for row in &segment.rows {
                let attends = matches!(row.birth, Birth::Attention { .. });
                let keys = |layer| architecture.keys(layer, row.position as usize).len();
                let keys = at.checked_sub(1).map_or(0, keys);
                tally.row(row.stages, row.birth.component(), attends, keys);
                if let Birth::Patch { index, .. } = row.birth {
                    tally.call(segment.patches[index as usize].flops);
                }
            }
            tally.segment(segment.rows.len(), segment.kept.iter().map(|(component, _)| *component));
        }
        let held = self.segments.iter().flat_map(|segment| &segment.held);
        let logits = std::iter::repeat_n(Component::Logits, self.held_logits().len());
        let values = held.chain(&self.carried).map(|(component, _)| *component);
        tally.finish(values.chain(logits))
    }
}

/// Counts a pass row by row.
pub(crate) struct Tally<'a> {
    architecture: &'a Architecture,
    layout: &'a Layout,
    scope: &'a Scope,
    /// Operations for a row of each of [`PRODUCTS`].
    flops: [(Component, u64); PRODUCTS.len()],
    cost: PassCost,
    /// The stages and birth of the row before, and its operations.
    last: (Stages, Component, u64),
    /// The most rows of a segment, and the most bytes that one keeps for itself.
    most: (usize, u64),
    /// The rows of the last segment, and whether any of them has its logits computed.
    top: (usize, bool),
}

impl<'a> Tally<'a> {
    pub(crate) fn new(
        architecture: &'a Architecture,
        layout: &'a Layout,
        scope: &'a Scope,
    ) -> Self {
        let flops = PRODUCTS.map(|component| (component, 2 * product(architecture, component)));
        let (cost, last) = (PassCost::default(), (Stages::default(), Component::Embed, 0));
        Self { architecture, layout, scope, flops, cost, last, most: (0, 0), top: (0, false) }
    }

    /// A row by the stages at which it is needed, its first one, whether that is attention, and how many
    /// keys it sees.
    pub(crate) fn row(&mut self, stages: Stages, birth: Component, attends: bool, keys: usize) {
        // Neighbours are mostly needed at the same stages.
        if (self.last.0, self.last.1) != (stages, birth) {
            let products = self.flops.iter();
            let computed = products.filter(|(c, _)| stages.computes(birth, *c));
            self.last = (stages, birth, computed.map(|(_, flops)| flops).sum());
        }
        self.cost.flops += self.last.2;
        let computes = |component| stages.computes(birth, component);
        let width = (self.architecture.n_heads * self.architecture.d_head) as u64;
        let of_keys = 2 * width * keys as u64;
        let steps = [attends && stages.has(Component::Scores), computes(Component::Z)];
        self.cost.attention_flops += of_keys * steps.into_iter().map(u64::from).sum::<u64>();
        if self.layout.goes_through(computes) {
            self.cost.rows += 1;
        }
        self.top.1 |= computes(Component::Logits);
    }

    /// What a function takes for a row.
    pub(crate) fn call(&mut self, flops: u64) {
        self.cost.flops = self.cost.flops.saturating_add(flops);
    }

    /// The end of a segment of so many rows that keeps these values.
    pub(crate) fn segment(&mut self, rows: usize, kept: impl Iterator<Item = Component>) {
        let kept = bytes_of(self.architecture, kept);
        self.most = (self.most.0.max(rows), self.most.1.max(kept));
        self.top.0 = rows;
    }

    /// The end of a pass that holds these values throughout.
    pub(crate) fn finish(mut self, held: impl Iterator<Item = Component>) -> PassCost {
        let (rows, kept) = self.most;
        self.cost.peak_bytes = row_bytes(self.architecture) * rows as u64
            + kept
            + bytes_of(self.architecture, held)
            + scratch_bytes(self.architecture, self.scope, rows);
        if let ((rows_at_top, true), None) = (self.top, &self.scope.tokens) {
            let together = logit_rows(self.architecture, rows);
            self.cost.unembeddings = rows_at_top.div_ceil(together) as u64;
        }
        self.cost
    }
}

/// Rows whose logits exist at the same time where the model is streamed: as many as the largest segment's
/// queries, keys, values and stream, which are gone by then, leave room for; no fewer than [`LOGIT_ROWS`].
/// The fewer blocks there are, the less often the unembedding is read.
pub fn logit_rows(architecture: &Architecture, most_rows: usize) -> usize {
    let Architecture { d_model, vocab, .. } = *architecture;
    let left = row_bytes(architecture) / F32 - d_model as u64;
    let room = most_rows as u64 * left / (3 * vocab + d_model) as u64;
    LOGIT_ROWS.max(room as usize)
}

/// Bytes that a row takes between two attentions: the stream below and above, q, k and v.
pub(crate) fn row_bytes(architecture: &Architecture) -> u64 {
    let Architecture { d_model, n_heads, n_kv_heads, d_head, .. } = *architecture;
    F32 * (2 * d_model + (n_heads + 2 * n_kv_heads) * d_head) as u64
}

/// The allowance for scratch: bytes that the stages of a segment need for a block of rows, or the
/// metrics for their logits, whichever is more.
///
/// - A block has [`BLOCK_ROWS`] rows. Each takes `4 d_model + n_heads d_head + d_mlp` numbers, and `d_mlp` more
///   where the MLP is gated: the
///   widest stages are the MLP's, where the stream, a product's input and its output exist together;
///   bias and activation function are applied in place, and an input goes when it has been read. Where
///   scores and patterns are looked at there is room for two of each, and for three heads' results.
/// - [`LOGIT_ROWS`] rows have logits at a time. Each takes `3 vocab + d_model` numbers: the logits, the
///   part of them that a metric reads, and the exponentials whose sum it takes.
///
/// Not counted, and together less than a quarter of a pass's `peak_bytes` (`tests/memory.rs` of the
/// engine holds this): lists of rows, what is copied while rows are put in order, and the panels that
/// the CPU's matrix product packs. Once for each thread, not for each pass, that product also keeps
/// room as large as a core's second cache. The plan itself, about 0.1 of its `peak_bytes`, is apart.
pub(crate) fn scratch_bytes(architecture: &Architecture, scope: &Scope, rows: usize) -> u64 {
    let Architecture { d_model, n_heads, d_head, d_mlp, vocab, context, .. } = *architecture;
    let cells = if scope.cells { 4 * n_heads * context } else { 0 };
    let results = if scope.results { 3 * n_heads * d_model } else { 0 };
    let mlp = if architecture.gated_mlp { 2 * d_mlp } else { d_mlp };
    let block = rows.min(BLOCK_ROWS) * (4 * d_model + n_heads * d_head + mlp + cells + results);
    // The columns of a few tokens are copied.
    let columns = scope.tokens.as_ref().map_or(0, |tokens| tokens.len() * d_model);
    let logits = rows.min(LOGIT_ROWS) * (3 * vocab + d_model) + columns;
    F32 * block.max(logits) as u64
}

/// Bytes of rows of these components.
pub(crate) fn bytes_of(
    architecture: &Architecture,
    values: impl Iterator<Item = Component>,
) -> u64 {
    F32 * values.map(|component| width(architecture, component) as u64).sum::<u64>()
}

/// The numbers that a row has at a stage: all that a component has at one position. A row of scores
/// has room for as many keys as the context, which for a pass is that of its [`Scope`].
pub fn width(architecture: &Architecture, component: Component) -> usize {
    let axes = component.axes().iter().filter(|axis| **axis != Axis::Position);
    axes.map(|axis| architecture.axis_len(*axis, architecture.context)).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::small;

    #[test]
    fn a_row_is_as_wide_as_what_a_position_has() {
        let architecture = small();
        let widths = [
            (Component::ResidPost, 8),
            (Component::K, 4),
            (Component::MlpPost, 32),
            (Component::Pattern, 2 * 16),
            (Component::Result, 2 * 8),
            (Component::Ln1Scale, 1),
        ];
        for (component, expected) in widths {
            assert_eq!(width(&architecture, component), expected, "{component}");
        }
    }
}
