//! Lockstep passes over the built-in model.
//!
//! A pass ends where nothing is read any more: with no metric but a reading of the stream above a
//! layer it stops there, so the difference between two of them is that layer.

use std::ops::ControlFlow::Continue;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tracewright::engine::{Execution, lockstep};
use tracewright::ir::plan::Planner;
use tracewright::ir::{Component, Locus, Reading, Request, RunId, Site, State};
use tracewright::models::Decoder;
use tracewright_benches::{model, rome};

const TOKENS: usize = 12;

/// What a pass may take: enough for all of it at once.
const BUDGET: u64 = 768 << 20;

/// The request with the stream above a layer for its only outcome, of every run at the last position.
fn up_to(layer: usize, request: &Request) -> Request {
    let mut request = request.clone();
    request.measures.clear();
    let locus = Locus::at(Site::in_layer(Component::ResidPost, layer)).positions([TOKENS - 1]);
    let read = |run| Reading { run: RunId(run), locus: locus.clone(), state: State::Left };
    request.readings = (0..request.runs.len()).map(read).collect();
    request
}

fn execute(decoder: &Decoder, request: &Request) {
    lockstep::execute(
        decoder,
        &[request],
        &Execution { memory: BUDGET, ..Execution::default() },
        &mut |_, _| Continue(()),
    )
    .expect("the request is answered");
}

fn passes(c: &mut Criterion) {
    let decoder = model().expect("the built-in model loads").decoder;
    let n_layers = decoder.architecture().n_layers;
    let whole = rome(n_layers, TOKENS, 0..3);
    let layers = [0, n_layers / 2, n_layers - 1];
    let mut requests: Vec<_> =
        layers.map(|layer| (format!("up to layer {layer}"), up_to(layer, &whole))).into();
    requests.push(("whole".to_owned(), whole));
    let mut group = c.benchmark_group("pass");
    group.sample_size(10);
    for (name, request) in &requests {
        let all = [request];
        let planner = Planner::new(&all, decoder.architecture()).expect("the request fits");
        let chunks = planner.passes(BUDGET).expect("there is room");
        group.throughput(Throughput::Elements(planner.cost(&chunks).rows));
        let id = BenchmarkId::from_parameter(name);
        group.bench_function(id, |b| b.iter(|| execute(&decoder, request)));
    }
    group.finish();
}

criterion_group!(benches, passes);
criterion_main!(benches);
