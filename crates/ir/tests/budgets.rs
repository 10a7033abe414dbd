//! What plans cost, budgets that they keep to, and what has no plan.

mod common;

use common::plans::{architecture, at, request};
use tracewright_ir::plan::{PassCost, PlanError, Planner, forward_flops};
use tracewright_ir::{
    Architecture, Component, Intervention, Locus, Measure, Metric, Operation, Position, Request,
    Run, RunId, Site, Value, window,
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
                    works is 145KiB";
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

#[test]
fn what_an_architecture_can_say_and_no_plan_computes_is_refused_by_name() {
    let request = request(|_, _, _| {});
    let requests = [&request];
    let refused = |architecture: Architecture| {
        Planner::new(&requests, &architecture).map(|_| ()).map_err(|error| error.to_string())
    };
    let plain = architecture(2);
    let rotary = Architecture { position: Position::Rotary, ..plain.clone() };
    let normed = Architecture { query_key_norm: true, ..plain.clone() };
    let gated = Architecture { gated_mlp: true, ..plain.clone() };
    let parallel = Architecture { parallel_residual: true, ..plain.clone() };
    for (architecture, what) in [
        (rotary, "rotary positions"),
        (normed, "a norm of queries and keys"),
        (gated, "a gated MLP"),
        (parallel, "a parallel residual"),
    ] {
        assert_eq!(refused(architecture), Err(format!("a model with {what} can't be planned yet")));
    }
    assert_eq!(refused(plain), Ok(()));
}
