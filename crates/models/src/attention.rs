//! Attention within whole sequences.

use burn::tensor::{Bool, Tensor, activation};

use crate::decoder::{Decoder, Layer};

/// Sequences of the same length whose rows stand one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Number of sequences.
    pub sequences: usize,
    /// Tokens of each.
    pub len: usize,
}

impl Batch {
    /// Number of rows.
    pub fn rows(self) -> usize {
        self.sequences * self.len
    }
}

impl Decoder {
    /// The scores, scaled and masked: `[sequences · n_heads · len, len]` from q and k in rows.
    pub fn scores(&self, layer: &Layer, batch: Batch, q: Tensor<2>, k: Tensor<2>) -> Tensor<2> {
        let Batch { sequences, len } = batch;
        let architecture = &self.architecture;
        let factor = architecture.score_scale.factor(layer.index);
        let q = self.by_head(batch, q);
        let k = self.by_head(batch, k);
        let scores = self.cap_scores(q.matmul(k.swap_dims(2, 3)) * factor);
        let rows = sequences * architecture.n_heads * len;
        self.mask_unseen(layer.index, batch, scores.reshape([rows, len]), f32::NEG_INFINITY)
    }

    /// Scores within the model's cap, of any shape.
    pub(crate) fn cap_scores<const D: usize>(&self, scores: Tensor<D>) -> Tensor<D> {
        match self.architecture.score_cap {
            Some(cap) => (scores / cap).tanh() * cap,
            None => scores,
        }
    }

    /// Fills the cells whose key a query of the layer doesn't see, because it comes later or lies before
    /// the layer's window: `[sequences · n_heads · len, len]`.
    pub fn mask_unseen(
        &self,
        layer: usize,
        batch: Batch,
        cells: Tensor<2>,
        value: f32,
    ) -> Tensor<2> {
        let Batch { sequences, len } = batch;
        let mut unseen = Tensor::<2, Bool>::tril_mask([len, len], 0, &self.device);
        if let Some(keys) = self.architecture.window(layer).filter(|keys| *keys < len) {
            let before = Tensor::triu_mask([len, len], 1 - keys as i64, &self.device);
            unseen = unseen.bool_or(before);
        }
        let shape = [sequences * self.architecture.n_heads, len, len];
        let masked: Tensor<3> = cells.reshape(shape).mask_fill(unseen.unsqueeze(), value);
        masked.reshape([shape[0] * len, len])
    }

    /// The pattern of the scores, of the same shape.
    pub fn pattern(&self, scores: Tensor<2>) -> Tensor<2> {
        activation::softmax(scores, 1)
    }

    /// The weighted values, `[rows, n_heads d_head]`, of a pattern and v in rows.
    pub fn z(&self, batch: Batch, pattern: Tensor<2>, v: Tensor<2>) -> Tensor<2> {
        let Batch { sequences, len } = batch;
        let n_heads = self.architecture.n_heads;
        let pattern = pattern.reshape([sequences, n_heads, len, len]);
        let z = pattern.matmul(self.by_head(batch, v));
        z.swap_dims(1, 2).reshape([batch.rows(), n_heads * self.architecture.d_head])
    }

    /// `[rows, heads · d_head]` as `[sequences, n_heads, len, d_head]`; key/value heads are
    /// repeated for each query head of their group.
    fn by_head(&self, batch: Batch, x: Tensor<2>) -> Tensor<4> {
        let Batch { sequences, len } = batch;
        let d_head = self.architecture.d_head;
        let heads = x.dims()[1] / d_head;
        let x: Tensor<4> = x.reshape([sequences, len, heads, d_head]).swap_dims(1, 2);
        match self.architecture.n_heads / heads {
            1 => x,
            group => x.unsqueeze_dim::<5>(2).repeat_dim(2, group).reshape([
                sequences,
                heads * group,
                len,
                d_head,
            ]),
        }
    }
}
