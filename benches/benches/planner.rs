//! Plans of ROME's protocol: the passes and what they cost.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tracewright::ir::plan::Planner;
use tracewright_benches::{gpt2, rome};

/// What a pass may take.
const BUDGET: u64 = 768 << 20;

fn plans(c: &mut Criterion) {
    let (small, xl) = (gpt2(12, 12), gpt2(48, 25));
    let mut group = c.benchmark_group("planner");
    group.sample_size(10);
    // 12, 30 and 70 tokens: 4,320, 43,200 and 100,800 variants.
    for (name, architecture, len) in
        [("small, 12 tokens", &small, 12), ("xl, 30 tokens", &xl, 30), ("xl, 70 tokens", &xl, 70)]
    {
        let request = rome(architecture.n_layers, len, 0..3);
        let requests = [&request];
        group.throughput(Throughput::Elements(request.runs.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let planner = Planner::new(&requests, architecture).expect("the request fits");
                let passes = planner.passes(BUDGET).expect("there is room");
                planner.cost(&passes)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
