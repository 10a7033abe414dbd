//! A trace by the default executor, from the prompt to the grid.

use criterion::{Criterion, criterion_group, criterion_main};
use tracewright::corruption::{Noise, ROME_SEED};
use tracewright::engine::{Execution, silent};
use tracewright::sweep::{Case, Kind, Settings, trace};
use tracewright_benches::{PROMPT, model};

fn traces(c: &mut Criterion) {
    let model = model().expect("the built-in model loads");
    let settings =
        Settings { kinds: vec![Kind::Mlp], samples: 2, seed: ROME_SEED, ..Settings::default() };
    let noise = Noise::Gaussian { std: 0.2 };
    let case = Case {
        name: "needle".to_owned(),
        prompt: PROMPT.to_owned(),
        subject: "The Space Needle".to_owned(),
        ..Case::default()
    };
    let fed = case.feed(&model.tokenizer).expect("the subject is in the prompt");
    let mut group = c.benchmark_group("trace");
    group.sample_size(10);
    group.bench_function("mlp, 2 samples", |b| {
        b.iter(|| {
            trace(&fed, &model, &settings, &noise, &Execution::default(), &mut silent)
                .expect("it traces")
        });
    });
    group.finish();
}

criterion_group!(benches, traces);
criterion_main!(benches);
