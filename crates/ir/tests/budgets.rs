//! What plans cost, budgets that they keep to, and what has no plan.

mod common;

use std::ops::Range;
use std::time::{Duration, Instant};

use common::plans::{architecture, at, request};
use proptest::prelude::*;
use tracewright_ir::plan::{PassCost, PlanError, Planner, forward_flops};
use tracewright_ir::{
    Architecture, Component, Intervention, Locus, Measure, Metric, Operation, Request, Run, RunId,
    Site, Source, State, Value, window,
};

/// ROME's protocol, three kinds with windows of ten layers and ten samples, on a prompt of `len`
/// tokens with the subject at these positions.
fn rome(architecture: &Architecture, len: usize, subject: std::ops::Range<usize>) -> Request {
    let mut request = Request::default();
    let tokens: Vec<u32> = (0..len as u32).collect();
    let clean = request.push(Run::of_tokens("clean", &tokens));
    let corrupt = |sample| {
        let operation = Operation::Add(Value::Constant(f64::from(sample)));
        let locus = Locus::at(Site::outside(Component::Embed)).positions(subject.clone());
        Run::variant("corrupted", clean, [Intervention { locus, operation }])
    };
    let bases: Vec<RunId> = (1..=10).map(|sample| request.push(corrupt(sample))).collect();
    for kind in [Component::ResidPost, Component::MlpOut, Component::AttnOut] {
        for (position, layer) in
            (0..len).flat_map(|p| (0..architecture.n_layers).map(move |l| (p, l)))
        {
            let layers = match kind {
                Component::ResidPost => layer..layer + 1,
                _ => window(layer, 10, architecture.n_layers),
            };
            let copy = |layer| Intervention::copy(at(kind, layer, position), clean);
            let changes: Vec<Intervention> = layers.map(copy).collect();
            for base in &bases {
                request.push(Run::variant("cell", *base, changes.clone()));
            }
        }
    }
    request.measures.push(Measure::at_last(Metric::Prob { answer: 5 }));
    request.measured = (0..request.runs.len()).map(RunId).collect();
    request
}

fn gpt2(n_layers: usize, n_heads: usize) -> Architecture {
    let (d_head, d_model) = (64, 64 * n_heads);
    let (n_kv_heads, d_mlp, vocab, context) = (n_heads, 4 * d_model, 50_257, 1024);
    let heads =
        Architecture { n_heads, n_kv_heads, d_head, d_model, d_mlp, ..architecture(n_layers) };
    Architecture { vocab, context, ..heads }
}

#[test]
fn romes_protocol_costs_no_more_than_was_counted_beforehand() {
    // GPT-2 small's shape; how many times fewer operations than ROME's code, which runs the clean
    // prompt beside ten corrupted ones for every cell and computes every position's logits.
    let counted = [(12, 0..3, 5.6), (12, 3..6, 9.2), (30, 0..3, 6.4), (30, 8..11, 11.5)];
    let architecture = gpt2(12, 12);
    for (len, subject, times) in counted {
        let request = rome(&architecture, len, subject.clone());
        let requests = [&request];
        let planner = Planner::new(&requests, &architecture).expect("the request fits");
        let passes = planner.passes(768 << 20).expect("there is room");
        let cost = planner.cost(&passes);
        let one_by_one: PassCost =
            passes.iter().map(|chunk| planner.pass(chunk).cost(&architecture)).sum();
        assert_eq!(cost, one_by_one);
        let cells = 3 * len * architecture.n_layers;
        let full = forward_flops(&architecture, len) as f64 * (11 * cells) as f64;
        let fewer = full / cost.flops as f64;
        assert!(fewer >= times / 1.05, "{len} tokens, subject {subject:?}: {fewer} times fewer");
        assert!(cost.peak_bytes <= 768 << 20);
    }
}

#[test]
fn a_budget_that_is_too_small_names_the_smallest_that_works() {
    let request = request(|_, _, _| {});
    let (requests, architecture) = ([&request], architecture(2));
    let planner = Planner::new(&requests, &architecture).expect("the request fits");
    let Err(PlanError::TooSmall { smallest, .. }) = planner.passes(100) else {
        panic!("a hundred bytes are too little")
    };
    assert!(planner.passes(smallest - 1).is_err());
    let passes = planner.passes(smallest).expect("the smallest works");
    assert!(passes.iter().all(|c| planner.pass(c).cost(&architecture).peak_bytes <= smallest));
    let error = planner.passes(100).map_err(|error| error.to_string()).err();
    let expected = "a memory budget of 100 bytes is too small for a single run: the smallest that \
                    works is 2KiB";
    assert_eq!(error.as_deref(), Some(expected));
}

#[test]
fn a_budget_that_is_too_small_is_not_shown_as_large_as_what_works() {
    let shown = |budget, smallest| PlanError::TooSmall { budget, smallest }.to_string();
    let mebibytes = shown((4 << 20) - 9, (4 << 20) - 1);
    assert!(mebibytes.contains("budget of 3MiB") && mebibytes.ends_with("is 4MiB"), "{mebibytes}");
    let kibibytes = shown(5000, 5001);
    assert!(kibibytes.contains("budget of 4KiB") && kibibytes.ends_with("is 5KiB"), "{kibibytes}");
}

/// Choices that a request is made of.
struct Tape(std::vec::IntoIter<usize>);

impl Tape {
    /// A number below `count`.
    fn below(&mut self, count: usize) -> usize {
        self.0.next().unwrap_or(0) % count
    }

    fn operation(&mut self, locus: &Locus, n_layers: usize, runs: usize) -> Operation {
        let number = Value::Constant(self.below(5) as f64);
        let some = |tape: &mut Self| {
            let elsewhere = tape.below(4) == 0;
            let mut from = locus.clone();
            from.site.layer = Some(tape.below(n_layers));
            let run = RunId(tape.below(runs));
            Source { run, locus: elsewhere.then_some(from), state: State::Left }
        };
        match self.below(6) {
            0 => Operation::Scale(0.5),
            1 => Operation::Replace(number),
            2 => Operation::Add(number),
            3 => Operation::Replace(Value::Mean((0..8).map(|_| some(self)).collect())),
            _ => Operation::Replace(Value::Source(some(self))),
        }
    }

    /// Its sources may lie in any layer.
    fn intervention(&mut self, layers: Range<usize>, len: usize, runs: usize) -> Intervention {
        use Component as C;
        let components = [C::ResidPost, C::AttnOut, C::MlpOut, C::Z, C::Q, C::K, C::V, C::MlpPost];
        let component = components[self.below(components.len())];
        let layer = layers.start + self.below(layers.len());
        let mut locus = Locus::at(Site::in_layer(component, layer));
        if self.below(3) > 0 {
            locus = locus.positions([self.below(len)]);
        }
        if component.head_axis().is_some() && self.below(3) == 0 {
            locus = locus.heads([self.below(2)]);
        }
        let operation = self.operation(&locus, 4, runs);
        Intervention { locus, operation }
    }

    /// Bases that are changed in the upper layers, and variants of them that are changed in the lower
    /// ones.
    fn request(mut self, n_layers: usize) -> Request {
        let len = 4 + self.below(6);
        let mut request = Request::default();
        let tokens: Vec<u32> = (1..=len as u32).collect();
        request.push(Run::of_tokens("clean", &tokens));
        for _ in 0..1 + self.below(4) {
            let id = request.runs.len();
            let changes: Vec<Intervention> =
                (0..1 + self.below(4)).map(|_| self.intervention(2..n_layers, len, id)).collect();
            let base = RunId(self.below(id));
            request.push(Run::variant("base", base, changes));
        }
        let bases = request.runs.len();
        for _ in 0..self.below(400) {
            let id = request.runs.len();
            let change = self.intervention(0..2, len, id);
            let base = RunId(self.below(bases));
            request.push(Run::variant("variant", base, [change]));
        }
        request.measures.push(Measure::at_last(Metric::Logit { answer: 5 }));
        request.measured = (0..request.runs.len()).map(RunId).collect();
        request
    }
}

proptest! {
    // Each has hundreds of runs, so that rows take more than scratch does.
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_pass_keeps_to_its_budget(
        choices in prop::collection::vec(any::<usize>(), 600..3000),
        room in 0_u64..400_000,
    ) {
        let architecture = architecture(4);
        let request = Tape(choices.into_iter()).request(architecture.n_layers);
        let requests = [&request];
        let planner = Planner::new(&requests, &architecture).expect("the request fits");
        let Err(PlanError::TooSmall { smallest, .. }) = planner.passes(1) else {
            panic!("one byte is too little")
        };
        prop_assert!(planner.passes(smallest - 1).is_err());
        let whole = planner.passes(1 << 30).expect("there is room");
        for budget in [smallest, smallest + room] {
            let passes = planner.passes(budget).expect("it is enough for a single run");
            for pass in &passes {
                prop_assert!(pass.cost().peak_bytes <= budget);
                prop_assert_eq!(pass.cost(), planner.pass(pass).cost(&architecture));
            }
            prop_assert_eq!(planner.distinct(&passes), planner.distinct(&whole));
        }
    }
}

#[test]
fn runs_with_the_same_result_are_counted_once_whatever_the_budget_is() {
    let request = request(|request, clean, corrupted| {
        for position in [0, 2, 2, 3] {
            let copy = Intervention::copy(at(Component::ResidPost, 0, position), clean);
            request.push(Run::variant("patched", corrupted, [copy]));
        }
    });
    let (requests, architecture) = ([&request], architecture(2));
    let planner = Planner::new(&requests, &architecture).expect("the request fits");
    let Err(PlanError::TooSmall { smallest, .. }) = planner.passes(1) else {
        panic!("one byte is too little")
    };
    let (one, many) = (planner.passes(1 << 30), planner.passes(smallest));
    let (one, many) = (one.expect("there is room"), many.expect("the smallest works"));
    assert!(one.len() == 1 && many.len() > 2);
    // Position 0 is as it was, and 2 is patched twice.
    assert_eq!([planner.distinct(&one), planner.distinct(&many)], [4, 4]);
}

#[test]
fn a_long_chain_of_variants_is_planned_without_going_through_it_for_each() {
    const RUNS: usize = 100_000;
    let architecture = architecture(3);
    let mut request = Request::default();
    let mut last = request.push(Run::of_tokens("clean", &[1, 2, 3]));
    for run in 1..RUNS {
        let locus = at(Component::MlpPost, 1, 2).neurons([run % 32]);
        let operation = Operation::Add(Value::Constant(run as f64));
        last = request.push(Run::variant("pruned", last, [Intervention { locus, operation }]));
    }
    request.measures.push(Measure::at_last(Metric::Logit { answer: 5 }));
    request.measured = vec![RunId(0), last];
    let requests = [&request];
    let start = Instant::now();
    let planner = Planner::new(&requests, &architecture).expect("the request fits");
    let passes = planner.passes(1 << 40).expect("there is room");
    let rows: usize =
        passes.iter().flat_map(|pass| planner.pass(pass).segments).map(|s| s.rows.len()).sum();
    // Every patch is a row: each reads what the one before it has left.
    assert!(rows >= RUNS - 1, "{rows} rows");
    // A tenth of what going through the chain for each run takes.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
