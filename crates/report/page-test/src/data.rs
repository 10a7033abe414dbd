//! Made-up results whose numbers are known.

use serde_json::{Value, json};
use tracewright_ir::Tokens;
use tracewright_results::{CaseRecord, KindGrid, Progress, Results, Row};

/// The kinds of every case, with their sites.
pub const KINDS: [(&str, &str); 3] =
    [("hidden", "resid_post"), ("mlp", "mlp_out"), ("attn", "attn_out")];
const WORDS: [&str; 10] =
    ["The", " Space", " Need", "le", " is", " in", " the", " middle", " of", " downtown"];
const SUBJECT: std::ops::Range<usize> = 1..4;

/// The number of a cell: four decimals, another one for each cell of the first hundreds of cases.
pub fn value(case: usize, kind: usize, position: usize, layer: usize) -> f64 {
    let mixed = case * 7919 + kind * 1009 + position * 131 + layer * 17;
    (1000 + mixed % 8000) as f64 / 10_000.0
}

/// ROME's traces of some cases of ten tokens, all rightly answered.
pub fn traces(cases: usize, layers: usize) -> Results {
    let rows = (0..cases).flat_map(|case| rows(case, layers)).collect();
    results((0..cases).map(|case| record(case, layers, &WORDS)).collect(), rows)
}

/// One trace of a prompt of these tokens, with one layer.
pub fn trace_of(tokens: &[&str]) -> Results {
    let row = |position: usize| row(0, 1, position, 0, tokens[position]);
    results(vec![record(0, 1, tokens)], (0..tokens.len()).map(row).collect())
}

/// A results folder of these cases.
pub fn results(cases: Vec<CaseRecord>, rows: Vec<Row>) -> Results {
    Results {
        request: json!({ "prompt": "</pre><b>asked</b>" }),
        environment: json!({ "model": "made-up" }),
        cost: Some(json!({ "seconds": 1.5 })),
        finished: Progress { passes: 1, of: 1 },
        cases,
        rows,
    }
}

fn record(case: usize, layers: usize, tokens: &[&str]) -> CaseRecord {
    let grid = |(kind, site): (&str, &str)| KindGrid {
        kind: kind.to_owned(),
        site: site.to_owned(),
        metric: "prob".to_owned(),
        layers,
    };
    // A case of one layer has the MLP alone.
    let kinds = if layers == 1 { &KINDS[1..2] } else { &KINDS[..] };
    let subject = SUBJECT.start.min(tokens.len() - 1)..SUBJECT.end.min(tokens.len());
    CaseRecord {
        name: case.to_string(),
        prompt: format!("{} ({case})", tokens.concat()),
        subject: Some(tokens[subject.clone()].concat()),
        subject_range: Some(subject),
        tokens: Tokens {
            ids: (0..tokens.len() as u32).collect(),
            texts: tokens.iter().map(|token| (*token).to_owned()).collect(),
            offsets: vec![0..0; tokens.len()],
        },
        answer: " Seattle".to_owned(),
        correct_prediction: true,
        low_score: 0.1,
        high_score: 0.95,
        window: 1,
        samples: 10,
        grids: kinds.iter().copied().map(grid).collect(),
        ..CaseRecord::default()
    }
}

fn rows(case: usize, layers: usize) -> impl Iterator<Item = Row> {
    let places = (0..KINDS.len()).flat_map(move |kind| {
        (0..WORDS.len()).flat_map(move |at| (0..layers).map(move |layer| (kind, at, layer)))
    });
    places.map(move |(kind, position, layer)| row(case, kind, position, layer, WORDS[position]))
}

fn row(case: usize, kind: usize, position: usize, layer: usize, token: &str) -> Row {
    let value = value(case, kind, position, layer);
    Row {
        case: case.to_string(),
        kind: Some(KINDS[kind].0.to_owned()),
        site: KINDS[kind].1.to_owned(),
        layer: Some(layer as u32),
        position: Some(position as u32),
        token: Some(token.to_owned()),
        metric: "prob".to_owned(),
        value: Some(value),
        clean: Some(0.95),
        corrupted: Some(0.1),
        base: Some(0.1),
        source: Some(0.95),
        recovery: Some((value - 0.1) / 0.85),
        effect: Some((value - 0.1) / 0.85),
        std: Some(0.05),
        low: Some(value - 0.03),
        high: Some(value + 0.02),
        n: 10,
        ..Row::default()
    }
}

/// A pair by layer, position and head under two metrics, with top tokens of every cell.
pub fn pair() -> Results {
    let tokens = |name: &str| ["After", name, " gave", " to"].map(str::to_owned);
    let prompt = |name: &str, says: &str| {
        json!({
            "prompt": tokens(name).concat(),
            "tokens": Tokens {
                ids: vec![1, 2, 3, 4],
                texts: tokens(name).to_vec(),
                offsets: vec![0..0; 4],
            },
            "prediction": { "text": says, "id": 5, "given": false },
        })
    };
    let place = |layer: usize, position: usize, head: usize| json!({ "site": "z", "layer": layer, "position": position, "head": head });
    let top = |run: &str, at: Value, text: String| json!({ "run": run, "sample": 0, "at": at, "tokens": [{ "text": text, "id": 1, "logit": 2.5, "prob": 0.5 }] });
    let places: Vec<(usize, usize, usize)> = (0..3)
        .flat_map(|layer| (0..4).flat_map(move |at| (0..2).map(move |head| (layer, at, head))))
        .collect();
    let mut tops = vec![top("clean", Value::Null, " John".to_owned())];
    let said = |(l, p, h): &(usize, usize, usize)| {
        top("cell", place(*l, *p, *h), format!(" says {l}{p}{h}"))
    };
    tops.extend(places.iter().map(said));
    let extra = json!({
        "model": "made-up",
        "clean": prompt(" Mary", " John"), "corrupted": prompt(" John", " Mary"),
        "direction": "denoise", "subject_range": { "start": 1, "end": 2 }, "subject_given": false,
        "answer": { "text": " John", "id": 5, "given": true },
        "distractor": { "text": " Mary", "id": 6, "given": true },
        "per": ["layer", "position", "head"], "positions": [0, 1, 2, 3],
        "baselines": [
            { "metric": "logit-diff", "clean": 3.0, "corrupted": -1.0 },
            { "metric": "prob", "clean": 0.9, "corrupted": 0.1 },
        ],
        "grids": [], "subject_curves": [], "top": tops,
    });
    let case = CaseRecord {
        name: "0".to_owned(),
        prompt: tokens(" Mary").concat(),
        subject_range: Some(1..2),
        answer: " John".to_owned(),
        correct_prediction: true,
        extra,
        ..CaseRecord::default()
    };
    let row = |metric: &str, share: f64, (layer, position, head): (usize, usize, usize)| Row {
        case: "0".to_owned(),
        site: "z".to_owned(),
        layer: Some(layer as u32),
        position: Some(position as u32),
        head: Some(head as u32),
        metric: metric.to_owned(),
        value: Some(share * (layer * 8 + position * 2 + head) as f64),
        recovery: Some(share * (layer * 8 + position * 2 + head) as f64 / 2.0),
        clean: Some(3.0),
        corrupted: Some(-1.0),
        n: 1,
        ..Row::default()
    };
    let of = |metric: &'static str, share: f64| {
        places.iter().map(move |place| row(metric, share, *place))
    };
    results(vec![case], of("logit-diff", 0.01).chain(of("prob", 0.001)).collect())
}
