//! NumPy's normal deviates.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tracewright::corruption::RandomState;

/// 10 samples of 6 subject tokens at GPT-2 XL's width.
const DEVIATES: usize = 10 * 6 * 1600;

fn noise(c: &mut Criterion) {
    let mut group = c.benchmark_group("noise");
    group.throughput(Throughput::Elements(DEVIATES as u64));
    group.bench_function("randn", |b| b.iter(|| RandomState::new(1).randn(black_box(DEVIATES))));
    group.finish();
}

criterion_group!(benches, noise);
criterion_main!(benches);
