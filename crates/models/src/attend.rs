//! Attention of single queries over lists of rows.
//!
//! In a lockstep pass every query has keys of its own: most of them rows of its base, some its own.
//! On the CPU each query therefore walks over its list, so that nothing is copied for a variant;
//! Burn's batched products would need the keys of each laid out one after the other, and pack them
//! once more. The tensor formula, which does that, is the other devices' path and the test of this.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData, activation};
use pulp::Arch;
use rayon::prelude::*;

use crate::activation::exp;
use crate::decoder::{Decoder, Layer};
use crate::rows::Rows;

/// A query and what it attends to.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Its row.
    pub row: u32,
    /// The rows of its keys.
    pub keys: &'a [u32],
    /// The rows of its values, as many.
    pub values: &'a [u32],
    /// The position of its first key.
    pub first: u32,
}

/// Queries that one thread takes at a time.
pub(crate) const CHUNK: usize = 8;

/// Numbers of keys that the tensor formula lays out at a time: with the values and a copy of both
/// 32 MiB, which a plan doesn't count (the CPU lays nothing out).
const GATHERED: usize = 1 << 21;

/// Numbers that are summed side by side.
const LANES: usize = 16;

/// [`exp`] goes no further down.
const LOWEST: f32 = -87.0;

impl Decoder {
    /// z of each query, `[queries, n_heads d_head]`, with q, k and v as [`Decoder::qkv`] gives them.
    pub fn attend(&self, layer: &Layer, [q, k, v]: [&Rows; 3], queries: &[Query<'_>]) -> Tensor<2> {
        match (q.on_host(), k.on_host(), v.on_host()) {
            (Some(q), Some(k), Some(v)) => self.attend_on_host(layer, [q, k, v], queries),
            _ => self.attend_by_tensors(layer, [q, k, v], queries),
        }
    }

    fn attend_on_host(&self, layer: &Layer, qkv: [&[f32]; 3], queries: &[Query<'_>]) -> Tensor<2> {
        let shape = Shape::of(self, layer);
        let width = shape.heads * shape.d_head;
        let mut z = vec![0.0_f32; queries.len() * width];
        let arch = Arch::new();
        z.par_chunks_mut(CHUNK * width).zip(queries.par_chunks(CHUNK)).for_each(|(z, queries)| {
            let (mut pattern, mut scratch) = (Vec::new(), Vec::new());
            for (z, query) in z.chunks_exact_mut(width).zip(queries) {
                arch.dispatch(|| shape.attend(qkv, query, [&mut pattern, &mut scratch], z));
            }
        });
        Tensor::from_data(TensorData::new(z, [queries.len(), width]), &self.device)
    }

    /// The same with tensors, in groups of the same keys' positions.
    fn attend_by_tensors(
        &self,
        layer: &Layer,
        qkv: [&Rows; 3],
        queries: &[Query<'_>],
    ) -> Tensor<2> {
        let [q, k, v] = qkv;
        self.by_keys(queries, |group, _| {
            let pattern = activation::softmax(self.group_scores(layer, [q, k], group), 3);
            self.group_z(pattern, v, group)
        })
    }

    /// Rows for queries that are computed in groups with keys of the same positions; `of_group` also gets
    /// the queries' places.
    pub(crate) fn by_keys(
        &self,
        queries: &[Query<'_>],
        of_group: impl Fn(&[Query<'_>], &[usize]) -> Tensor<2>,
    ) -> Tensor<2> {
        let mut groups: BTreeMap<(usize, u32), Vec<usize>> = BTreeMap::new();
        for (index, query) in queries.iter().enumerate() {
            groups.entry((query.keys.len(), query.first)).or_default().push(index);
        }
        let (mut parts, mut order) = (Vec::new(), vec![0; queries.len()]);
        let width = self.architecture.n_kv_heads * self.architecture.d_head;
        let mut done = 0;
        for ((keys, _), members) in groups {
            for group in members.chunks((GATHERED / (keys * width)).max(1)) {
                for (place, index) in group.iter().enumerate() {
                    order[*index] = done + place;
                }
                done += group.len();
                let of_queries: Vec<Query<'_>> =
                    group.iter().map(|index| queries[*index]).collect();
                parts.push(of_group(&of_queries, group));
            }
        }
        Tensor::cat(parts, 0).select(0, self.indices(&order))
    }

    /// The scores of queries with as many keys: `[queries, n_kv_heads, shared, keys]`.
    pub(crate) fn group_scores(
        &self,
        layer: &Layer,
        [q, k]: [&Rows; 2],
        group: &[Query<'_>],
    ) -> Tensor<4> {
        let Shape { heads, kv_heads, d_head, scale, .. } = Shape::of(self, layer);
        let rows: Vec<u32> = group.iter().map(|query| query.row).collect();
        let q = q.take(&rows).reshape([group.len(), kv_heads, heads / kv_heads, d_head]);
        let k = self.gather(k, group, |query| query.keys);
        self.cap_scores(q.matmul(k.swap_dims(2, 3)) * f64::from(scale))
    }

    /// The weighted values of patterns, `[queries, n_heads d_head]`.
    pub(crate) fn group_z(&self, pattern: Tensor<4>, v: &Rows, group: &[Query<'_>]) -> Tensor<2> {
        let z = pattern.matmul(self.gather(v, group, |query| query.values));
        z.reshape([group.len(), self.architecture.n_heads * self.architecture.d_head])
    }

    /// Keys or values of queries, `[queries, n_kv_heads, keys, d_head]`.
    fn gather(
        &self,
        rows: &Rows,
        group: &[Query<'_>],
        which: for<'q> fn(&Query<'q>) -> &'q [u32],
    ) -> Tensor<4> {
        let list: Vec<u32> = group.iter().flat_map(which).copied().collect();
        let (count, keys) = (group.len(), list.len() / group.len().max(1));
        let architecture = &self.architecture;
        let shape = [count, keys, architecture.n_kv_heads, architecture.d_head];
        rows.take(&list).reshape(shape).swap_dims(1, 2)
    }
}

/// What the kernel has to know.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) heads: usize,
    kv_heads: usize,
    pub(crate) d_head: usize,
    scale: f32,
    cap: Option<f32>,
}

impl Shape {
    pub(crate) fn of(decoder: &Decoder, layer: &Layer) -> Self {
        let architecture = &decoder.architecture;
        Self {
            heads: architecture.n_heads,
            kv_heads: architecture.n_kv_heads,
            d_head: architecture.d_head,
            scale: architecture.score_scale.factor(layer.index) as f32,
            cap: architecture.score_cap.map(|cap| cap as f32),
        }
    }

    /// One query: `z` `[heads · d_head]`; `pattern` and `scratch` are used again and again.
    #[inline(always)]
    fn attend(
        self,
        [q, k, v]: [&[f32]; 3],
        query: &Query<'_>,
        [pattern, scratch]: [&mut Vec<f32>; 2],
        z: &mut [f32],
    ) {
        self.scores([q, k], query, pattern);
        normalise(pattern, self.heads, scratch);
        self.weigh(pattern, v, query, z);
    }

    /// The scores of one query's keys, `[keys, heads]`.
    #[inline(always)]
    pub(crate) fn scores(self, [q, k]: [&[f32]; 2], query: &Query<'_>, scores: &mut Vec<f32>) {
        let Self { heads, kv_heads, d_head, scale, cap } = self;
        let (width, shared) = (kv_heads * d_head, heads / kv_heads);
        let q = &q[query.row as usize * heads * d_head..][..heads * d_head];
        scores.clear();
        for key in query.keys {
            let key = &k[*key as usize * width..][..width];
            for (head, q) in q.chunks_exact(d_head).enumerate() {
                let key = &key[head / shared * d_head..][..d_head];
                scores.push(dot(q, key) * scale);
            }
        }
        if let Some(cap) = cap {
            scores.iter_mut().for_each(|score| *score = (*score / cap).tanh() * cap);
        }
    }

    /// Adds the values that a pattern, `[keys, heads]`, weighs to `z`, `[heads · d_head]`.
    #[inline(always)]
    pub(crate) fn weigh(self, pattern: &[f32], v: &[f32], query: &Query<'_>, z: &mut [f32]) {
        let Self { heads, kv_heads, d_head, .. } = self;
        let (width, shared) = (kv_heads * d_head, heads / kv_heads);
        for (weights, value) in pattern.chunks_exact(heads).zip(query.values) {
            let value = &v[*value as usize * width..][..width];
            for (head, z) in z.chunks_exact_mut(d_head).enumerate() {
                let value = &value[head / shared * d_head..][..d_head];
                for (z, value) in z.iter_mut().zip(value) {
                    *z += weights[head] * value;
                }
            }
        }
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The softmax over the keys of each head: `[keys, heads]`; `scratch` is `[2, heads]`.
///
/// A score so low that its weight would round to nothing has none: a knocked-out cell is exactly 0.
#[inline(always)]
pub(crate) fn normalise(scores: &mut [f32], heads: usize, scratch: &mut Vec<f32>) {
    scratch.clear();
    scratch.resize(heads, f32::NEG_INFINITY);
    scratch.resize(2 * heads, 0.0);
    let (largest, sums) = scratch.split_at_mut(heads);
    for of_key in scores.chunks_exact(heads) {
        largest.iter_mut().zip(of_key).for_each(|(largest, score)| *largest = largest.max(*score));
    }
    for of_key in scores.chunks_exact_mut(heads) {
        for ((score, largest), sum) in of_key.iter_mut().zip(&*largest).zip(&mut *sums) {
            let below = *score - largest;
            *score = if below < LOWEST { 0.0 } else { exp(below) };
            *sum += *score;
        }
    }
    for of_key in scores.chunks_exact_mut(heads) {
        of_key.iter_mut().zip(&*sums).for_each(|(weight, sum)| *weight /= sum);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;
    use crate::DeviceName;
    use crate::model::Checkpoint;

    #[test]
    fn queries_over_lists_of_rows_agree_with_the_tensor_formula() {
        let model = Checkpoint::built_in().and_then(|c| c.load(DeviceName::Cpu)).expect("it loads");
        let decoder = &model.decoder;
        let architecture = decoder.architecture();
        let width = architecture.n_heads * architecture.d_head;
        let rows: Vec<u32> = (0..40).collect();
        let on_device = Decoder { on_host: false, ..decoder.clone() };
        let store = |decoder: &Decoder, values: &Tensor<2>| {
            let mut store = Rows::new(decoder, width);
            store.resize(rows.len());
            store.write(&rows, values.clone());
            store
        };
        Device::flex().seed(1);
        let random =
            || Tensor::random([rows.len(), width], Distribution::Normal(0.0, 1.5), &Device::flex());
        let values: [Tensor<2>; 3] = [random(), random(), random()];
        let lists: Vec<Vec<u32>> =
            (1..30).map(|len| (0..len).map(|at| (at * 7 + len) % 40).collect()).collect();
        let query = |(row, list): (usize, &'_ Vec<u32>)| (row as u32, list.clone());
        let lists: Vec<(u32, Vec<u32>)> = lists.iter().enumerate().map(query).collect();
        let queries: Vec<Query<'_>> = lists
            .iter()
            .map(|(row, keys)| Query { row: *row, keys, values: keys, first: 0 })
            .collect();
        let attend = |decoder: &Decoder| {
            let [q, k, v] = [0, 1, 2].map(|which| store(decoder, &values[which]));
            let layer = decoder.layer(2).expect("its layers are there");
            decoder.attend(&layer, [&q, &k, &v], &queries).into_data()
        };
        // A few roundings in sums of up to 64 and of up to 29 numbers around 1.
        let tolerance = Tolerance::rel_abs(1e-5, 2e-6);
        attend(decoder).assert_approx_eq::<f32>(&attend(&on_device), tolerance);
        let in_steps = |decoder: &Decoder| {
            let [q, k, v] = [0, 1, 2].map(|which| store(decoder, &values[which]));
            let layer = &decoder.layer(2).expect("its layers are there");
            let scores = decoder.scores_of(layer, [&q, &k], &queries, 32);
            let pattern = decoder.pattern_of(scores, &queries);
            decoder.weigh(layer, pattern, &v, &queries).into_data()
        };
        // The same arithmetic.
        in_steps(decoder).assert_eq(&attend(decoder), true);
        in_steps(&on_device).assert_approx_eq::<f32>(&attend(&on_device), tolerance);
    }
}
