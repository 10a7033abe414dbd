//! Figures over cases as plain data: what is drawn, from cells made by hand.

use std::fmt::Write;

use serde_json::{Value, json};
use tracewright_ir::{Role, Tokens};
use tracewright_report::{
    Colors, Figure, Format, Heatmap, Look, Series, Traces, average_figures, comparison_figures,
    rome_figures,
};
use tracewright_results::{
    CaseRecord, KindGrid, Progress, Results, Row, compare, grid_columns, rome_averages,
    severed_averages,
};

const LAYERS: u32 = 3;

/// A case of four tokens, of which the second and third are its subject.
fn case(name: &str, index: u32) -> CaseRecord {
    let texts = ["The", " big", " bang", " is"].map(str::to_owned).to_vec();
    let texts = if index == 0 {
        texts
    } else {
        ["The", " new", " moon", " is"].map(str::to_owned).to_vec()
    };
    CaseRecord {
        name: name.to_owned(),
        prompt: texts.concat(),
        subject_range: Some(1..3),
        tokens: Tokens { ids: vec![0; 4], texts, offsets: vec![0..0; 4] },
        correct_prediction: true,
        high_score: 0.75,
        low_score: 0.25 * f64::from(index),
        window: 2,
        samples: 3,
        ..CaseRecord::default()
    }
}

fn results(cases: Vec<CaseRecord>, rows: Vec<Row>) -> Results {
    Results {
        request: Value::Null,
        environment: Value::Null,
        cost: None,
        finished: Progress { passes: 1, of: 1 },
        cases,
        rows,
    }
}

/// A trace of two cases: states, MLPs, and states with attention severed.
fn traced() -> Results {
    let grid = |kind: &str, site: &str| KindGrid {
        kind: kind.into(),
        site: site.into(),
        metric: "prob".into(),
        layers: LAYERS as usize,
    };
    let grids =
        [grid("hidden", "resid_post"), grid("mlp", "mlp_out"), grid("severed_attn", "resid_post")];
    let cases: Vec<CaseRecord> = (0..2)
        .map(|index| CaseRecord { grids: grids.to_vec(), ..case(&index.to_string(), index) })
        .collect();
    let mut rows = Vec::new();
    for (index, case) in (0..).zip(&cases) {
        for (kind, grid) in (0..).zip(&grids) {
            let positions = if grid.kind.starts_with("severed") { 2..3 } else { 0..4 };
            for position in positions {
                rows.extend((0..LAYERS).map(|layer| {
                    let value = 0.125 + f64::from(index + kind + layer * position) / 16.0;
                    let place = Row {
                        kind: Some(grid.kind.clone()),
                        ..cell(case, &grid.site, layer, position)
                    };
                    Row { value: Some(value), metric: "prob".into(), ..place }
                }));
            }
        }
    }
    results(cases, rows)
}

fn cell(case: &CaseRecord, site: &str, layer: u32, position: u32) -> Row {
    let subject = case.subject_range.clone().expect("a subject");
    Row {
        case: case.name.clone(),
        site: site.to_owned(),
        layer: Some(layer),
        position: Some(position),
        token: Some(case.tokens.texts[position as usize].clone()),
        role: Some(Role::of(position as usize, &subject, 4).name().into()),
        n: 1,
        ..Row::default()
    }
}

/// Two pairs, whose cells are given by site, layer and position.
fn patched(sites: &[&str], corruptions: &[Option<&str>], direction: &str) -> Results {
    let token = |text: &str| json!({ "text": text, "id": 7, "given": false });
    let mut cases = Vec::new();
    let mut rows = Vec::new();
    for index in 0..2 {
        let case = case(&index.to_string(), index);
        let prompt =
            json!({ "prompt": case.prompt, "tokens": case.tokens, "prediction": token(" a") });
        let extra = json!({
            "clean": prompt, "corrupted": prompt, "corruption": "noise", "direction": direction,
            "subject_range": { "start": 1, "end": 3 }, "subject_given": true,
            "answer": token(" a"), "distractor": token(" b"), "per": ["layer", "position"],
            "positions": [0, 1, 2, 3], "grids": [], "subject_curves": [],
            "baselines": [{ "metric": "prob", "clean": 1.0, "corrupted": 0.0 }],
        });
        for (corruption, what) in (0..).zip(corruptions) {
            for (place, site) in (0..).zip(sites) {
                for (layer, position) in (0..LAYERS).flat_map(|l| (0..4).map(move |p| (l, p))) {
                    let value = f64::from(index + corruption + place + layer * position) / 8.0;
                    rows.push(Row {
                        corruption: what.map(str::to_owned),
                        metric: "prob".into(),
                        value: Some(value),
                        clean: Some(1.0),
                        corrupted: Some(0.0),
                        base: Some(0.0),
                        source: Some(1.0),
                        recovery: Some(value),
                        effect: Some(value),
                        ..cell(&case, site, layer, position)
                    });
                }
            }
        }
        cases.push(CaseRecord { extra, grids: Vec::new(), ..case });
    }
    results(cases, rows)
}

/// Everything that a figure says.
fn said(figure: &Figure) -> String {
    let mut text = format!("{}: {}\n", figure.name, figure.heading);
    for map in &figure.heatmaps {
        told(&mut text, map);
    }
    let curves = figure.curves.iter().map(|c| (&c.title, &c.x_label, &c.columns, &c.lines));
    let bars = figure.bars.iter().map(|b| (&b.title, &b.x_label, &b.columns, &b.series));
    for (title, x_label, columns, series) in curves.chain(bars) {
        let _ = writeln!(text, "# {title}\n{}\n({x_label})", columns.join(" | "));
        series.iter().for_each(|series| drawn(&mut text, series));
    }
    text
}

fn told(text: &mut String, map: &Heatmap) {
    let _ = writeln!(text, "# {}\n{} | ({})", map.title, map.columns.join(" | "), map.x_label);
    let (low, high) = (map.low, map.high);
    let _ = writeln!(text, "{:?} from {low:.3} to {high:.3}, {}", map.colormap, map.colorbar_label);
    for (row, values) in map.rows.iter().zip(map.values.chunks(map.columns.len())) {
        let values: Vec<String> = values.iter().map(|value| number(*value)).collect();
        let _ = writeln!(text, "{row}: {}", values.join(" "));
    }
}

fn drawn(text: &mut String, series: &Series) {
    let at = |layer: usize| {
        let interval = series.intervals.get(layer).copied().flatten();
        let interval = interval.map_or(String::new(), |(a, b)| format!(" [{a:.3}, {b:.3}]"));
        format!("{}{interval}", number(series.values[layer]))
    };
    let values: Vec<String> = (0..series.values.len()).map(at).collect();
    let _ = writeln!(text, "{}: {}; marked {:?}", series.name, values.join(" "), series.marked);
}

fn number(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.3}"))
}

fn of_traces(results: &Results) -> Vec<Figure> {
    let averages = rome_averages(&results.cases, &results.rows);
    let severed = severed_averages(&results.cases, &results.rows);
    rome_figures(&averages, &severed, Traces { model: "GPT", window: 2 })
}

#[test]
fn figure_2_has_the_average_indirect_effect_by_class_and_layer_on_one_scale() {
    let figures = of_traces(&traced());
    insta::assert_snapshot!(said(&figures[0]), @r#"
    average_effects: 
    # Average indirect effect of restoring state, over 2 cases
    0 | 1 | 2 | (single restored layer within GPT; effects 0.031 to 0.406)
    Purples from 0.000 to 0.469, AIE, one scale
    First subject token: 0.031 0.094 0.156
    Middle subject tokens: – – –
    Last subject token: 0.031 0.156 0.281
    First subsequent token: 0.031 0.219 0.406
    Further tokens: – – –
    Last token: 0.031 0.219 0.406
    # Average indirect effect of restoring MLP, over 2 cases
    0 | 1 | 2 | (center of interval of 2 restored MLP layers; effects 0.094 to 0.469)
    Greens from 0.000 to 0.469, AIE, one scale
    First subject token: 0.094 0.156 0.219
    Middle subject tokens: – – –
    Last subject token: 0.094 0.219 0.344
    First subsequent token: 0.094 0.281 0.469
    Further tokens: – – –
    Last token: 0.094 0.281 0.469
    "#);
}

#[test]
fn the_line_plots_have_the_intervals_of_the_tables() {
    let figures = of_traces(&traced());
    insta::assert_snapshot!(said(&figures[1]), @r#"
    average_effects_curve: 
    # Average indirect effect of restoring state, over 2 cases
    0 | 1 | 2
    (single restored layer within GPT; bands are 95 % bootstrap intervals over cases)
    First subject token: 0.031 [-0.062, 0.125] 0.094 [0.000, 0.188] 0.156 [0.062, 0.250]; marked None
    Last subject token: 0.031 [-0.062, 0.125] 0.156 [0.062, 0.250] 0.281 [0.188, 0.375]; marked None
    First subsequent token: 0.031 [-0.062, 0.125] 0.219 [0.125, 0.312] 0.406 [0.312, 0.500]; marked None
    Last token: 0.031 [-0.062, 0.125] 0.219 [0.125, 0.312] 0.406 [0.312, 0.500]; marked None
    # Average indirect effect of restoring MLP, over 2 cases
    0 | 1 | 2
    (center of interval of 2 restored MLP layers; bands are 95 % bootstrap intervals over cases)
    First subject token: 0.094 [0.000, 0.188] 0.156 [0.062, 0.250] 0.219 [0.125, 0.312]; marked None
    Last subject token: 0.094 [0.000, 0.188] 0.219 [0.125, 0.312] 0.344 [0.250, 0.438]; marked None
    First subsequent token: 0.094 [0.000, 0.188] 0.281 [0.188, 0.375] 0.469 [0.375, 0.562]; marked None
    Last token: 0.094 [0.000, 0.188] 0.281 [0.188, 0.375] 0.469 [0.375, 0.562]; marked None
    "#);
}

#[test]
fn figure_3_has_bars_in_romes_order_with_intervals_over_cases() {
    let figures = of_traces(&traced());
    insta::assert_snapshot!(said(&figures[2]), @r#"
    severed_effects: 
    # Average effect of states at the last subject token, over 2 cases
    0 | 1 | 2
    (single restored layer; effect in probability, 95 % bootstrap intervals over cases)
    effect of a single state: 0.031 [-0.062, 0.125] 0.156 [0.062, 0.250] 0.281 [0.188, 0.375]; marked None
    effect with Attn severed: 0.156 [0.062, 0.250] 0.281 [0.188, 0.375] 0.406 [0.312, 0.500]; marked None
    "#);
    let only_hidden = |row: &&Row| row.kind.as_deref() == Some("hidden");
    let mut results = traced();
    results.rows = results.rows.iter().filter(only_hidden).cloned().collect();
    let names: Vec<String> = of_traces(&results).into_iter().map(|figure| figure.name).collect();
    assert_eq!(names, ["average_effects", "average_effects_curve"], "nothing is severed");
}

#[test]
fn averages_of_pairs_are_heatmaps_and_a_curve_with_its_best_layer_and_thirds() {
    let figures = average_figures(&patched(&["resid_post"], &[None], "denoise")).expect("figures");
    insta::assert_snapshot!(figures.iter().map(said).collect::<String>(), @r#"
    averages_prob: recovery of prob, mean over 2 cases
    # Clean resid_post copied into the corrupted run
    0 | 1 | 2 | (patched layer; 0.062 to 0.812)
    RedBlue from -0.850 to 0.850, recovery
    The: 0.062 0.062 0.062
    1: first subject: 0.062 0.188 0.312
    2: last subject: 0.062 0.312 0.562
     is: 0.062 0.438 0.812
    averages_prob_curve: recovery of prob, mean over 2 cases
    # Clean values copied into the corrupted run at the subject's last token
    0 | 1 | 2
    (patched layer; bands are 95 % bootstrap intervals over cases)
    resid_post: most at layer 2, 0.56: 0.062 [0.000, 0.125] 0.312 [0.250, 0.375] 0.562 [0.500, 0.625]; marked Some(2)
    # Clean values copied into the corrupted run at the subject's last token
    early (0–0) | middle (1–1) | late (2–2)
    (mean over layers; 95 % bootstrap intervals over cases)
    resid_post: 0.062 [0.000, 0.125] 0.312 [0.250, 0.375] 0.562 [0.500, 0.625]; marked None
    "#);
}

#[test]
fn of_noising_is_shown_what_it_destroys() {
    let figures = average_figures(&patched(&["z"], &[None], "noise")).expect("figures");
    insta::assert_snapshot!(said(&figures[1]), @r#"
    averages_prob_curve: effect destroyed (1 − recovery of prob), mean over 2 cases
    # Corrupted values copied into the clean run at the subject's last token
    0 | 1 | 2
    (patched layer; bands are 95 % bootstrap intervals over cases)
    z: most at layer 0, 0.94: 0.938 [0.875, 1.000] 0.688 [0.625, 0.750] 0.438 [0.375, 0.500]; marked Some(0)
    # Corrupted values copied into the clean run at the subject's last token
    early (0–0) | middle (1–1) | late (2–2)
    (mean over layers; 95 % bootstrap intervals over cases)
    z: 0.938 [0.875, 1.000] 0.688 [0.625, 0.750] 0.438 [0.375, 0.500]; marked None
    "#);
}

#[test]
fn corruptions_are_compared_in_one_curve_for_each_site() {
    let corruptions = [Some("prompt"), Some("noise-s3")];
    let results = patched(&["resid_post", "mlp_out"], &corruptions, "denoise");
    let figures = average_figures(&results).expect("figures");
    let curves: Vec<(&str, Vec<&str>)> = figures[1]
        .curves
        .iter()
        .map(|curve| (curve.title.as_str(), curve.lines.iter().map(|l| l.name.as_str()).collect()))
        .collect();
    insta::assert_debug_snapshot!(curves, @r#"
    [
        (
            "Clean resid_post copied into the corrupted run at the subject's last token",
            [
                "prompt: most at layer 2, 0.56",
                "noise-s3: most at layer 2, 0.69",
            ],
        ),
        (
            "Clean mlp_out copied into the corrupted run at the subject's last token",
            [
                "prompt: most at layer 2, 0.69",
                "noise-s3: most at layer 2, 0.81",
            ],
        ),
    ]
    "#);
    assert_eq!(figures[0].heatmaps.len(), 4);
    insta::assert_snapshot!(figures[0].heatmaps[3].title, @r#"Clean mlp_out copied into the corrupted run; corrupted by noise-s3"#);
}

#[test]
fn patches_of_all_positions_together_are_a_heatmap_of_components() {
    let mut results = patched(&["attn_out", "mlp_out"], &[None], "denoise");
    results.rows.retain(|row| row.position == Some(2));
    results.rows.iter_mut().for_each(|row| (row.position, row.role) = (None, None));
    let figures = average_figures(&results).expect("figures");
    insta::assert_snapshot!(figures.iter().map(said).collect::<String>(), @r#"
    averages_prob: recovery of prob, mean over 2 cases
    # Clean activations copied into the corrupted run
    0 | 1 | 2 | (patched layer; 0.062 to 0.688)
    RedBlue from -0.700 to 0.700, recovery
    attn_out: 0.062 0.312 0.562
    mlp_out: 0.188 0.438 0.688
    averages_prob_curve: recovery of prob, mean over 2 cases
    # Clean values copied into the corrupted run
    0 | 1 | 2
    (patched layer; bands are 95 % bootstrap intervals over cases)
    attn_out: most at layer 2, 0.56: 0.062 [0.000, 0.125] 0.312 [0.250, 0.375] 0.562 [0.500, 0.625]; marked Some(2)
    mlp_out: most at layer 2, 0.69: 0.188 [0.125, 0.250] 0.438 [0.375, 0.500] 0.688 [0.625, 0.750]; marked Some(2)
    # Clean values copied into the corrupted run
    early (0–0) | middle (1–1) | late (2–2)
    (mean over layers; 95 % bootstrap intervals over cases)
    attn_out: 0.062 [0.000, 0.125] 0.312 [0.250, 0.375] 0.562 [0.500, 0.625]; marked None
    mlp_out: 0.188 [0.125, 0.250] 0.438 [0.375, 0.500] 0.688 [0.625, 0.750]; marked None
    "#);
}

#[test]
fn heads_stand_across_and_layers_down() {
    let mut results = patched(&["k"], &[None], "denoise");
    for row in &mut results.rows {
        (row.kv_head, row.position, row.role) = (row.position, None, None);
    }
    let figures = average_figures(&results).expect("figures");
    let map = &figures[0].heatmaps[0];
    assert_eq!(map.rows, ["layer 0", "layer 1", "layer 2"]);
    assert!(map.x_label.starts_with("patched kv_head; 0.0"), "{}", map.x_label);
}

#[test]
fn a_single_pair_has_no_averages_and_neither_has_a_trace() {
    let mut results = patched(&["z"], &[None], "denoise");
    results.cases.pop();
    assert_eq!(average_figures(&results), Ok(Vec::new()));
    assert_eq!(average_figures(&traced()), Ok(Vec::new()));
    assert!(rome_figures(&[], &[], Traces { model: "GPT", window: 2 }).is_empty());
}

#[test]
fn two_runs_stand_beside_their_difference_centred_at_zero() {
    let (a, mut b) = (traced(), traced());
    for row in &mut b.rows {
        row.value = row.value.map(|value| value + 0.25);
    }
    let groups = compare(&a, &b, &grid_columns(&a)).expect("partners");
    let figures = comparison_figures(&groups, &a.cases, ["first", "second"]);
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    insta::assert_debug_snapshot!(names, @r#"
    [
        "against_hidden_resid_post_prob",
        "against_mlp_mlp_out_prob",
        "against_severed_attn_resid_post_prob_last-subject",
    ]
    "#);
    insta::assert_snapshot!(said(&figures[1]), @r#"
    against_mlp_mlp_out_prob: mlp, mlp_out, prob
    # first
    0 | 1 | 2 | (layer; 0.219 to 0.594)
    Purples from 0.219 to 0.844, prob
    before subject: 0.219 0.219 0.219
    first subject: 0.219 0.281 0.344
    last subject: 0.219 0.344 0.469
    last: 0.219 0.406 0.594
    # second
    0 | 1 | 2 | (layer; 0.469 to 0.844)
    Purples from 0.219 to 0.844, prob
    before subject: 0.469 0.469 0.469
    first subject: 0.469 0.531 0.594
    last subject: 0.469 0.594 0.719
    last: 0.469 0.656 0.844
    # second − first
    0 | 1 | 2 | (layer; 0.250 to 0.250)
    RedBlue from -0.250 to 0.250, prob
    before subject: 0.250 0.250 0.250
    first subject: 0.250 0.250 0.250
    last subject: 0.250 0.250 0.250
    last: 0.250 0.250 0.250
    "#);
}

#[test]
fn safe_colours_and_tokens_across_change_nothing_else() {
    let look = Look { colors: Colors::Safe, transposed: true };
    let figure = of_traces(&traced()).swap_remove(0).with(look);
    insta::assert_snapshot!(said(&figure), @r#"
    average_effects: 
    # Average indirect effect of restoring state, over 2 cases
    First subject token | Middle subject tokens | Last subject token | First subsequent token | Further tokens | Last token | (down: single restored layer within GPT; effects 0.031 to 0.406)
    Cividis from 0.000 to 0.469, AIE, one scale
    0: 0.031 – 0.031 0.031 – 0.031
    1: 0.094 – 0.156 0.219 – 0.219
    2: 0.156 – 0.281 0.406 – 0.406
    # Average indirect effect of restoring MLP, over 2 cases
    First subject token | Middle subject tokens | Last subject token | First subsequent token | Further tokens | Last token | (down: center of interval of 2 restored MLP layers; effects 0.094 to 0.469)
    Cividis from 0.000 to 0.469, AIE, one scale
    0: 0.094 – 0.094 0.094 – 0.094
    1: 0.156 – 0.219 0.281 – 0.281
    2: 0.219 – 0.344 0.469 – 0.469
    "#);
    let pairs = average_figures(&patched(&["z"], &[None], "denoise")).expect("figures");
    let map = &pairs[0].clone().with(look).heatmaps[0];
    assert_eq!(map.colormap, pairs[0].heatmaps[0].colormap, "red and blue are safe");
}

#[test]
fn every_figure_over_cases_can_be_drawn() {
    let pairs = average_figures(&patched(&["z"], &[None], "denoise")).expect("figures");
    for figure in of_traces(&traced()).into_iter().chain(pairs) {
        let svg = String::from_utf8(figure.draw(Format::Svg).expect("an SVG")).expect("text");
        assert!(svg.contains("<polygon") == !figure.curves.is_empty(), "bands are areas");
        assert!(figure.draw(Format::Png).expect("a PNG").starts_with(b"\x89PNG"));
    }
}

#[test]
fn words_for_formats_and_colours_are_read() {
    assert_eq!("svg".parse(), Ok(Format::Svg));
    assert_eq!("safe".parse(), Ok(Colors::Safe));
    let error = "jpeg".parse::<Format>().unwrap_err();
    assert!(error.to_string().starts_with("there are no figures as 'jpeg': give one of png, svg"));
    let error = "red".parse::<Colors>().unwrap_err();
    insta::assert_snapshot!(error, @"there are no colours 'red': give one of paper, safe");
}
