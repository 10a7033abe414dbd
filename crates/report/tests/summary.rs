//! What is said about a trace.

mod common;

use common::knowledge_0_json;
use tracewright_report::{EffectGrid, ReportError, RomeKind, Severed, TraceResult, summary};

fn knowledge_0() -> TraceResult {
    let case = knowledge_0_json();
    let kinds = [RomeKind::Hidden, RomeKind::Mlp, RomeKind::Attn];
    let grids = case["grids"].as_array().expect("a list").iter().zip(kinds).map(|(grid, kind)| {
        EffectGrid {
            kind,
            window: if kind == RomeKind::Hidden { 1 } else { 10 },
            values: serde_json::from_value(grid["values"].clone()).expect("values"),
            std: None,
            samples: 10,
        }
    });
    TraceResult {
        answer: " Antarctica".to_owned(),
        expected: Some("Antarctica".to_owned()),
        correct_prediction: true,
        high_score: case["high_score"].as_f64().expect("a number"),
        low_score: case["low_score"].as_f64().expect("a number"),
        tokens: serde_json::from_value(case["tokens"].clone()).expect("tokens"),
        subject: 0..6,
        grids: grids.collect(),
        severed: Vec::new(),
    }
}

/// Four tokens of which two are the subject, three layers, and one strong cell for each kind.
fn small(hidden: usize, mlp: usize, attn: usize) -> TraceResult {
    let grid = |kind, window, cell: usize| {
        let mut values = vec![0.1; 12];
        values[cell] = 0.7;
        EffectGrid { kind, window, values, std: Some(vec![0.05; 12]), samples: 10 }
    };
    TraceResult {
        answer: " Paris".to_owned(),
        expected: None,
        correct_prediction: true,
        high_score: 0.9,
        low_score: 0.1,
        tokens: ["Eif", "fel", " is", " in"].map(str::to_owned).to_vec(),
        subject: 0..2,
        grids: vec![
            grid(RomeKind::Hidden, 1, hidden),
            grid(RomeKind::Mlp, 3, mlp),
            grid(RomeKind::Attn, 1, attn),
        ],
        severed: Vec::new(),
    }
}

/// The summary with a line for each sentence.
fn told(trace: &TraceResult) -> String {
    summary(trace)
        .expect("a summary")
        .replace(". ", ".\n")
        .replace("s.d.\n", "s.d. ")
        .replace("; ", ";\n  ")
}

#[test]
fn a_real_case_is_told_with_its_strongest_cells() {
    insta::assert_snapshot!(told(&knowledge_0()), @r"
    The model gives “Antarctica” a probability of 98.8%;
      with the subject “Vinson Massif” corrupted it falls to 32.1%, which is a total effect of 66.7 points.
    Of the subject's hidden states, the one after layer 0 at a middle subject token (“son”) restores most: +27.3 points;
      at the last token those from layer 9 on restore at least half of the effect.
    Of the MLPs, layers 0–5 (the window of 10 around layer 1) restore most at a middle subject token (“son”): +28.4 points;
      of attention, layers 2–11 (the window of 10 around layer 7) restore most at the last token (“of”): +66.6 points.
    ");
}

#[test]
fn an_early_and_a_late_site_are_named_where_the_numbers_say_so() {
    insta::assert_snapshot!(told(&small(4, 3, 11)), @r"
    The model gives “Paris” a probability of 90.0%;
      with the subject “Eiffel” corrupted it falls to 10.0%, which is a total effect of 80.0 points.
    Of the subject's hidden states, the one after layer 1 at the last subject token (“fel”) restores most: +60.0 points (s.d. 5.0, n = 10);
      at the last token none of the late ones restores at least half of the effect.
    Of the MLPs, layers 0–1 (the window of 3 around layer 0) restore most at the last subject token (“fel”): +60.0 points (s.d. 5.0, n = 10);
      of attention, layer 2 restores most at the last token (“in”): +60.0 points (s.d. 5.0, n = 10);
      so there is an early site of the MLPs at the subject's end and a late site of attention at the prompt's end.
    ");
}

#[test]
fn the_layers_of_a_window_are_those_that_the_model_has() {
    let with = |window: usize, layer: usize| {
        let mut trace = small(4, 3 + layer, 11);
        trace.grids[1].window = window;
        let told = told(&trace);
        let sentence = told.lines().find(|line| line.starts_with("Of the MLPs, "));
        sentence.and_then(|line| line.split(" most").next()).unwrap_or_default().to_owned()
    };
    assert_eq!(with(1, 0), "Of the MLPs, layer 0 restores");
    assert_eq!(with(2, 0), "Of the MLPs, layer 0 (the window of 2 around it) restores");
    assert_eq!(with(2, 1), "Of the MLPs, layers 0–1 (the window of 2 around layer 1) restore");
    assert_eq!(with(9, 2), "Of the MLPs, layers 0–2 (the window of 9 around layer 2) restore");
}

#[test]
fn peaks_elsewhere_are_told_without_naming_sites() {
    insta::assert_snapshot!(told(&small(4, 11, 10)), @r"
    The model gives “Paris” a probability of 90.0%;
      with the subject “Eiffel” corrupted it falls to 10.0%, which is a total effect of 80.0 points.
    Of the subject's hidden states, the one after layer 1 at the last subject token (“fel”) restores most: +60.0 points (s.d. 5.0, n = 10);
      at the last token none of the late ones restores at least half of the effect.
    Of the MLPs, layers 1–2 (the window of 3 around layer 2) restore most at the last token (“in”): +60.0 points (s.d. 5.0, n = 10);
      of attention, layer 1 restores most at the last token (“in”): +60.0 points (s.d. 5.0, n = 10).
    ");
    insta::assert_snapshot!(told(&small(11, 7, 3)), @r"
    The model gives “Paris” a probability of 90.0%;
      with the subject “Eiffel” corrupted it falls to 10.0%, which is a total effect of 80.0 points.
    Of the subject's hidden states none restores 5% of the effect;
      at the last token only the final layer's restores at least half of the effect.
    Of the MLPs, layers 0–2 (the window of 3 around layer 1) restore most at the first token after the subject (“is”): +60.0 points (s.d. 5.0, n = 10);
      of attention, layer 0 restores most at the last subject token (“fel”): +60.0 points (s.d. 5.0, n = 10).
    ");
}

#[test]
fn a_corruption_without_effect_is_told_as_such() {
    let trace = TraceResult { low_score: 0.88, ..small(4, 3, 11) };
    insta::assert_snapshot!(told(&trace), @r"
    Corrupting the subject “Eiffel” doesn't noticeably lower the probability of “Paris”: it is 90.0% clean and 88.0% corrupted.
    There is no loss that restoring a state could recover.
    ");
    let raised = TraceResult { low_score: 0.97, ..trace };
    insta::assert_snapshot!(told(&raised), @r"
    Corrupting the subject “Eiffel” raises the probability of “Paris”: it is 90.0% clean and 97.0% corrupted.
    There is no loss that restoring a state could recover.
    ");
}

#[test]
fn a_patch_that_recovers_nothing_is_told_as_such() {
    let mut trace = small(4, 3, 11);
    for grid in &mut trace.grids {
        grid.values.fill(0.11);
    }
    insta::assert_snapshot!(told(&trace), @"
    The model gives “Paris” a probability of 90.0%;
      with the subject “Eiffel” corrupted it falls to 10.0%, which is a total effect of 80.0 points.
    Of the subject's hidden states none restores 5% of the effect;
      at the last token none of the late ones restores at least half of the effect.
    Of the MLPs, no window of 3 layers restores 5% of the effect;
      of attention, no layer restores 5% of the effect.
    ");
}

#[test]
fn a_wrong_answer_is_told_instead_of_effects() {
    let wrong = TraceResult {
        answer: " London".to_owned(),
        expected: Some("Paris".to_owned()),
        correct_prediction: false,
        high_score: f64::NAN,
        low_score: f64::NAN,
        tokens: Vec::new(),
        subject: 0..0,
        grids: Vec::new(),
        severed: Vec::new(),
    };
    insta::assert_snapshot!(told(&wrong), @"The model answers “London”, not the expected “Paris”: there is no right answer whose causes could be traced, so this case wasn't.");
    let unknown = TraceResult { answer: String::new(), expected: None, ..wrong };
    insta::assert_snapshot!(told(&unknown), @"The model doesn't give the expected answer: there is no right answer whose causes could be traced, so this case wasn't.");
}

#[test]
fn a_subject_at_the_end_of_the_prompt_has_no_trivial_peak() {
    let trace = TraceResult { subject: 3..4, ..small(11, 3, 11) };
    insta::assert_snapshot!(told(&trace), @r"
    The model gives “Paris” a probability of 90.0%;
      with the subject “in” corrupted it falls to 10.0%, which is a total effect of 80.0 points.
    Of the hidden states at the last token only the final layer's restores at least half of the effect.
    Of the MLPs, layers 0–1 (the window of 3 around layer 0) restore most at a token before the subject (“fel”): +60.0 points (s.d. 5.0, n = 10);
      of attention, layer 2 restores most at the last subject token (“in”): +60.0 points (s.d. 5.0, n = 10).
    ");
}

#[test]
fn grids_and_subjects_that_do_not_fit_the_prompt_are_refused() {
    let mut trace = small(4, 3, 11);
    trace.grids[1].values.pop();
    assert!(matches!(summary(&trace), Err(ReportError::WrongSize { .. })));
    let outside = TraceResult { subject: 2..9, ..small(4, 3, 11) };
    assert!(matches!(summary(&outside), Err(ReportError::Subject { .. })));
}

#[test]
fn severed_traces_are_told_beside_the_ordinary_one() {
    let severed = vec![
        Severed { module: RomeKind::Mlp, values: vec![0.1, 0.12, 0.11] },
        Severed { module: RomeKind::Attn, values: vec![0.5, f64::NAN, 0.4] },
    ];
    let told = summary(&TraceResult { severed, ..small(4, 3, 11) }).expect("a summary");
    let last = told.rsplit_once(". ").map(|(_, last)| last.to_owned()).unwrap_or_default();
    insta::assert_snapshot!(last, @"At the last subject token (“fel”) the best hidden state restores, in points: +60.0 as it is, +2.0 with its MLPs severed, +40.0 with its attention severed.");
}
