//! Full forward passes of the built-in model.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tracewright::models::{Batch, Nobody};
use tracewright_benches::{PROMPT, model};

fn forward(c: &mut Criterion) {
    let model = model().expect("the built-in model loads");
    let tokens = model.tokenizer.prompt(PROMPT).expect("the prompt has tokens");
    let mut group = c.benchmark_group("forward");
    for sequences in [1, 16] {
        let batch = Batch { sequences, len: tokens.len() };
        let ids = tokens.ids.repeat(sequences);
        let rows: Vec<usize> = (1..=sequences).map(|s| s * tokens.len() - 1).collect();
        group.throughput(Throughput::Elements(batch.rows() as u64));
        group.bench_function(BenchmarkId::from_parameter(sequences), |b| {
            b.iter(|| {
                let logits = model
                    .decoder
                    .forward(&ids, batch, &rows, &mut Nobody)
                    .expect("its weights are there");
                logits.into_data()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, forward);
criterion_main!(benches);
