//! Draws the heatmaps of JSON files: `cargo run --example gallery -- FOLDER CASE.json …`.
//!
//! A file holds `prompt`, `answer`, `model`, `low_score`, `tokens`, `subject` and `grids`, each
//! with `kind`, `window` and `values`, as `tests/knowledge_0.json` does.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tracewright_report::{Heatmap, RomeGrid, RomeKind, draw_png, draw_svg, heading};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("usage: gallery FOLDER CASE.json …")?;
    for file in args {
        let case: Value = serde_json::from_slice(&fs::read(&file)?)?;
        let maps = heatmaps(&case)?;
        let heading = heading(text(&case["prompt"]), text(&case["answer"]));
        let stem = Path::new(&file).file_stem().ok_or("a file has a name")?;
        let to = Path::new(&folder).join(stem);
        fs::write(to.with_extension("png"), draw_png(&maps, &heading)?)?;
        fs::write(to.with_extension("svg"), draw_svg(&maps, &heading)?)?;
    }
    Ok(())
}

fn heatmaps(case: &Value) -> Result<Vec<Heatmap>, Box<dyn Error>> {
    let tokens: Vec<String> = serde_json::from_value(case["tokens"].clone())?;
    let subject: (usize, usize) = serde_json::from_value(case["subject"].clone())?;
    let mut maps = Vec::new();
    for grid in case["grids"].as_array().ok_or("grids is a list")? {
        let values: Vec<f64> = serde_json::from_value(grid["values"].clone())?;
        maps.push(Heatmap::rome(&RomeGrid {
            kind: match text(&grid["kind"]) {
                "mlp" => RomeKind::Mlp,
                "attn" => RomeKind::Attn,
                _ => RomeKind::Hidden,
            },
            values: &values,
            low_score: case["low_score"].as_f64().unwrap_or(f64::NAN),
            tokens: &tokens,
            subject: subject.0..subject.1,
            answer: text(&case["answer"]),
            window: serde_json::from_value(grid["window"].clone())?,
            model: text(&case["model"]),
        })?);
    }
    Ok(maps)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
