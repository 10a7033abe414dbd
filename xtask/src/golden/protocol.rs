//! Patching between two prompts as `tracewright pair` does it, with its tokens, sweep and rows.

use anyhow::{Context, Result, bail, ensure};
use tracewright_engine::{Execution, silent};
use tracewright_ir::Component;
use tracewright_models::Model;
use tracewright_results::Row;
use tracewright_sweep::{Pair, PairMetric, PairSettings, Per, Positions, patch_pair};

use super::file::GoldenFile;
use super::pairs::{bound, texts};
use super::quantity::Quantity;

/// The sites of the golden heatmaps, in the order in which they are asked for.
const SITES: [Component; 3] = [Component::ResidPost, Component::AttnOut, Component::MlpOut];

/// Every row of every pair in the golden files, a quantity for each file and metric.
///
/// # Errors
///
/// A file that is missing or damaged, and a pair that can't be patched.
pub fn protocol(model: &Model) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for golden in GoldenFile::of_folder("pairs")? {
        let name = golden.name.clone();
        quantities.extend(file(model, &golden).with_context(|| format!("the pair '{name}'"))?);
    }
    Ok(quantities)
}

fn file(model: &Model, golden: &GoldenFile) -> Result<Vec<Quantity>> {
    let [clean, corrupted, answer, distractor, direction] = texts(golden)?.clone();
    let pair = Pair {
        name: golden.name.clone(),
        clean,
        corrupted,
        subject: None,
        answer: Some(answer),
        distractor: Some(distractor),
    };
    let fed = pair.feed(&model.tokenizer)?;
    let metrics = golden.texts("metric_names")?.iter().map(|name| metric(name));
    let settings = PairSettings {
        sites: SITES.to_vec(),
        metrics: metrics.collect::<Result<_>>()?,
        direction: PairSettings::direction(&direction)?,
        ..PairSettings::default()
    };
    let together =
        PairSettings { per: vec![Per::Layer], positions: vec![Positions::All], ..settings.clone() };
    let mut quantities = Vec::new();
    for (settings, suffix) in [(settings, ""), (together, "_all_positions")] {
        let part = patch_pair(&fed, model, &settings, &Execution::default(), &mut silent)?;
        let cells = part.rows.len() / settings.metrics.len();
        for (index, rows) in part.rows.chunks(cells).enumerate() {
            quantities.push(compare(golden, rows, suffix, index)?);
        }
    }
    Ok(quantities)
}

/// The rows of one metric, whose place in the golden arrays is `index`.
fn compare(golden: &GoldenFile, rows: &[Row], suffix: &str, index: usize) -> Result<Quantity> {
    let name = rows.first().map_or("", |row| row.metric.as_str());
    let mut quantity =
        Quantity::new(format!("rows {}{suffix} {name}", golden.name), bound(golden, name)?);
    for rows in rows.chunks(rows.len() / SITES.len()) {
        let key = format!("{}{suffix}", rows[0].site);
        let values = golden.floats(&key)?;
        let metrics = values.shape.last().copied().context("the array is a scalar")?;
        let expected = values.data.chunks(metrics);
        ensure!(expected.len() == rows.len(), "{} rows of {key}", rows.len());
        for (row, expected) in rows.iter().zip(expected) {
            let position = row.position.map_or("all".to_owned(), |position| position.to_string());
            let at = format!("{key} {position}@{}", row.layer.unwrap_or_default());
            let value = row.value.context("a row without a value")?;
            quantity.compare(&at, value, expected[index], 1.0);
        }
    }
    Ok(quantity)
}

fn metric(name: &str) -> Result<PairMetric> {
    Ok(match name {
        "logit" => PairMetric::Logit,
        "logit_diff" => PairMetric::LogitDiff,
        "prob" => PairMetric::Prob,
        "kl_from_clean" => PairMetric::Kl,
        other => bail!("there is no metric '{other}'"),
    })
}
