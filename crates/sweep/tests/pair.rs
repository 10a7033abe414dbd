//! Patching between two prompts of the built-in model.

use tracewright_engine::{Execution, silent};
use tracewright_ir::{Component, Direction, Metric, Sweep};
use tracewright_models::{Checkpoint, DeviceName, Model};
use tracewright_results::{Part, Row};
use tracewright_sweep::{End, Pair, PairMetric, PairSettings, Pairs, Per, Positions, SweepError};

fn model() -> Model {
    let checkpoint = Checkpoint::built_in().expect("the built-in model");
    checkpoint.load(DeviceName::Cpu).expect("a model")
}

/// France and Poland: five tokens, of which the fourth differs.
fn capitals() -> Pair {
    Pair::built_in().swap_remove(0)
}

/// A pair under some settings.
fn fed<'a>(model: &'a Model, settings: &PairSettings, pair: Pair) -> Pairs<'a> {
    Pairs::new(model, settings.clone(), vec![pair]).expect("it can be patched")
}

fn sweep(model: &Model, settings: &PairSettings) -> Sweep {
    fed(model, settings, capitals()).sweep(0).expect("a sweep")
}

fn part(model: &Model, settings: &PairSettings) -> Part {
    let pairs = fed(model, settings, capitals());
    pairs.patch(0, &Execution::default(), &mut silent).expect("a part")
}

/// All positions together, under every metric.
fn together(sites: &[Component], direction: Direction) -> PairSettings {
    PairSettings {
        sites: sites.iter().map(|site| (*site).into()).collect(),
        per: vec![Per::Layer],
        positions: vec![Positions::All],
        metrics: PairMetric::ALL.to_vec(),
        direction,
        ..PairSettings::default()
    }
}

/// Every cell's first intervention and how many there are.
fn changes(sweep: &Sweep) -> Vec<String> {
    let change = |cell: &tracewright_ir::Cell| {
        let changes = sweep.request.interventions(cell.runs[0]);
        let base = sweep.request.base(cell.runs[0]).expect("a base");
        format!("{} {base}: {} of {}", cell.at.site, changes[0], changes.len())
    };
    sweep.cells.iter().map(change).collect()
}

#[test]
fn denoising_copies_clean_values_into_the_corrupted_run_cell_by_cell() {
    let model = model();
    let settings = PairSettings {
        sites: ["resid_post", "mlp_out"].map(Into::into).to_vec(),
        positions: vec![Positions::LAST, Positions::Subject],
        ..PairSettings::default()
    };
    let changes = changes(&sweep(&model, &settings));
    assert_eq!(changes.len(), 2 * 2 * 12);
    assert_eq!(changes[0], "resid_post #1: resid_post@0[position 3] ← #0 of 1");
    assert_eq!(changes[23], "resid_post #1: resid_post@11[position 4] ← #0 of 1");
    assert_eq!(changes[24], "mlp_out #1: mlp_out@0[position 3] ← #0 of 1");
}

#[test]
fn noising_goes_the_other_way_and_what_is_no_axis_is_patched_together() {
    let model = model();
    let settings = PairSettings {
        direction: Direction::Noise,
        per: vec![Per::Position],
        positions: vec![Positions::Range(End::FromStart(1), End::FromStart(2))],
        ..PairSettings::default()
    };
    let sweep = sweep(&model, &settings);
    assert_eq!(
        changes(&sweep),
        [
            "resid_post #0: resid_post@0[position 1] ← #1 of 12",
            "resid_post #0: resid_post@0[position 2] ← #1 of 12",
        ]
    );
    assert!(sweep.cells.iter().all(|cell| cell.at.layer.is_none()));
}

#[test]
fn the_whole_stream_of_one_layer_carries_the_other_runs_answer() {
    let model = model();
    let stream = [Component::ResidPre, Component::ResidPost];
    for (direction, expected) in [(Direction::Denoise, 1.0), (Direction::Noise, 0.0)] {
        let part = part(&model, &together(&stream, direction));
        assert_eq!(part.rows.len(), 11 * 2 * 12);
        // Both countries' capitals are among the five likeliest tokens of either run.
        for row in part.rows.iter().filter(|row| row.metric != "topk-acc") {
            let recovery = row.recovery.expect("the runs differ");
            // f32 sums in another order, of a difference of at least 0.6.
            assert!((recovery - expected).abs() < 1e-4, "{row:?}");
            assert!((row.effect.expect("they differ") - 1.0).abs() < 1e-4, "{row:?}");
        }
    }
}

#[test]
fn the_stream_before_a_layer_is_the_one_after_the_layer_below() {
    let model = model();
    let sites = ["resid_pre", "resid_post"].map(Into::into).to_vec();
    let rows = part(&model, &PairSettings { sites, ..PairSettings::default() }).rows;
    let (pre, post) = rows.split_at(60);
    let same = |(pre, post): (&Row, &Row)| {
        assert_eq!((pre.site.as_str(), post.site.as_str()), ("resid_pre", "resid_post"));
        assert_eq!((pre.layer, pre.value), (post.layer.map(|layer| layer + 1), post.value));
    };
    for position in 0..5 {
        let row = position * 12..position * 12 + 12;
        pre[row.clone()].iter().skip(1).zip(&post[row]).for_each(same);
    }
}

#[test]
fn rows_compare_a_cell_with_both_runs() {
    let rows = part(&model(), &PairSettings::default()).rows;
    let row = &rows[3 * 12 + 7];
    assert_eq!((row.layer, row.position, row.n), (Some(7), Some(3), 1));
    assert_eq!(
        (row.token.as_deref(), row.role.as_deref()),
        (Some(" France"), Some("last_subject"))
    );
    assert_eq!((&row.kind, row.std, row.metric.as_str()), (&None, None, "kl"));
    assert_eq!((row.clean, row.source, row.base), (Some(0.0), Some(0.0), row.corrupted));
    let (value, corrupted) = (row.value.expect("a value"), row.corrupted.expect("a value"));
    assert_eq!(row.recovery, Some((corrupted - value) / corrupted));
    assert!(row.recovery.is_some_and(|recovery| (0.3..0.5).contains(&recovery)), "{row:?}");
}

#[test]
fn a_record_holds_both_prompts_and_the_subjects_curve() {
    let record = part(&model(), &PairSettings::default()).cases[0].pair().expect("a pair");
    assert_eq!((record.answer.text.as_str(), record.answer.given), (" Paris", false));
    assert_eq!(record.distractor, record.corrupted.prediction);
    assert_eq!((record.subject_range, record.subject_given), (3..4, false));
    let [curve] = &record.subject_curves[..] else { panic!("one site, one metric") };
    assert_eq!((curve.position, curve.recovery.len()), (Some(3), 12));
    assert_eq!(curve.recovery, record.grids[0].recovery[3]);
}

#[test]
fn a_subject_that_is_not_given_is_where_the_prompts_differ() {
    let model = model();
    let default = PairSettings::default();
    let pairs = fed(&model, &default, capitals());
    let fed_capitals = pairs.fed(0);
    assert_eq!(
        (fed_capitals.subject.clone(), fed_capitals.subject_text().as_str()),
        (3..4, "France")
    );
    // Each of these characters is several tokens.
    let [clean, corrupted] = ["In 東京 it is", "In 大阪 it is"].map(str::to_owned);
    let pair = Pair { clean, corrupted: vec![corrupted], ..Pair::default() };
    assert_eq!(fed(&model, &default, pair).fed(0).subject_text(), "東京");
}

#[test]
fn the_built_in_model_answers_both_prompts_of_each_built_in_pair() {
    let model = model();
    let answers = |pair: Pair| {
        let pairs = fed(&model, &PairSettings::default(), pair);
        let answers = pairs.fed(0).answers(&model, &Execution::default()).expect("answers");
        [pairs.fed(0).subject_text(), answers.clean.text, answers.corrupted.text]
    };
    let answers: Vec<[String; 3]> = Pair::built_in().into_iter().map(answers).collect();
    let expected = [["France", " Paris", " Warsaw"], ["Space Needle", " Seattle", " Istanbul"]];
    assert_eq!(answers, expected);
}

#[test]
fn a_logit_difference_of_a_token_to_itself_is_refused() {
    let model = model();
    let token = vec!["Paris".to_owned()];
    let pair = Pair { answer: token.clone(), distractor: token, ..capitals() };
    let patch = |metric| {
        let settings = PairSettings { metrics: vec![metric], ..PairSettings::default() };
        Pairs::new(&model, settings, vec![pair.clone()])
    };
    assert!(matches!(patch(PairMetric::LogitDiff), Err(SweepError::SameAnswers { .. })));
    assert!(patch(PairMetric::Prob).is_ok());
}

#[test]
fn metrics_read_the_answers_and_compare_with_the_clean_run() {
    let model = model();
    let settings = together(&[Component::ResidPost], Direction::Noise);
    let measures = sweep(&model, &settings).request.measures;
    let names: Vec<&str> = measures.iter().map(|measure| measure.metric.name()).collect();
    assert_eq!(names[..4], ["prob", "logit", "logit-diff", "kl"]);
    let Metric::Kl { clean } = measures[3].metric else { panic!("the last is kl") };
    assert_eq!(clean.0, 0);
}
