//! Attention of single queries in steps, for scores and patterns that somebody looks at.
//!
//! A row holds the cells of all heads, `[n_heads · context]`, with room for as many keys as `context`
//! says. Cells of keys that a query doesn't see have a score of −inf and no weight. The arithmetic is that of
//! [`Decoder::attend`], step by step.

use burn::tensor::{Tensor, TensorData, activation};
use pulp::Arch;
use rayon::prelude::*;

use crate::attend::{CHUNK, Query, Shape, normalise};
use crate::decoder::{Decoder, Layer};
use crate::rows::Rows;

impl Decoder {
    /// The scores of each query, `[queries, n_heads context]`.
    pub fn scores_of(
        &self,
        layer: &Layer,
        [q, k]: [&Rows; 2],
        queries: &[Query<'_>],
        context: usize,
    ) -> Tensor<2> {
        let shape = Shape::of(self, layer);
        if let (Some(q), Some(k)) = (q.on_host(), k.on_host()) {
            return self.each(queries, shape.heads * context, |_, query, cells| {
                let mut scores = Vec::new();
                shape.scores([q, k], query, &mut scores);
                cells.fill(f32::NEG_INFINITY);
                spread(&scores, cells, query, context);
            });
        }
        self.by_keys(queries, |group, _| {
            let scores = self.group_scores(layer, [q, k], group);
            let [count, _, _, keys] = scores.dims();
            let scores: Tensor<3> = scores.reshape([count, shape.heads, keys]);
            let masked = |keys: usize| {
                let shape = [count, shape.heads, keys];
                (keys > 0).then(|| Tensor::full(shape, f32::NEG_INFINITY, &self.device))
            };
            let first = group[0].first as usize;
            let (before, later) = (masked(first), masked(context - first - keys));
            let parts = before.into_iter().chain([scores]).chain(later).collect();
            Tensor::cat(parts, 2).reshape([count, shape.heads * context])
        })
    }

    /// The pattern of each query's scores, of the same shape.
    pub fn pattern_of(&self, scores: Tensor<2>, queries: &[Query<'_>]) -> Tensor<2> {
        let [count, width] = scores.dims();
        let heads = self.architecture.n_heads;
        let context = width / heads;
        if !self.on_host {
            let pattern = activation::softmax(scores.reshape([count * heads, context]), 1);
            return pattern.reshape([count, width]);
        }
        let scores = scores.into_data();
        let scores = scores.as_slice::<f32>().expect("activations are f32");
        self.each(queries, width, |index, query, cells| {
            let mut pattern = gathered(&scores[index * width..][..width], query, context);
            normalise(&mut pattern, heads, &mut Vec::new());
            spread(&pattern, cells, query, context);
        })
    }

    /// z of each query, `[queries, n_heads d_head]`, from its pattern.
    pub fn weigh(
        &self,
        layer: &Layer,
        pattern: Tensor<2>,
        v: &Rows,
        queries: &[Query<'_>],
    ) -> Tensor<2> {
        let shape = Shape::of(self, layer);
        let width = pattern.dims()[1];
        let context = width / shape.heads;
        if let Some(v) = v.on_host() {
            let pattern = pattern.into_data();
            let pattern = pattern.as_slice::<f32>().expect("activations are f32");
            return self.each(queries, shape.heads * shape.d_head, |index, query, z| {
                let pattern = gathered(&pattern[index * width..][..width], query, context);
                shape.weigh(&pattern, v, query, z);
            });
        }
        self.by_keys(queries, |group, places| {
            let (count, keys, first) = (group.len(), group[0].keys.len(), group[0].first as usize);
            let of_group = pattern.clone().select(0, self.indices(places));
            let cells: Tensor<3> = of_group.reshape([count, shape.heads, context]);
            let kv_heads = self.architecture.n_kv_heads;
            let by_kv_head = [count, kv_heads, shape.heads / kv_heads, keys];
            self.group_z(cells.narrow(2, first, keys).reshape(by_kv_head), v, group)
        })
    }

    /// A row for each query, made in the host's memory from its place among them.
    fn each(
        &self,
        queries: &[Query<'_>],
        width: usize,
        make: impl Fn(usize, &Query<'_>, &mut [f32]) + Sync,
    ) -> Tensor<2> {
        let mut rows = vec![0.0_f32; queries.len() * width];
        let arch = Arch::new();
        let chunks = rows.par_chunks_mut(CHUNK * width).zip(queries.par_chunks(CHUNK));
        chunks.enumerate().for_each(|(chunk, (rows, queries))| {
            for (at, (row, query)) in rows.chunks_exact_mut(width).zip(queries).enumerate() {
                arch.dispatch(|| make(chunk * CHUNK + at, query, row));
            }
        });
        Tensor::from_data(TensorData::new(rows, [queries.len(), width]), &self.device)
    }
}

/// Numbers by key, `[keys, heads]`, into a row of cells.
fn spread(by_key: &[f32], cells: &mut [f32], query: &Query<'_>, context: usize) {
    let heads = cells.len() / context;
    for (key, of_key) in by_key.chunks_exact(heads).enumerate() {
        for (head, number) in of_key.iter().enumerate() {
            cells[head * context + query.first as usize + key] = *number;
        }
    }
}

/// The cells of a query's keys, `[keys, heads]`.
fn gathered(cells: &[f32], query: &Query<'_>, context: usize) -> Vec<f32> {
    let heads = cells.len() / context;
    let of_key = |key| (0..heads).map(move |head| cells[head * context + key]);
    let first = query.first as usize;
    (first..first + query.keys.len()).flat_map(of_key).collect()
}
