//! What the reference executor does with runs, sources and states, on a small random model.

use std::ops::ControlFlow::{Break, Continue};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use tracewright_engine::{EngineError, Execution, Outcome, reference};
use tracewright_ir::{
    Array, Component, Intervention, Locus, Measure, Metric, Operation, Reading, Request, Run,
    RunId, Site, Source, State, Value,
};
use tracewright_models::{Checkpoint, DeviceName, Model};

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tiny/gpt2-inverse");
    let checkpoint = Checkpoint::open(Path::new(folder)).expect("the fixture opens");
    checkpoint.load(DeviceName::Cpu).expect("the fixture loads")
});

const CLEAN: [u32; 6] = [3, 14, 15, 92, 65, 35];
const OTHER: [u32; 6] = [8, 14, 7, 92, 11, 35];
const ANSWER: u32 = 41;

fn execute(request: &Request) -> Result<Outcome, EngineError> {
    reference::execute(&MODEL.decoder, request, &Execution::default(), &mut |_, _| Continue(()))
}

fn site(component: Component, layer: usize) -> Locus {
    Locus::at(Site::in_layer(component, layer))
}

/// A clean and another run, with the logit of one token measured on every run.
fn request(more: impl FnOnce(&mut Request, RunId, RunId)) -> Request {
    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &CLEAN));
    let other = request.push(Run::of_tokens("other", &OTHER));
    more(&mut request, clean, other);
    request.measures.push(Measure::at_last(Metric::Logit { answer: ANSWER }));
    request.measured = (0..request.runs.len()).map(RunId).collect();
    request
}

/// The measured logit of each run.
fn logits(request: &Request) -> Vec<f64> {
    execute(request).expect("the request is answered").values[0].clone()
}

fn read(run: RunId, locus: Locus, state: State) -> Reading {
    Reading { run, locus, state }
}

#[test]
fn a_run_patched_with_its_own_values_changes_nothing() {
    for component in [Component::ResidPost, Component::Z, Component::Pattern, Component::MlpPost] {
        let patched = logits(&request(|request, clean, _| {
            request.push(Run::variant(
                "same",
                clean,
                [Intervention::copy(site(component, 1), clean)],
            ));
        }));
        assert_eq!(patched[0].to_bits(), patched[2].to_bits(), "{component}");
    }
}

#[test]
fn the_whole_residual_stream_of_a_layer_carries_the_source_run() {
    for layer in 0..3 {
        let values = logits(&request(|request, clean, other| {
            let copy = Intervention::copy(site(Component::ResidPost, layer), clean);
            request.push(Run::variant("patched", other, [copy]));
        }));
        assert_eq!(values[0].to_bits(), values[2].to_bits(), "layer {layer}");
        assert_ne!(values[1], values[2]);
    }
}

#[test]
fn a_variant_of_a_variant_has_the_interventions_of_both() {
    let zero = |layer| Intervention::zero(site(Component::MlpOut, layer));
    let values = logits(&request(|request, clean, _| {
        let one = request.push(Run::variant("one", clean, [zero(0)]));
        request.push(Run::variant("both", one, [zero(1)]));
        request.push(Run::variant("at once", clean, [zero(0), zero(1)]));
    }));
    assert_eq!(values[3], values[4]);
    assert_ne!(values[2], values[3]);
}

#[test]
fn a_source_is_read_as_left_or_as_computed() {
    let at = || site(Component::AttnOut, 1).positions([2]);
    let scale = Intervention { locus: at(), operation: Operation::Scale(3.0) };
    let mut request = request(|request, clean, other| {
        let scaled = request.push(Run::variant("scaled", clean, [scale]));
        for state in [State::Left, State::Computed] {
            let source = Source { run: scaled, locus: None, state };
            let operation = Operation::Replace(Value::Source(source));
            request.push(Run::variant("reader", other, [Intervention { locus: at(), operation }]));
        }
    });
    let (clean, scaled) = (RunId(0), RunId(2));
    let states = [(clean, State::Left), (scaled, State::Left), (scaled, State::Computed)];
    request.readings = states.map(|(run, state)| read(run, at(), state)).to_vec();
    request.readings.extend([3, 4].map(|run| read(RunId(run), at(), State::Left)));
    let outcome = execute(&request).expect("the request is answered");
    let [clean, left, computed, reads_left, reads_computed] = &outcome.readings[..] else {
        panic!("five readings were asked for");
    };
    assert_eq!(clean, computed);
    assert!(left.data.iter().zip(&clean.data).all(|(l, c)| (l - 3.0 * c).abs() <= 1e-6 * l.abs()));
    assert_eq!((reads_left, reads_computed), (left, computed));
}

#[test]
fn sources_of_other_layers_and_positions_are_read_whether_above_or_below() {
    let above = Some(site(Component::ResidPost, 2).positions([1]));
    let below = Some(site(Component::ResidPost, 0).positions([4]));
    for from in [above, below] {
        let at = site(Component::ResidPost, 1).positions([3]);
        let source = Source { run: RunId(0), locus: from.clone(), state: State::Left };
        let operation = Operation::Replace(Value::Source(source));
        let mut request = request(|request, _, other| {
            let locus = at.clone();
            request.push(Run::variant("reader", other, [Intervention { locus, operation }]));
        });
        let from = from.expect("both are given");
        request.readings = vec![read(RunId(0), from, State::Left), read(RunId(2), at, State::Left)];
        let outcome = execute(&request).expect("the request is answered");
        assert_eq!(outcome.readings[0], outcome.readings[1]);
    }
}

#[test]
fn interventions_at_one_place_act_in_their_order() {
    let at = || site(Component::MlpOut, 0).positions([5]);
    let ones = Arc::new(Array { shape: vec![1, 24], data: vec![1.0; 24] });
    let add = Intervention { locus: at(), operation: Operation::Add(Value::Array(ones)) };
    let double = Intervention { locus: at(), operation: Operation::Scale(2.0) };
    let zero = || Intervention::zero(at());
    let orders = [vec![zero(), add.clone(), double.clone()], vec![zero(), double, add]];
    for (order, expected) in orders.into_iter().zip([2.0, 1.0]) {
        let mut request = request(|request, clean, _| {
            request.push(Run::variant("changed", clean, order));
        });
        request.readings = vec![read(RunId(2), at(), State::Left)];
        let outcome = execute(&request).expect("the request is answered");
        assert_eq!(outcome.readings[0].data, [expected; 24]);
    }
}

#[test]
fn a_mean_is_taken_over_its_sources() {
    let at = || site(Component::Z, 2).heads([1]).positions([0, 3]);
    let mean = Value::Mean(vec![Source::of(RunId(0)), Source::of(RunId(1))]);
    let replace = Intervention { locus: at(), operation: Operation::Replace(mean) };
    let mut request = request(|request, clean, _| {
        request.push(Run::variant("mean", clean, [replace]));
    });
    request.readings = (0..3).map(|run| read(RunId(run), at(), State::Left)).collect();
    let outcome = execute(&request).expect("the request is answered");
    let [clean, other, mean] = &outcome.readings[..] else { panic!("three readings") };
    assert_eq!(mean.shape, [2, 1, 8]);
    for ((clean, other), mean) in clean.data.iter().zip(&other.data).zip(&mean.data) {
        assert!(((clean + other) / 2.0 - mean).abs() <= 1e-6);
    }
}

#[test]
fn a_position_never_sees_later_ones_whatever_is_written_there() {
    for component in [Component::Scores, Component::Pattern] {
        let constant = Operation::Replace(Value::Constant(0.25));
        let change = Intervention { locus: site(component, 1), operation: constant };
        let mut request = Request::default();
        let short = request.push(Run::of_tokens("short", &CLEAN[..3]));
        let long = request.push(Run::of_tokens("long", &CLEAN));
        let first = || site(Component::ResidPost, 2).positions([0, 1, 2]);
        for base in [short, long] {
            let run = request.push(Run::variant("changed", base, [change.clone()]));
            request.readings.push(read(run, first(), State::Left));
        }
        let outcome = execute(&request).expect("the request is answered");
        let (short, long) = (&outcome.readings[0].data, &outcome.readings[1].data);
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * a.abs().max(1.0);
        assert!(short.iter().zip(long).all(close), "{component}");
    }
}

#[test]
fn the_clean_run_may_itself_read_a_measured_run() {
    let request = request(|request, clean, other| {
        let copy = Intervention::copy(site(Component::ResidMid, 0), other);
        let mixed = request.push(Run::variant("mixed", clean, [copy]));
        request.measures.push(Measure::at_last(Metric::Kl { clean: mixed }));
    });
    let outcome = execute(&request).expect("the request is answered");
    let kl = &outcome.values[0];
    assert!(kl[2].abs() < 1e-6 && kl[0] > 1e-3, "{kl:?}");
}

#[test]
fn every_measure_is_read_at_its_own_position() {
    let mut two = request(|_, _, _| {});
    let metric = Metric::Logit { answer: ANSWER };
    two.measures.push(Measure { metric, position: Some(2) });
    let logits = Locus::at(Site::outside(Component::Logits)).positions([2]);
    two.readings = vec![read(RunId(0), logits, State::Left)];
    let outcome = execute(&two).expect("the request is answered");
    let row = &outcome.readings[0];
    assert_eq!(row.data[ANSWER as usize], outcome.values[1][0]);
    assert_ne!(outcome.values[0][0], outcome.values[1][0]);
}

#[test]
fn a_measure_reads_no_position_of_a_run_that_is_too_short_for_it() {
    let mut request = Request::default();
    let short = request.push(Run::of_tokens("short", &CLEAN[..3]));
    let long = request.push(Run::of_tokens("long", &OTHER));
    let source = Source {
        run: short,
        locus: Some(site(Component::ResidPost, 1).positions([2])),
        state: State::Left,
    };
    let locus = site(Component::ResidPost, 1).positions([4]);
    let operation = Operation::Replace(Value::Source(source));
    let patched = Run::variant("patched", long, [Intervention { locus, operation }]);
    let patched = request.push(patched);
    request.measures =
        vec![Measure { metric: Metric::Logit { answer: ANSWER }, position: Some(5) }];
    request.measured = vec![long, patched];
    let outcome = execute(&request).expect("the request is answered");
    assert_ne!(outcome.values[0][0], outcome.values[0][1]);
    request.measured.push(short);
    assert!(execute(&request).is_err(), "the short run has no position 5");
}

#[test]
fn a_reading_that_overflows_is_an_error_but_masked_scores_are_not() {
    let mut request = request(|_, _, _| {});
    request.readings = vec![read(RunId(0), site(Component::Scores, 0), State::Left)];
    let outcome = execute(&request).expect("masked scores are read");
    assert_eq!(outcome.readings[0].data[1], f64::NEG_INFINITY);
    let huge = Operation::Scale(f64::from(f32::MAX));
    let locus = site(Component::ResidPost, 1);
    let huge = Run::variant("huge", RunId(0), [Intervention { locus, operation: huge }]);
    let huge = request.push(huge);
    request.measured.clear();
    request.readings = vec![read(huge, site(Component::ResidPost, 2), State::Left)];
    let message = execute(&request).map_err(|error| error.to_string()).err().unwrap_or_default();
    assert!(message.starts_with("'resid_post' of run 'huge' is"), "{message}");
}

#[test]
fn a_request_that_does_not_fit_and_a_stop_are_errors() {
    let wrong = request(|request, clean, _| {
        request.push(Run::variant("wrong", clean, [Intervention::zero(site(Component::Z, 3))]));
    });
    let message = execute(&wrong).map_err(|error| error.to_string()).err();
    let expected = "in run 'wrong': 'z@3' doesn't exist: the model has layers 0 to 2";
    assert_eq!(message.as_deref(), Some(expected));
    let request = request(|_, _, _| {});
    let stopped =
        reference::execute(&MODEL.decoder, &request, &Execution::default(), &mut |_, _| Break(()));
    assert!(matches!(stopped, Err(EngineError::Stopped)));
}

#[test]
fn numbers_that_overflow_are_errors_and_name_their_run() {
    let huge = Operation::Scale(f64::from(f32::MAX));
    let request = request(|request, clean, _| {
        let locus = site(Component::ResidPost, 2);
        request.push(Run::variant("huge", clean, [Intervention { locus, operation: huge }]));
    });
    let message = execute(&request).map_err(|error| error.to_string()).err().unwrap_or_default();
    assert!(message.starts_with("'logit' of run 'huge' is"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_patch_changes_only_its_forward_cone(
        component in prop::sample::select(vec![
            Component::ResidPost, Component::AttnOut, Component::MlpOut, Component::Q,
            Component::V, Component::Z, Component::MlpPost, Component::Ln2,
        ]),
        layer in 0usize..3,
        position in 0usize..6,
    ) {
        let mut request = request(|request, clean, other| {
            let locus = site(component, layer).positions([position]);
            request.push(Run::variant("patched", other, [Intervention::copy(locus, clean)]));
        });
        for run in [1, 2] {
            for (component, layer) in [(Component::ResidPre, layer), (Component::ResidPost, 2)] {
                let whole = site(component, layer);
                request.readings.push(read(RunId(run), whole, State::Computed));
            }
        }
        let outcome = execute(&request).expect("the request is answered");
        let [other_below, other_top, patched_below, patched_top] = &outcome.readings[..] else {
            panic!("four readings")
        };
        // Below the patch nothing changes, above it no earlier position.
        prop_assert_eq!(other_below, patched_below);
        let before = position * 24;
        if (component, layer) != (Component::ResidPost, 2) {
            prop_assert_eq!(&other_top.data[..before], &patched_top.data[..before]);
        }
    }
}
