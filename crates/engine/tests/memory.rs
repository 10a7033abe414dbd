//! What a lockstep pass takes in memory, counted by the allocator, against what its plan says.
//!
//! Live before the walk, and so subtracted: the weights, the request, and the plan itself (what the
//! same `Planner` and `Pass` take when they are made beforehand). Everything else counts, also what
//! isn't a tensor: lists of rows, metrics, the matrix products' packed panels. A pass is planned
//! before its first segment is walked through, which holds no more rows than those above, so that
//! first step isn't measured.

use std::ops::ControlFlow::Continue;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;
use tracewright_engine::{Execution, Progress, lockstep, silent};
use tracewright_ir::plan::{PlanError, Planner};
use tracewright_ir::{
    Component, Intervention, Locus, Measure, Metric, Operation, Request, Run, RunId, Site, Source,
    Value, window,
};
use tracewright_models::{Checkpoint, Decoder, DeviceName};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Enough for everything here in one pass.
const PLENTY: u64 = 256 << 20;

/// One test at a time: the allocator counts for all of them.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The built-in model, with every thread's own room for matrix products (as large as a core's second
/// cache, once for the life of the thread) already there.
fn model() -> Decoder {
    let model = Checkpoint::built_in().and_then(|c| c.load(DeviceName::Cpu));
    let decoder = model.expect("the built-in model loads").decoder;
    execute(&decoder, &rome(&decoder, 1, prob), PLENTY, &mut silent);
    decoder
}

fn execute(decoder: &Decoder, request: &Request, budget: u64, progress: Progress<'_>) {
    lockstep::execute(
        decoder,
        &[request],
        &Execution { memory: budget, ..Execution::default() },
        progress,
    )
    .expect("the request is answered");
}

/// ROME's protocol on a prompt of twelve tokens with the subject at the start: three kinds, windows
/// of ten layers, every layer and position.
fn rome(decoder: &Decoder, samples: usize, metric: fn(RunId) -> Metric) -> Request {
    let (len, n_layers) = (12, decoder.architecture().n_layers);
    let mut request = Request::default();
    let tokens: Vec<u32> = (1..=len as u32).collect();
    let clean = request.push(Run::of_tokens("clean", &tokens));
    let corrupt = |sample: usize| {
        let operation = Operation::Add(Value::Constant(0.1 * (sample + 1) as f64));
        let locus = Locus::at(Site::outside(Component::Embed)).positions(0..3);
        Run::variant("corrupted", clean, [Intervention { locus, operation }])
    };
    let bases: Vec<RunId> = (0..samples).map(|sample| request.push(corrupt(sample))).collect();
    for kind in [Component::ResidPost, Component::MlpOut, Component::AttnOut] {
        for (position, layer) in (0..len).flat_map(|p| (0..n_layers).map(move |l| (p, l))) {
            let layers = match kind {
                Component::ResidPost => layer..layer + 1,
                _ => window(layer, 10, n_layers),
            };
            let at = |layer| Locus::at(Site::in_layer(kind, layer)).positions([position]);
            let copies: Vec<_> = layers.map(|l| Intervention::copy(at(l), clean)).collect();
            for base in &bases {
                request.push(Run::variant("cell", *base, copies.clone()));
            }
        }
    }
    request.measures.push(Measure::at_last(metric(clean)));
    request.measured = (0..request.runs.len()).map(RunId).collect();
    request
}

/// What a pass takes.
#[derive(Debug)]
struct Taken {
    /// The plan's `peak_bytes`.
    planned: u64,
    /// The most that a step of it took.
    peak: u64,
}

fn live() -> u64 {
    MEMORY.current_usage() as u64
}

/// The same plan that the executor makes: what it takes itself, with each pass, and the passes' peaks.
fn plan(decoder: &Decoder, request: &Request, budget: u64) -> Vec<(u64, u64)> {
    let (requests, empty) = ([request], live());
    let planner = Planner::new(&requests, decoder.architecture()).expect("the request fits");
    let chunks = planner.passes(budget).expect("there is room for one variant");
    let own = live() - empty;
    let mut passes = Vec::with_capacity(chunks.len());
    for chunk in &chunks {
        let before = live();
        let pass = planner.pass(chunk);
        passes.push((own + live() - before, pass.cost(decoder.architecture()).peak_bytes));
    }
    passes
}

fn measure(decoder: &Decoder, request: &Request, budget: u64) -> Vec<Taken> {
    let plans = plan(decoder, request, budget);
    let mut taken: Vec<Taken> =
        plans.iter().map(|(_, planned)| Taken { planned: *planned, peak: 0 }).collect();
    let (start, steps) = (live(), decoder.architecture().n_layers + 1);
    let mut told = 0;
    execute(decoder, request, budget, &mut |_, _| {
        let (pass, step) = (told / steps, told % steps);
        told += 1;
        if step > 0 {
            let peak = MEMORY.peak_usage() as u64 - start - plans[pass].0;
            taken[pass].peak = taken[pass].peak.max(peak);
        }
        MEMORY.reset_peak_usage();
        Continue(())
    });
    taken
}

/// Checks every pass of a request, and gives their number.
fn check(decoder: &Decoder, request: &Request, budget: u64) -> usize {
    let taken = measure(decoder, request, budget);
    for pass in &taken {
        assert!(pass.planned <= budget, "{pass:?} of {budget}");
        // A quarter for what the plan doesn't count: lists of rows, copies while rows are put in
        // order, and the panels that matrix products pack.
        assert!(pass.peak as f64 <= 1.25 * pass.planned as f64, "{pass:?} of {budget}");
    }
    taken.len()
}

fn smallest(decoder: &Decoder, request: &Request) -> u64 {
    let requests = [request];
    let planner = Planner::new(&requests, decoder.architecture()).expect("the request fits");
    let Err(PlanError::TooSmall { smallest, .. }) = planner.passes(1) else {
        panic!("one byte is too little")
    };
    smallest
}

fn prob(_: RunId) -> Metric {
    Metric::Prob { answer: 5 }
}

fn kl(clean: RunId) -> Metric {
    Metric::Kl { clean }
}

#[test]
fn a_whole_trace_in_one_pass_takes_what_its_plan_says() {
    let (_alone, decoder) = (alone(), model());
    assert_eq!(check(&decoder, &rome(&decoder, 10, prob), PLENTY), 1);
}

#[test]
fn a_trace_in_several_passes_stays_within_the_budget() {
    let (_alone, decoder) = (alone(), model());
    for metric in [prob, kl] {
        assert!(check(&decoder, &rome(&decoder, 3, metric), 8 << 20) > 1);
    }
}

#[test]
fn the_smallest_budget_that_works_is_kept_to() {
    let (_alone, decoder) = (alone(), model());
    for metric in [prob, kl] {
        let request = rome(&decoder, 1, metric);
        check(&decoder, &request, smallest(&decoder, &request));
    }
}

#[test]
fn wide_rows_that_are_patched_in_parts_are_counted() {
    let (_alone, decoder) = (alone(), model());
    let mut request = rome(&decoder, 1, kl);
    let (clean, corrupted) = (RunId(0), RunId(1));
    for neuron in 0..decoder.architecture().d_mlp {
        let site = Site::in_layer(Component::MlpPost, neuron % decoder.architecture().n_layers);
        let locus = Locus::at(site).positions([11]).neurons([neuron]);
        let copy = Intervention::copy(locus, clean);
        let run = request.push(Run::variant("neuron", corrupted, [copy]));
        request.measured.push(run);
    }
    check(&decoder, &request, PLENTY);
}

#[test]
fn what_lies_inside_attention_and_a_metric_of_few_tokens_are_counted() {
    let (_alone, decoder) = (alone(), model());
    let mut request = rome(&decoder, 1, |_| Metric::Logit { answer: 5 });
    let (clean, corrupted) = (RunId(0), RunId(1));
    for component in [Component::Scores, Component::Pattern, Component::Result] {
        for (layer, head) in
            (0..decoder.architecture().n_layers).flat_map(|l| [0, 1, 2, 3].map(|h| (l, h)))
        {
            for position in 0..12 {
                let locus = Locus::at(Site::in_layer(component, layer)).heads([head]);
                let locus = locus.positions([position]);
                // Copied columns, and numbers that the host computes.
                let added = Operation::Add(Value::Source(Source::of(clean)));
                let added = Intervention { locus: locus.clone(), operation: added };
                for change in [Intervention::copy(locus, clean), added] {
                    let run = request.push(Run::variant("head", corrupted, [change]));
                    request.measured.push(run);
                }
            }
        }
    }
    assert_eq!(check(&decoder, &request, PLENTY), 1);
    assert!(check(&decoder, &request, 4 << 20) > 1);
}
