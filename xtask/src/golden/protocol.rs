//! Patching between two prompts as `tracewright pair` does it, with its tokens, sweep and rows.

use anyhow::{Context, Result, bail, ensure};
use tracewright_engine::{Execution, silent};
use tracewright_ir::Component;
use tracewright_models::Model;
use tracewright_results::Row;
use tracewright_sweep::{Pair, PairMetric, PairSettings, Pairs, Per, Positions};

use super::file::GoldenFile;
use super::pairs::{bound, texts};
use super::quantity::Quantity;

/// Heatmaps of the golden files: what they end in, the sites, the axes of the command, and those of the
/// arrays, which have the metrics beside.
const HEATMAPS: [(&str, &[Component], &[Per]); 4] = {
    use {Component as C, Per as P};
    const ADDED: &[Component] = &[C::ResidPost, C::AttnOut, C::MlpOut];
    [
        ("", ADDED, &[P::Position, P::Layer]),
        ("_all_positions", ADDED, &[P::Layer]),
        ("_head_all_positions", &[C::Z], &[P::Layer, P::Head]),
        ("_head_by_position", &[C::Z], &[P::Layer, P::Head, P::Position]),
    ]
};

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
    let pair = pair(golden, [clean, corrupted, answer, distractor]);
    let metrics = golden.texts("metric_names")?.iter().map(|name| metric(name));
    let metrics: Vec<PairMetric> = metrics.collect::<Result<_>>()?;
    let mut quantities = Vec::new();
    for (suffix, sites, axes) in HEATMAPS {
        let each = if axes.contains(&Per::Position) { Positions::Each } else { Positions::All };
        let settings = PairSettings {
            sites: sites.iter().map(|site| (*site).into()).collect(),
            per: axes.to_vec(),
            positions: vec![each],
            metrics: metrics.clone(),
            direction: PairSettings::direction(&direction)?,
            ..PairSettings::default()
        };
        let pairs = Pairs::new(model, settings, vec![pair.clone()])?;
        let part = pairs.patch(0, &Execution::default(), &mut silent)?;
        let cells = part.rows.len() / metrics.len();
        for (index, rows) in part.rows.chunks(cells).enumerate() {
            quantities.push(compare(golden, rows, (suffix, axes), index)?);
        }
    }
    Ok(quantities)
}

/// The rows of one metric, whose place in the golden arrays is `index`.
fn compare(
    golden: &GoldenFile,
    rows: &[Row],
    (suffix, axes): (&str, &[Per]),
    index: usize,
) -> Result<Quantity> {
    let name = rows.first().map_or("", |row| row.metric.as_str());
    let mut quantity =
        Quantity::new(format!("rows {}{suffix} {name}", golden.name), bound(golden, name)?);
    for rows in rows.chunk_by(|a, b| a.site == b.site) {
        let key = format!("{}{suffix}", rows[0].site);
        let values = golden.floats(&key)?;
        let (metrics, shape) = values.shape.split_last().context("the array is a scalar")?;
        ensure!(shape.iter().product::<usize>() == rows.len(), "{} rows of {key}", rows.len());
        for row in rows {
            let along = |axis: &Per| match axis {
                Per::Layer => row.layer,
                Per::Position => row.position,
                _ => row.head,
            };
            let at: Vec<u32> = axes.iter().filter_map(along).collect();
            ensure!(at.len() == shape.len(), "a row of {key} without its axes");
            let place = at.iter().zip(shape).fold(0, |place, (i, len)| place * len + *i as usize);
            let value = row.value.context("a row without a value")?;
            let expected = values.data[place * metrics + index];
            quantity.compare(&format!("{key} {at:?}"), value, expected, 1.0);
        }
    }
    Ok(quantity)
}

/// A golden file's pair as the program takes it.
pub(super) fn pair(
    golden: &GoldenFile,
    [clean, corrupted, answer, distractor]: [String; 4],
) -> Pair {
    Pair {
        name: golden.name.clone(),
        clean,
        corrupted: vec![corrupted],
        answer: vec![answer],
        distractor: vec![distractor],
        ..Pair::default()
    }
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
