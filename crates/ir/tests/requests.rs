//! Requests: what is accepted, what is refused, and the arithmetic of metrics.

mod common;

use std::sync::Arc;

use common::{Tape, architectures, gpt2, llama, message};
use insta::assert_snapshot;
use proptest::prelude::*;
use tracewright_ir::{
    Architecture, Array, Component as C, Intervention, IrError, Locus, Measure, Metric, Operation,
    Origin, Reading, Request, Run, RunId, Site, Source, State, Value, effect, window,
};

/// A request that is right, made from a tape.
fn valid(architecture: &Architecture, tape: &mut Tape) -> Request {
    let mut request = Request::default();
    for n in 0..1 + tape.below(3) {
        let len = 1 + tape.below(architecture.context);
        let ids: Vec<u32> = (0..len).map(|_| tape.below(architecture.vocab) as u32).collect();
        request.push(Run::of_tokens(format!("run {n}"), &ids));
    }
    for n in 0..1 + tape.below(6) {
        let base = RunId(tape.below(request.runs.len()));
        let count = 1 + tape.below(3);
        let interventions: Vec<_> =
            (0..count).map(|_| intervention(architecture, &request, base, tape)).collect();
        request.push(Run::variant(format!("variant {n}"), base, interventions));
    }
    let runs = request.runs.len();
    request.measured = (0..tape.below(4)).map(|_| RunId(tape.below(runs))).collect();
    request.measures = (0..tape.below(4)).map(|_| measure(architecture, &request, tape)).collect();
    for _ in 0..tape.below(4) {
        let run = RunId(tape.below(runs));
        let locus = tape.locus(architecture, len(&request, run));
        request.readings.push(Reading { run, locus, state: state(tape) });
    }
    request
}

fn len(request: &Request, run: RunId) -> usize {
    request.tokens(run).expect("a run of the request").len()
}

fn state(tape: &mut Tape) -> State {
    if tape.below(2) == 1 { State::Computed } else { State::Left }
}

fn number(tape: &mut Tape) -> f64 {
    tape.below(2001) as f64 / 8.0 - 125.0
}

fn intervention(
    architecture: &Architecture,
    request: &Request,
    base: RunId,
    tape: &mut Tape,
) -> Intervention {
    let locus = tape.locus(architecture, len(request, base));
    let shape = locus.shape(architecture, len(request, base));
    let value = match tape.below(5) {
        0 => return Intervention { locus, operation: Operation::Scale(number(tape)) },
        1 => Value::Constant(number(tape)),
        2 => {
            let data = (0..shape.iter().product()).map(|_| number(tape)).collect();
            Value::Array(Arc::new(Array { shape, data }))
        }
        kind => {
            let wanted = 1 + tape.below(3);
            let sources: Vec<Source> = (0..wanted)
                .filter_map(|_| source(architecture, request, &locus, &shape, tape))
                .collect();
            match (kind, sources.as_slice()) {
                (_, []) => Value::Constant(number(tape)),
                (3, [first, ..]) => Value::Source(first.clone()),
                _ => Value::Mean(sources),
            }
        }
    };
    let operation =
        if tape.below(2) == 1 { Operation::Add(value) } else { Operation::Replace(value) };
    Intervention { locus, operation }
}

/// The same locus of an earlier run or another one of the same shape, if that run is long enough.
fn source(
    architecture: &Architecture,
    request: &Request,
    locus: &Locus,
    shape: &[usize],
    tape: &mut Tape,
) -> Option<Source> {
    let run = RunId(tape.below(request.runs.len()));
    let len = len(request, run);
    let same = locus.check(architecture, len).is_ok() && locus.shape(architecture, len) == shape;
    if same && tape.below(2) == 1 {
        return Some(Source { run, locus: None, state: state(tape) });
    }
    let axes = locus.site.component.axes();
    let mut moved = locus.clone();
    moved.site.layer = locus.site.layer.map(|_| tape.below(architecture.n_layers));
    for (axis, count) in axes.iter().zip(shape) {
        let whole = architecture.axis_len(*axis, len);
        if *count > whole {
            return None;
        }
        let indices = tape.some_of(*count, whole);
        moved = match axis.name() {
            "position" => moved.positions(indices),
            "src_position" => moved.src_positions(indices),
            "head" | "kv_head" => moved.heads(indices),
            "neuron" => moved.neurons(indices),
            _ => moved,
        };
    }
    Some(Source { run, locus: Some(moved), state: state(tape) })
}

fn measure(architecture: &Architecture, request: &Request, tape: &mut Tape) -> Measure {
    let clean = RunId(tape.below(request.runs.len()));
    let answer = tape.below(architecture.vocab) as u32;
    let metric = match tape.below(9) {
        0 => Metric::Prob { answer },
        1 => Metric::Logprob { answer },
        2 => Metric::Logit { answer },
        3 => Metric::LogitDiff { answers: vec![answer], distractors: vec![0, 1] },
        4 => Metric::Kl { clean },
        5 => Metric::Rank { answer },
        6 => Metric::L2 { clean },
        7 => Metric::Mse { clean },
        _ => Metric::Cosine { clean },
    };
    let read =
        request.measured.iter().chain([&clean]).map(|run| len(request, *run)).min().unwrap_or(1);
    let position = (tape.below(2) == 1).then(|| tape.below(read));
    Measure { metric, position }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_right_is_accepted(architecture in architectures(), decisions in Tape::any()) {
        let request = valid(&architecture, &mut Tape::new(decisions));
        prop_assert_eq!(request.check(&architecture), Ok(()));
    }

    #[test]
    fn a_request_survives_json(architecture in architectures(), decisions in Tape::any()) {
        let request = valid(&architecture, &mut Tape::new(decisions));
        let text = serde_json::to_string(&request).expect("plain data");
        prop_assert_eq!(serde_json::from_str::<Request>(&text).expect("what was written"), request);
    }

    #[test]
    fn interventions_list_those_of_the_base_first(
        architecture in architectures(), decisions in Tape::any(),
    ) {
        let request = valid(&architecture, &mut Tape::new(decisions));
        for (n, run) in request.runs.iter().enumerate() {
            let own: Vec<&Intervention> = run.interventions.iter().collect();
            let all = request.interventions(RunId(n));
            match run.origin {
                Origin::Tokens(_) => prop_assert_eq!(all, own),
                Origin::Base(base) => prop_assert_eq!(all, [request.interventions(base), own].concat()),
            }
        }
    }

    #[test]
    fn one_mistake_is_refused(architecture in architectures(), decisions in Tape::any()) {
        let right = valid(&architecture, &mut Tape::new(decisions));
        for (what, expected, damage) in mistakes() {
            let mut request = right.clone();
            damage(&mut request, &architecture);
            let error = request.check(&architecture).map_err(innermost);
            prop_assert!(error.as_ref().is_err_and(expected), "{}: {:?}", what, error);
        }
    }
}

fn innermost(error: IrError) -> IrError {
    match error {
        IrError::InRun { error, .. } => innermost(*error),
        other => other,
    }
}

type Mistake = (&'static str, fn(&IrError) -> bool, fn(&mut Request, &Architecture));

macro_rules! mistake {
    ($what:literal, $pattern:pat, $damage:expr) => {
        ($what, |error| matches!(error, $pattern), $damage)
    };
}

fn at(component: C) -> Locus {
    Locus::at(Site::in_layer(component, 0))
}

/// Appends a variant of the first run.
fn push(request: &mut Request, interventions: impl IntoIterator<Item = Intervention>) -> RunId {
    request.push(Run::variant("wrong", RunId(0), interventions))
}

fn replace(locus: Locus, value: Value) -> Intervention {
    Intervention { locus, operation: Operation::Replace(value) }
}

fn array(shape: &[usize], data: Vec<f64>) -> Value {
    Value::Array(Arc::new(Array { shape: shape.to_vec(), data }))
}

fn measured(request: &mut Request, metric: Metric, position: Option<usize>) {
    request.measured = vec![RunId(0)];
    request.measures = vec![Measure { metric, position }];
}

fn mistakes() -> Vec<Mistake> {
    let mut all = mistakes_in_runs();
    all.extend(mistakes_in_values());
    all.extend(mistakes_in_what_is_read());
    all
}

fn mistakes_in_runs() -> Vec<Mistake> {
    vec![
        mistake!("an empty prompt", IrError::EmptyPrompt, |r, _| r.runs[0] =
            Run::of_tokens("a", &[])),
        mistake!("a prompt past the context", IrError::PromptTooLong { .. }, |r, a| {
            r.push(Run::of_tokens("a", &vec![0; a.context + 1]));
        }),
        mistake!("an unknown token", IrError::UnknownToken { .. }, |r, a| {
            r.push(Run::of_tokens("a", &[a.vocab as u32]));
        }),
        mistake!("a run that is its own base", IrError::LaterRun { .. }, |r, _| {
            r.push(Run::variant("a", RunId(r.runs.len()), []));
        }),
        mistake!("a base that isn't there", IrError::LaterRun { .. }, |r, _| {
            r.push(Run::variant("a", RunId(r.runs.len() + 5), []));
        }),
        mistake!("two runs that are each other's base", IrError::LaterRun { .. }, |r, _| {
            let first = r.push(Run::variant("a", RunId(r.runs.len() + 1), []));
            r.push(Run::variant("b", first, []));
        }),
        mistake!("a later source", IrError::LaterRun { .. }, |r, _| {
            let later = RunId(r.runs.len() + 1);
            push(r, [Intervention::copy(at(C::MlpOut), later)]);
            push(r, []);
        }),
        mistake!("a run that is its own source", IrError::LaterRun { .. }, |r, _| {
            let itself = RunId(r.runs.len());
            push(r, [Intervention::copy(at(C::MlpOut), itself)]);
        }),
        mistake!("a later source in a mean", IrError::LaterRun { .. }, |r, _| {
            let sources = vec![Source::of(RunId(0)), Source::of(RunId(r.runs.len()))];
            push(r, [replace(at(C::MlpOut), Value::Mean(sources))]);
        }),
        mistake!("a position past the end", IrError::IndexOutOfRange { .. }, |r, _| {
            let past = len(r, RunId(0));
            push(r, [Intervention::zero(at(C::MlpOut).positions([past]))]);
        }),
        mistake!("a layer past the last one", IrError::LayerOutOfRange { .. }, |r, a| {
            push(r, [Intervention::zero(Locus::at(Site::in_layer(C::Z, a.n_layers)))]);
        }),
        mistake!("a head of a stream", IrError::NoSuchAxis { .. }, |r, _| {
            push(r, [Intervention::zero(at(C::MlpOut).heads([0]))]);
        }),
    ]
}

fn mistakes_in_values() -> Vec<Mistake> {
    vec![
        mistake!("an array of another shape", IrError::WrongShape { .. }, |r, a| {
            let value = array(&[1, a.d_model + 1], vec![0.0; a.d_model + 1]);
            push(r, [replace(at(C::MlpOut).positions([0]), value)]);
        }),
        mistake!("an array whose shape overflows", IrError::WrongShape { .. }, |r, _| {
            push(r, [replace(at(C::MlpOut), array(&[usize::MAX, usize::MAX], vec![]))]);
        }),
        mistake!("an array with too few numbers", IrError::WrongCount { .. }, |r, a| {
            push(r, [replace(at(C::MlpOut).positions([0]), array(&[1, a.d_model], vec![0.0]))]);
        }),
        mistake!("NaN in an array", IrError::NotFinite { .. }, |r, a| {
            let value = array(&[1, a.d_model], vec![f64::NAN; a.d_model]);
            push(
                r,
                [Intervention {
                    locus: at(C::MlpOut).positions([0]),
                    operation: Operation::Add(value),
                }],
            );
        }),
        mistake!("a constant that isn't a number", IrError::NotFinite { .. }, |r, _| {
            push(r, [replace(at(C::MlpOut), Value::Constant(f64::NAN))]);
        }),
        mistake!("a constant that f32 can't hold", IrError::NotFinite { .. }, |r, _| {
            push(r, [replace(at(C::MlpOut), Value::Constant(1e39))]);
        }),
        mistake!("an infinite factor", IrError::NotFinite { .. }, |r, _| {
            push(r, [Intervention { locus: at(C::Z), operation: Operation::Scale(f64::INFINITY) }]);
        }),
        mistake!("a mean over nothing", IrError::EmptyMean { .. }, |r, _| {
            push(r, [replace(at(C::MlpOut), Value::Mean(vec![]))]);
        }),
        mistake!("scores of a prompt of another length", IrError::WrongShape { .. }, |r, _| {
            let short = r.push(Run::of_tokens("short", &[1, 2]));
            let long = r.push(Run::of_tokens("long", &[1, 2, 3]));
            r.push(Run::variant("wrong", long, [Intervention::copy(at(C::Scores), short)]));
        }),
        mistake!("a shorter run in a mean", IrError::WrongShape { .. }, |r, _| {
            let short = r.push(Run::of_tokens("short", &[1, 2]));
            let long = r.push(Run::of_tokens("long", &[1, 2, 3]));
            let sources = vec![Source::of(long), Source::of(short)];
            r.push(Run::variant("wrong", long, [replace(at(C::MlpOut), Value::Mean(sources))]));
        }),
        mistake!("a source's position past its end", IrError::IndexOutOfRange { .. }, |r, _| {
            let short = r.push(Run::of_tokens("short", &[1, 2]));
            let long = r.push(Run::of_tokens("long", &[1, 2, 3]));
            let last = at(C::MlpOut).positions([2]);
            r.push(Run::variant("wrong", long, [Intervention::copy(last, short)]));
        }),
        mistake!("scores for z, of accidentally equal shape", IrError::WrongAxes { .. }, |r, a| {
            let ids: Vec<u32> = vec![0; a.d_head];
            let run = r.push(Run::of_tokens("as long as a head is wide", &ids));
            let source =
                Source { run, locus: Some(at(C::Scores).positions([0])), state: State::Left };
            let z = Locus::at(Site::in_layer(C::Z, 0)).heads([0]).positions([0]);
            let scores = source.locus.clone().map(|scores| scores.heads([0]));
            let value = Value::Source(Source { locus: scores, ..source });
            r.push(Run::variant("wrong", run, [replace(z, value)]));
        }),
    ]
}

fn mistakes_in_what_is_read() -> Vec<Mistake> {
    vec![
        mistake!("a metric past the end", IrError::MeasureOutOfRange { .. }, |r, _| {
            let past = len(r, RunId(0));
            measured(r, Metric::Prob { answer: 0 }, Some(past));
        }),
        mistake!("a metric past the clean run's end", IrError::MeasureOutOfRange { .. }, |r, _| {
            let clean = r.push(Run::of_tokens("short", &[1]));
            let long = r.push(Run::of_tokens("long", &[1, 2, 3]));
            measured(r, Metric::Kl { clean }, Some(2));
            r.measured = vec![long];
        }),
        mistake!("a metric of an unknown token", IrError::UnknownToken { .. }, |r, a| {
            let distractors = vec![0, a.vocab as u32];
            measured(r, Metric::LogitDiff { answers: vec![0], distractors }, None);
        }),
        mistake!("a difference without distractors", IrError::EmptyLogitDiff, |r, _| {
            measured(r, Metric::LogitDiff { answers: vec![0], distractors: vec![] }, None);
        }),
        mistake!("an unknown clean run", IrError::NoSuchRun { .. }, |r, _| {
            let clean = RunId(r.runs.len());
            measured(r, Metric::L2 { clean }, None);
        }),
        mistake!("an unknown measured run", IrError::NoSuchRun { .. }, |r, _| {
            r.measured = vec![RunId(r.runs.len())];
        }),
        mistake!("a reading of an unknown run", IrError::NoSuchRun { .. }, |r, _| {
            let run = RunId(r.runs.len());
            r.readings.push(Reading { run, locus: at(C::Z), state: State::Left });
        }),
        mistake!("a reading past the end", IrError::IndexOutOfRange { .. }, |r, _| {
            let past = len(r, RunId(0));
            let locus = at(C::Z).positions([past]);
            r.readings.push(Reading { run: RunId(0), locus, state: State::Left });
        }),
    ]
}

/// Clean and corrupted, five and four tokens.
fn pair() -> Request {
    let mut request = Request::default();
    request.push(Run::of_tokens("clean", &[1, 2, 3, 4, 5]));
    request.push(Run::of_tokens("corrupted", &[1, 2, 3, 4]));
    request
}

fn message_of(architecture: &Architecture, damage: impl FnOnce(&mut Request)) -> String {
    let mut request = pair();
    damage(&mut request);
    message(request.check(architecture))
}

#[test]
fn messages_name_the_run() {
    let wrong = |damage: fn(&mut Request)| message_of(&gpt2(), damage);
    assert_snapshot!(wrong(|r| r.runs[0] = Run::of_tokens("clean", &[])), @"in run 'clean': the prompt is empty: give at least one token");
    assert_snapshot!(wrong(|r| r.runs[0] = Run::of_tokens("clean", &[1; 9])), @"in run 'clean': the prompt has 9 tokens, but the model's context is 8: shorten the prompt");
    assert_snapshot!(wrong(|r| r.runs[1] = Run::of_tokens("corrupted", &[50])), @"in run 'corrupted': there is no token 50: the model's vocabulary has 50 (0 to 49)");
    assert_snapshot!(wrong(|r| r.runs[0] = Run::variant("clean", RunId(1), [])), @"in run 'clean': run #0 needs run #1, which doesn't come before it: bases and sources come first");
    assert_snapshot!(wrong(|r| { push(r, [Intervention::copy(at(C::Z), RunId(3))]); }), @"in run 'wrong': run #2 needs run #3, which doesn't come before it: bases and sources come first");
    assert_snapshot!(wrong(|r| { push(r, [Intervention::zero(at(C::Z).positions([5]))]); }), @"in run 'wrong': position 5 of 'z@0' doesn't exist: the axis has 5 (0 to 4)");
}

#[test]
fn messages_name_the_site_of_a_value() {
    let wrong = |value: Value| {
        message_of(&gpt2(), |r| {
            push(r, [replace(at(C::MlpOut), value)]);
        })
    };
    let of = |run, component: C| Source {
        run: RunId(run),
        locus: Some(at(component)),
        state: State::Left,
    };
    assert_snapshot!(wrong(array(&[1, 12], vec![0.0; 12])), @"in run 'wrong': a value of shape [1, 12] at 'mlp_out@0' doesn't fit a place of shape [5, 12]");
    assert_snapshot!(wrong(array(&[5, 12], vec![0.0; 12])), @"in run 'wrong': the array at 'mlp_out@0' has 12 numbers, but its shape [5, 12] has places for 60");
    assert_snapshot!(wrong(array(&[5, 12], vec![f64::NEG_INFINITY; 60])), @"in run 'wrong': the number -inf at 'mlp_out@0' isn't finite in f32");
    assert_snapshot!(wrong(Value::Constant(1e300)), @"in run 'wrong': the number 1e300 at 'mlp_out@0' isn't finite in f32");
    assert_snapshot!(wrong(Value::Mean(vec![])), @"in run 'wrong': the mean at 'mlp_out@0' is over no runs: name at least one");
    assert_snapshot!(wrong(Value::Source(Source::of(RunId(1)))), @"in run 'wrong': a value of shape [4, 12] at 'mlp_out@0' doesn't fit a place of shape [5, 12]");
    assert_snapshot!(wrong(Value::Source(of(0, C::Z))), @"in run 'wrong': a value of 'z@0' (position, head, d_head) doesn't fit 'mlp_out@0' (position, d_model): the axes differ");
    assert_snapshot!(wrong(Value::Source(of(0, C::RotQ))), @"in run 'wrong': a gpt2 model has no site 'rot_q@0': it has no rotary positions");
}

#[test]
fn messages_name_what_a_metric_reads() {
    let wrong = |metric, position| message_of(&gpt2(), |r| measured(r, metric, position));
    assert_snapshot!(wrong(Metric::Prob { answer: 50 }, None), @"in run 'clean': there is no token 50: the model's vocabulary has 50 (0 to 49)");
    assert_snapshot!(wrong(Metric::Prob { answer: 4 }, Some(5)), @"in run 'clean': a metric reads position 5, but a run has 5 tokens (0 to 4)");
    assert_snapshot!(wrong(Metric::Kl { clean: RunId(1) }, Some(4)), @"in run 'clean': a metric reads position 4, but a run has 4 tokens (0 to 3)");
    assert_snapshot!(wrong(Metric::Kl { clean: RunId(2) }, None), @"in run 'clean': run #2 doesn't exist");
    assert_snapshot!(wrong(Metric::LogitDiff { answers: vec![], distractors: vec![1] }, None), @"in run 'clean': a logit difference needs at least one answer and one distractor");
    let reading = Reading { run: RunId(1), locus: at(C::Z).positions([4]), state: State::Left };
    assert_snapshot!(message_of(&gpt2(), |r| r.readings.push(reading)), @"in run 'corrupted': position 4 of 'z@0' doesn't exist: the axis has 4 (0 to 3)");
}

#[test]
fn a_query_head_may_read_a_key_value_head() {
    let mut request = pair();
    let v = Source { run: RunId(0), locus: Some(at(C::V).heads([1])), state: State::Left };
    push(&mut request, [replace(at(C::Z).heads([3]), Value::Source(v))]);
    assert_eq!(request.check(&llama()), Ok(()));
}

#[test]
fn tokens_of_a_broken_chain_are_an_error_and_not_a_loop() {
    let mut request = Request::default();
    request.push(Run::variant("a", RunId(1), []));
    request.push(Run::variant("b", RunId(0), []));
    assert_eq!(request.tokens(RunId(1)), Err(IrError::LaterRun { run: RunId(0), needs: RunId(1) }));
    assert_eq!(request.tokens(RunId(2)), Err(IrError::NoSuchRun { run: RunId(2) }));
    assert!(request.interventions(RunId(1)).is_empty());
}

#[test]
fn an_intervention_is_printed_as_what_it_does() {
    let z = || Locus::at(Site::in_layer(C::Z, 9)).heads([6]);
    assert_snapshot!(Intervention::copy(z(), RunId(2)), @"z@9[head 6] ← #2");
    assert_snapshot!(Intervention::zero(z()), @"z@9[head 6] ← 0");
    assert_snapshot!(Intervention { locus: z(), operation: Operation::Scale(0.5) }, @"z@9[head 6] ×= 0.5");
    let elsewhere = Source { run: RunId(1), locus: Some(at(C::Z)), state: State::Computed };
    let add = |value| Intervention { locus: z(), operation: Operation::Add(value) };
    assert_snapshot!(add(Value::Source(elsewhere.clone())), @"z@9[head 6] += #1.z@0 as computed");
    assert_snapshot!(add(Value::Mean(vec![elsewhere.clone(), elsewhere])), @"z@9[head 6] += mean of 2 runs");
    assert_snapshot!(add(array(&[2, 1, 3], vec![0.0; 6])), @"z@9[head 6] += array [2, 1, 3]");
}

proptest! {
    #[test]
    fn every_number_survives_json(number in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
        let text = serde_json::to_string(&Value::Constant(number)).expect("plain data");
        prop_assert_eq!(serde_json::from_str::<Value>(&text).expect("as written"), Value::Constant(number));
    }
}

#[test]
fn recovery_and_effect_have_no_value_where_nothing_can_be_recovered() {
    let prob = Metric::Prob { answer: 0 };
    assert_eq!(prob.recovery(0.5, 0.5, 0.5), None);
    assert_eq!(prob.recovery(0.7, 0.5, 0.5), None);
    assert_eq!(prob.recovery(f64::NAN, 0.9, 0.1), None);
    assert_eq!(prob.recovery(0.5, 0.9, 0.1), Some(0.5));
    assert_eq!(prob.recovery(0.9, 0.9, 0.1), Some(1.0));
    assert_eq!(effect(0.3, 0.3, 0.3), None);
    assert_eq!(effect(0.4, 0.3, 0.3), None);
    assert_eq!(effect(3.0, 1.0, 5.0), Some(0.5));
    for clean in [0, 1].map(RunId) {
        for distance in [
            Metric::Kl { clean },
            Metric::L2 { clean },
            Metric::Mse { clean },
            Metric::Cosine { clean },
        ] {
            assert!(distance.is_distance());
            assert_eq!(
                distance.recovery(0.5, 0.0, 2.0),
                Some(0.75),
                "1 - d / d of the corrupted run"
            );
            assert_eq!(distance.recovery(0.0, 0.0, 2.0), Some(1.0));
            assert_eq!(distance.recovery(4.0, 0.0, 2.0), Some(-1.0));
            assert_eq!(distance.recovery(0.0, 0.0, 0.0), None);
        }
    }
}

/// `range(max(0, l - w // 2), min(n, l - (-w // 2)))`, with Python's division, which rounds down.
fn rome(l: i64, w: i64, n: i64) -> Vec<i64> {
    let floor_half = |x: i64| x.div_euclid(2);
    ((l - floor_half(w)).max(0)..(l - floor_half(-w)).min(n)).collect()
}

#[test]
fn windows_are_those_of_romes_code() {
    for (l, w, n) in every_window(14) {
        let ours: Vec<i64> = window(l, w, n).map(|layer| layer as i64).collect();
        assert_eq!(ours, rome(l as i64, w as i64, n as i64), "layer {l}, width {w}, of {n}");
    }
    assert_eq!(window(3, usize::MAX, 12), 0..12);
}

/// All layers, widths and numbers of layers up to `top`.
fn every_window(top: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (1..top).flat_map(move |n| (0..n).flat_map(move |l| (0..2 * top).map(move |w| (l, w, n))))
}
