//! Heatmaps to test with: a real one, and one of any tokens.
#![allow(dead_code, reason = "each test file uses some of these")]

use serde_json::Value;
use tracewright_report::{Heatmap, RomeGrid, RomeKind};

/// ROME's heatmaps of fact 0 by the model `facts-6m`, computed by ROME's own code.
pub(crate) fn knowledge_0() -> Vec<Heatmap> {
    let case = knowledge_0_json();
    let tokens: Vec<String> = serde_json::from_value(case["tokens"].clone()).expect("tokens");
    let kinds = [RomeKind::Hidden, RomeKind::Mlp, RomeKind::Attn];
    let draw = |(kind, grid): (RomeKind, &Value)| {
        let values: Vec<f64> = serde_json::from_value(grid["values"].clone()).expect("values");
        Heatmap::rome(&RomeGrid {
            kind,
            values: &values,
            low_score: case["low_score"].as_f64().expect("a number"),
            tokens: &tokens,
            subject: 0..6,
            answer: " Antarctica",
            window: 10,
            model: "facts-6m",
        })
        .expect("a heatmap")
    };
    let grids = case["grids"].as_array().expect("a list");
    kinds.into_iter().zip(grids).map(draw).collect()
}

/// The file as it is.
pub(crate) fn knowledge_0_json() -> Value {
    serde_json::from_str(include_str!("../knowledge_0.json")).expect("JSON")
}

/// A heatmap of hidden states with these tokens, the first of them the subject.
pub(crate) fn map(tokens: &[String], values: &[f64]) -> Heatmap {
    Heatmap::rome(&RomeGrid {
        kind: RomeKind::Hidden,
        values,
        low_score: 0.0,
        tokens,
        subject: 0..1,
        answer: " Paris",
        window: 10,
        model: "GPT",
    })
    .expect("a heatmap")
}
