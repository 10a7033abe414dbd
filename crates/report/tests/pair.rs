//! Pairs: heatmaps, curves and sentences.

use std::collections::BTreeMap;

use tracewright_ir::{Direction, Tokens};
use tracewright_report::{ColorDepth, PairReport, ReportError, Style, draw_terminal};
use tracewright_results::{
    Baseline, GridAxis, PairGrid, PairPrompt, PairRecord, PairToken, SubjectCurve,
};

fn token(text: &str, id: u32) -> PairToken {
    PairToken { text: text.to_owned(), id, given: false }
}

fn prompt(texts: &[&str], says: PairToken) -> PairPrompt {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let ids = (0..texts.len() as u32).collect();
    let offsets = texts.iter().map(|_| 0..1).collect();
    let prompt = texts.concat();
    PairPrompt { prompt, tokens: Tokens { ids, texts, offsets }, prediction: says }
}

fn axis(axis: &str, len: usize) -> GridAxis {
    GridAxis { axis: axis.to_owned(), indices: (0..len).collect() }
}

fn grid(site: &str, recovery: &[&[f64]]) -> PairGrid {
    let rows = |row: &&[f64]| row.iter().map(|value| Some(*value)).collect();
    PairGrid {
        site: site.to_owned(),
        metric: "kl".to_owned(),
        at: BTreeMap::new(),
        rows: Some(axis("position", recovery.len())),
        columns: Some(axis("layer", recovery[0].len())),
        values: recovery.iter().map(rows).collect(),
        recovery: recovery.iter().map(rows).collect(),
        effect: Vec::new(),
    }
}

/// Three tokens and three layers, of which the second token differs.
fn record() -> PairRecord {
    let stream: [&[f64]; 3] = [&[0.0, 0.0, 0.0], &[1.0, 0.75, 0.25], &[0.0, 0.25, 1.0]];
    let module: [&[f64]; 3] = [&[0.0, 0.0, 0.0], &[0.5, -0.25, 0.0], &[0.0, 0.125, 1.5]];
    let (clean, corrupted) = (token(" Paris", 7), token(" Warsaw", 8));
    PairRecord {
        model: "facts-6m".to_owned(),
        clean: prompt(&["In", " France", " is"], clean.clone()),
        corrupted: prompt(&["In", " Poland", " is"], corrupted.clone()),
        direction: Direction::Denoise,
        subject_range: 1..2,
        subject_given: false,
        answer: clean,
        distractor: corrupted,
        per: vec!["layer".to_owned(), "position".to_owned()],
        positions: vec![0, 1, 2],
        receivers: Vec::new(),
        window: 1,
        freeze_mlp: false,
        by_group: false,
        corruption: None,
        samples: 1,
        align: None,
        change: "copy".to_owned(),
        base: None,
        source: None,
        others: [Vec::new(), Vec::new()],
        top: Vec::new(),
        baselines: vec![Baseline { metric: "kl".to_owned(), clean: 0.0, corrupted: 4.0 }],
        grids: vec![grid("resid_post", &stream), grid("mlp_out", &module)],
        subject_curves: vec![SubjectCurve {
            site: "resid_post".to_owned(),
            metric: "kl".to_owned(),
            position: Some(1),
            recovery: vec![Some(1.0), Some(0.75), Some(0.25)],
            best_layer: Some(0),
        }],
    }
}

/// The same with all positions patched together.
fn together(record: PairRecord) -> PairRecord {
    let first_row = |grid: &PairGrid| PairGrid {
        rows: None,
        values: vec![grid.values[1].clone()],
        recovery: vec![grid.recovery[1].clone()],
        ..grid.clone()
    };
    let grids: Vec<PairGrid> = record.grids.iter().map(first_row).collect();
    let curve = |grid: &PairGrid| SubjectCurve {
        site: grid.site.clone(),
        metric: grid.metric.clone(),
        position: None,
        recovery: grid.recovery[0].clone(),
        best_layer: Some(0),
    };
    let subject_curves = grids.iter().map(curve).collect();
    PairRecord { per: vec!["layer".to_owned()], grids, subject_curves, ..record }
}

fn report(record: PairRecord) -> PairReport {
    PairReport::new(record).expect("a report")
}

fn names(report: &PairReport) -> Vec<String> {
    report.figures(Style::Diverging).into_iter().map(|figure| figure.name).collect()
}

#[test]
fn a_heatmap_has_both_tokens_where_they_differ_and_zero_in_the_middle() {
    let maps = report(record()).heatmaps("kl", Style::Diverging);
    assert_eq!(maps.len(), 2);
    assert_eq!(maps[0].rows, ["In", " France → Poland*", " is"]);
    assert_eq!((maps[0].low, maps[0].high), (-1.0, 1.0));
    assert_eq!(maps[0].title, "Clean resid_post copied into the corrupted run");
    assert_eq!(maps[1].x_label, "patched layer; recovery of kl: -0.250 to 1.500");
}

#[test]
fn the_scale_of_a_faint_field_is_narrower() {
    let mut record = record();
    record.grids[0].recovery = vec![vec![Some(0.22); 3]; 3];
    let map = report(record).heatmaps("kl", Style::Diverging).swap_remove(0);
    assert!((map.high - 0.25).abs() < 1e-12 && map.low == -map.high, "{}", map.high);
}

#[test]
fn without_colours_negative_cells_have_shades_of_their_own() {
    let map = report(record()).heatmaps("kl", Style::Diverging).swap_remove(1);
    let text = draw_terminal(&map, 80, ColorDepth::None).expect("a heatmap");
    insta::assert_snapshot!(text.replace(' ', "_"), @r"
    Clean_mlp_out_copied_into_the_corrupted_run___
    _______________In_____________________________
    _France_→_Poland*_▒▒▒...______________________
    _______________is_______███___________________
    ___________________0__1__2____________________
    patched_layer;_recovery_of_kl:_-0.250_to_1.500
    recovery_-1.000_≡≡≡...░░░███_1.000____________
    ");
}

#[test]
fn figures_are_drawn_for_each_metric_alike_every_time() {
    let report = report(record());
    assert_eq!(names(&report), ["kl", "kl_curve"]);
    for figure in report.figures(Style::Diverging) {
        let png = figure.png().expect("a PNG");
        assert!(png.starts_with(b"\x89PNG"));
        assert_eq!(png, figure.png().expect("a PNG"));
        let svg = figure.svg().expect("an SVG");
        assert!(svg.contains("In France is / In Poland is → Paris / Warsaw"), "{svg}");
    }
    let curve = report.figures(Style::Diverging)[1].svg().expect("an SVG");
    assert!(curve.contains("resid_post: most at layer 0, 1.00"), "{curve}");
    assert!(curve.contains("<polyline"), "{curve}");
}

#[test]
fn without_position_as_an_axis_there_is_a_row_for_each_site_beside_the_curves() {
    let report = report(together(record()));
    assert_eq!(names(&report), ["kl", "kl_curve"]);
    let maps = report.heatmaps("kl", Style::Diverging);
    assert_eq!((maps.len(), &maps[0].rows[..]), (1, &["resid_post".into(), "mlp_out".into()][..]));
    insta::assert_snapshot!(report.summary(), @"The clean run says “Paris” and the corrupted one “Warsaw”; KL from the clean run is 0 in the first and 4.000 in the second. Clean resid_post brings back most in layer 0 at all positions: 100%. Clean mlp_out brings back most in layer 0 at all positions: 50%.");
}

#[test]
fn the_summary_says_where_the_stream_carries_the_difference_and_which_module_matters() {
    insta::assert_snapshot!(report(record()).summary(), @"The clean run says “Paris” and the corrupted one “Warsaw”; KL from the clean run is 0 in the first and 4.000 in the second. Clean resid_post brings back at least half of that difference at the subject's last token (“France → Poland”) up to layer 1, and at the last token (“is”) from layer 2 on. Clean mlp_out brings back most in layer 2 at “is”: 150%.");
}

#[test]
fn noising_is_told_from_its_own_side() {
    let mut record = PairRecord { direction: Direction::Noise, ..record() };
    for grid in &mut record.grids {
        grid.recovery.iter_mut().flatten().flatten().for_each(|value| *value = 1.0 - *value);
    }
    insta::assert_snapshot!(report(record).summary(), @"The clean run says “Paris” and the corrupted one “Warsaw”; KL from the clean run is 0 in the first and 4.000 in the second. Corrupted resid_post takes away at least half of that difference at the subject's last token (“France → Poland”) up to layer 1, and at the last token (“is”) from layer 2 on. Corrupted mlp_out takes away most in layer 2 at “is”: 150%.");
}

#[test]
fn equal_runs_are_told_to_have_nothing_to_recover() {
    let mut record = record();
    record
        .grids
        .iter_mut()
        .for_each(|grid| grid.recovery.iter_mut().flatten().for_each(|v| *v = None));
    record.corrupted.prediction = record.clean.prediction.clone();
    record.baselines[0].corrupted = 0.0;
    let report = report(record);
    assert!(report.same_prediction());
    insta::assert_snapshot!(report.summary(), @"Both runs say “Paris”; KL from the clean run is 0 in the first and 0 in the second. There is no noticeable difference that a patch could recover.");
    assert_eq!(
        report.heatmaps("kl", Style::Diverging)[0].x_label,
        "patched layer; kl is hardly different in the two runs"
    );
}

#[test]
fn shares_of_a_difference_that_is_rounding_are_not_told() {
    let with = |metric: &str, clean, corrupted| {
        let mut record = record();
        record.grids.iter_mut().for_each(|grid| grid.metric = metric.to_owned());
        record.baselines = vec![Baseline { metric: metric.to_owned(), clean, corrupted }];
        report(record).summary()
    };
    insta::assert_snapshot!(with("prob", 0.99999, 0.99998), @"The clean run says “Paris” and the corrupted one “Warsaw”; the probability of “Paris” is 1.000 in the first and 1.000 in the second. There is no noticeable difference that a patch could recover.");
    for (metric, clean, corrupted) in
        [("prob", 0.9, 0.88), ("kl", 0.0, 0.004), ("logit", 7.0, 7.004)]
    {
        let told = with(metric, clean, corrupted);
        assert!(told.ends_with("no noticeable difference that a patch could recover."), "{told}");
    }
    for (metric, clean, corrupted) in [("prob", 0.02, 0.9), ("kl", 0.0, 0.5), ("logit", 7.0, 6.5)] {
        let told = with(metric, clean, corrupted);
        assert!(told.contains("brings back"), "{told}");
    }
}

#[test]
fn noising_is_drawn_by_what_it_destroys() {
    let mut record = PairRecord { direction: Direction::Noise, ..record() };
    let curve = &mut record.subject_curves[0];
    (curve.recovery, curve.best_layer) = (vec![Some(-0.001), Some(0.25), Some(0.999)], Some(0));
    let report = report(record);
    let map = report.heatmaps("kl", Style::Diverging).swap_remove(0);
    assert_eq!(map.values[3..6], [Some(0.0), Some(0.25), Some(0.75)]);
    assert_eq!(map.colorbar_label, "1 − recovery");
    insta::assert_snapshot!(map.x_label, @"patched layer; effect destroyed (1 − recovery of kl): 0 to 1.000");
    let curve = report.figures(Style::Diverging)[1].svg().expect("an SVG");
    assert!(curve.contains("1 − recovery of kl: corrupted"), "{curve}");
    assert!(curve.contains("resid_post: most at layer 0, 1.00"), "{curve}");
}

#[test]
fn minus_zero_has_no_sign_in_a_legend() {
    let mut record = record();
    record.subject_curves[0].recovery = vec![Some(-0.001); 3];
    let curve = report(record).figures(Style::Diverging)[1].svg().expect("an SVG");
    assert!(curve.contains("resid_post: most at layer 0, 0\n"), "{curve}");
}

#[test]
fn a_subject_of_several_tokens_is_told_as_each_prompt_has_it() {
    let told = report(PairRecord { subject_range: 1..3, ..record() }).setting();
    assert!(told.contains("subject 'France is → Poland is' (tokens 1 to 2,"), "{told}");
}

#[test]
fn what_was_measured_is_told() {
    insta::assert_snapshot!(report(record()).setting(), @"answer ' Paris' (what the clean run says), distractor ' Warsaw' (what the corrupted run says); subject 'France → Poland' (token 1, where the prompts differ)");
}

#[test]
fn grids_that_do_not_fit_their_axes_are_refused() {
    let refused = |change: fn(&mut PairRecord)| {
        let mut record = record();
        change(&mut record);
        assert!(matches!(PairReport::new(record), Err(ReportError::WrongSize { .. })));
    };
    refused(|record| record.grids[0].rows = Some(axis("position", 4)));
    refused(|record| record.grids[0].columns = None);
    refused(|record| record.grids[0].rows.as_mut().expect("rows").indices[2] = 9);
    refused(|record| record.grids[1].recovery[0].clear());
    refused(|record| record.grids[0].recovery.clear());
}

#[test]
fn between_named_runs_it_is_the_effect_that_is_shown() {
    let mut record = PairRecord { source: Some("third".to_owned()), ..record() };
    let effect = |grid: &PairGrid| {
        let halved = |cell: &Option<f64>| cell.map(|recovery| recovery / 2.0);
        grid.recovery.iter().map(|row| row.iter().map(halved).collect()).collect()
    };
    record.grids.iter_mut().for_each(|grid| grid.effect = effect(grid));
    let report = report(record);
    let map = &report.heatmaps("kl", Style::Diverging)[0];
    assert_eq!((map.values[3], map.colorbar_label.as_str()), (Some(0.5), "effect"));
    assert_eq!(map.x_label, "patched layer; effect on kl: 0 to 0.500");
    assert_eq!(names(&report), ["kl"]);
}
