//! Statistics over cases, from cells made by hand.

mod compare;
mod groups;
mod peaks;
mod rome;

use std::ops::Range;

use serde_json::Value;
use tracewright_ir::{Role, Tokens};
use tracewright_results::{CaseRecord, Progress, Results, Row};

/// A case of so many tokens with this subject.
fn case(name: &str, tokens: usize, subject: Range<usize>) -> CaseRecord {
    let texts = (0..tokens).map(|token| format!(" {token}")).collect();
    CaseRecord {
        name: name.into(),
        prompt: format!("prompt {name}"),
        subject_range: Some(subject),
        tokens: Tokens { ids: vec![0; tokens], texts, offsets: vec![0..0; tokens] },
        correct_prediction: true,
        ..CaseRecord::default()
    }
}

/// A denoised cell of the case; the clean run has 1, the corrupted one 0.
fn cell(case: &CaseRecord, layer: u32, position: usize, value: f64) -> Row {
    let subject = case.subject_range.clone().unwrap();
    Row {
        case: case.name.clone(),
        kind: Some("hidden".into()),
        site: "resid_post".into(),
        layer: Some(layer),
        position: Some(position as u32),
        token: Some(case.tokens.texts[position].clone()),
        role: Some(Role::of(position, &subject, case.tokens.len()).name().into()),
        metric: "prob".into(),
        value: Some(value),
        clean: Some(1.0),
        corrupted: Some(0.0),
        base: Some(0.0),
        source: Some(1.0),
        recovery: Some(value),
        effect: Some(value),
        n: 1,
        ..Row::default()
    }
}

fn results(cases: impl Into<Vec<CaseRecord>>, rows: impl Into<Vec<Row>>) -> Results {
    Results {
        request: Value::Null,
        environment: Value::Null,
        cost: None,
        finished: Progress { passes: 1, of: 1 },
        cases: cases.into(),
        rows: rows.into(),
    }
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found}, expected is {expected}");
}

/// The mean, the standard deviation with n − 1 and the standard error, computed anew.
fn statistics(values: &[f64]) -> [f64; 3] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance =
        values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    [mean, variance.sqrt(), (variance / n).sqrt()]
}
