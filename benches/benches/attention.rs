//! Attention of queries over lists of rows, as a lockstep pass has them.

use burn::tensor::{Device, Distribution, Tensor, activation};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tracewright::models::{Decoder, Query, Rows};
use tracewright_benches::model;

const QUERIES: usize = 512;

/// `QUERIES` rows of random numbers.
fn store(decoder: &Decoder, width: usize) -> Rows {
    let rows: Vec<u32> = (0..QUERIES as u32).collect();
    let values = Tensor::random([QUERIES, width], Distribution::Normal(0.0, 1.0), &Device::flex());
    let mut store = Rows::new(decoder, width);
    store.resize(QUERIES);
    store.write(&rows, values);
    store
}

/// The same by batched products over keys and values that are laid out for every query.
fn by_tensors(decoder: &Decoder, [q, k, v]: [&Rows; 3], queries: &[Query<'_>]) -> Tensor<2> {
    let architecture = decoder.architecture();
    let (heads, d_head) = (architecture.n_heads, architecture.d_head);
    let lists: Vec<u32> = queries.iter().flat_map(|query| query.keys).copied().collect();
    let (count, keys) = (queries.len(), lists.len() / queries.len());
    let laid_out =
        |rows: &Rows| rows.take(&lists).reshape([count, keys, heads, d_head]).swap_dims(1, 2);
    let rows: Vec<u32> = queries.iter().map(|query| query.row).collect();
    let q: Tensor<4> = q.take(&rows).reshape([count, heads, 1, d_head]);
    let scores = q.matmul(laid_out(k).swap_dims(2, 3)) * (d_head as f64).powf(-0.5);
    activation::softmax(scores, 3).matmul(laid_out(v)).reshape([count, heads * d_head])
}

fn attention(c: &mut Criterion) {
    let decoder = model().expect("the built-in model loads").decoder;
    let architecture = decoder.architecture();
    let width = architecture.n_heads * architecture.d_head;
    let [q, k, v] = [(); 3].map(|()| store(&decoder, width));
    let layer = decoder.layer(0).expect("its layers are there");
    let mut group = c.benchmark_group("attention");
    for keys in [12, 30] {
        // Lists that overlap: most keys are a base's, whose rows lie far from the query's.
        let row = |query: usize, key: usize| ((query / 10 * keys + key) % QUERIES) as u32;
        let lists: Vec<Vec<u32>> =
            (0..QUERIES).map(|query| (0..keys).map(|key| row(query, key)).collect()).collect();
        let queries: Vec<Query<'_>> = (0..).zip(&lists).map(query_of).collect();
        group.throughput(Throughput::Elements((QUERIES * keys) as u64));
        group.bench_function(BenchmarkId::new("lists", keys), |b| {
            b.iter(|| decoder.attend(&layer, [&q, &k, &v], &queries));
        });
        group.bench_function(BenchmarkId::new("tensors", keys), |b| {
            b.iter(|| by_tensors(&decoder, [&q, &k, &v], &queries));
        });
    }
    group.finish();
}

fn query_of((row, keys): (u32, &Vec<u32>)) -> Query<'_> {
    Query { row, keys, values: keys, first: 0 }
}

criterion_group!(benches, attention);
criterion_main!(benches);
