//! Heatmaps of patching between two prompts.

use anyhow::{Context, Result, bail, ensure};
use tracewright_ir::{Component, Intervention, Locus, Measure, Metric, Request, Run, RunId, Site};
use tracewright_models::Model;

use super::file::GoldenFile;
use super::quantity::{Quantity, largest};
use super::{Cells, execute};

/// Of the largest absolute clean logit: f32 sums in another order, through twelve layers.
pub(super) const LOGITS: f64 = 1e-4;
/// A probability has its own size.
const PROB: f64 = 2e-5;

/// The heatmaps of the golden files and the axes of each, without the metrics.
const HEATMAPS: [Heatmap; 9] = {
    use {Axis as A, Component as C};
    [
        ("resid_post", C::ResidPost, &[A::Position, A::Layer]),
        ("attn_out", C::AttnOut, &[A::Position, A::Layer]),
        ("mlp_out", C::MlpOut, &[A::Position, A::Layer]),
        ("resid_post_all_positions", C::ResidPost, &[A::Layer]),
        ("attn_out_all_positions", C::AttnOut, &[A::Layer]),
        ("mlp_out_all_positions", C::MlpOut, &[A::Layer]),
        ("z_head_all_positions", C::Z, &[A::Layer, A::Head]),
        ("z_head_by_position", C::Z, &[A::Layer, A::Head, A::Position]),
        ("neurons_layer3_last_every7th", C::MlpPost, &[A::Neuron { layer: Some(3), step: 7 }]),
    ]
};

/// An array of a golden file, the component that is patched, and the array's axes.
pub(super) type Heatmap = (&'static str, Component, &'static [Axis]);

#[derive(Clone, Copy)]
pub(super) enum Axis {
    /// The destination, of patterns.
    Position,
    SrcPosition,
    Layer,
    Head,
    /// At the last position, every `step`th one; the layer where that isn't an axis before.
    Neuron {
        layer: Option<usize>,
        step: usize,
    },
}

/// One cell of a heatmap.
pub(super) struct Cell {
    /// Its heatmap and its place there, for the table.
    pub(super) name: String,
    pub(super) run: RunId,
    /// Every metric.
    pub(super) golden: Vec<f64>,
}

/// Every metric of every heatmap, a quantity for each file and metric, and one for the tokens.
///
/// # Errors
///
/// A file that is missing or damaged, and a patch that can't be executed.
pub fn pairs(model: &Model, cells: Cells) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for golden in GoldenFile::of_folder("pairs")? {
        let name = golden.name.clone();
        let of_file = file(model, &golden, cells).with_context(|| format!("the pair '{name}'"))?;
        quantities.extend(of_file);
    }
    Ok(quantities)
}

fn file(model: &Model, golden: &GoldenFile, which: Cells) -> Result<Vec<Quantity>> {
    let [clean_ids, corrupted_ids]: [Vec<u32>; 2] =
        [golden.integers("clean_ids")?, golden.integers("corrupted_ids")?];
    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &clean_ids));
    let corrupted = request.push(Run::of_tokens("corrupted", &corrupted_ids));
    let (base, source) = match direction(golden)? {
        "denoise" => (corrupted, clean),
        "noise" => (clean, corrupted),
        other => bail!("there is no direction '{other}'"),
    };
    request.measures = metrics(golden, clean)?.into_iter().map(Measure::at_last).collect();
    request.measured = vec![clean, corrupted];
    let baseline = |name: &str, run| -> Result<Cell> {
        Ok(Cell { name: name.to_owned(), run, golden: golden.floats(name)?.data })
    };
    let mut cells =
        vec![baseline("clean_metrics", clean)?, baseline("corrupted_metrics", corrupted)?];
    for heatmap in HEATMAPS {
        cells.extend(patches(golden, heatmap, which, &mut request, base, source)?);
    }
    request.measured = cells.iter().map(|cell| cell.run).collect();
    let outcome = execute(model, &request)?;

    let mut quantities = vec![tokens(model, golden, "pair")?];
    for (index, (measure, ours)) in request.measures.iter().zip(&outcome.values).enumerate() {
        let metric = measure.metric.name();
        let name = format!("pair {} {metric}", golden.name);
        let mut quantity = Quantity::new(name, bound(golden, metric)?);
        ensure!(ours.len() == cells.len(), "{} values for {} cells", ours.len(), cells.len());
        for (cell, ours) in cells.iter().zip(ours) {
            let golden = cell.golden.get(index).context("a cell has too few metrics")?;
            quantity.compare(&cell.name, *ours, *golden, 1.0);
        }
        quantities.push(quantity);
    }
    Ok(quantities)
}

/// How far a metric of this name may be off.
pub(super) fn bound(golden: &GoldenFile, metric: &str) -> Result<f64> {
    match metric {
        "prob" => Ok(PROB),
        _ => Ok(LOGITS * largest(&golden.floats("clean_logits")?.data)),
    }
}

/// Clean, corrupted, answer, distractor, direction.
pub(super) fn texts(golden: &GoldenFile) -> Result<&[String; 5]> {
    golden.texts("texts")?.try_into().context("the array 'texts' should hold five texts")
}

fn direction(golden: &GoldenFile) -> Result<&str> {
    Ok(&texts(golden)?[4])
}

fn metrics(golden: &GoldenFile, clean: RunId) -> Result<Vec<Metric>> {
    let (answer, distractor) = (golden.integer("answer")?, golden.integer("distractor")?);
    let metric = |name: &String| match name.as_str() {
        "logit" => Ok(Metric::Logit { answer }),
        "logit_diff" => {
            Ok(Metric::LogitDiff { answers: vec![answer], distractors: vec![distractor] })
        }
        "prob" => Ok(Metric::Prob { answer }),
        "kl_from_clean" => Ok(Metric::Kl { clean }),
        other => bail!("there is no metric '{other}'"),
    };
    golden.texts("metric_names")?.iter().map(metric).collect()
}

/// Our tokens of the prompts and answers.
pub(super) fn tokens(model: &Model, golden: &GoldenFile, group: &str) -> Result<Quantity> {
    let [clean, corrupted, answer, distractor, _] = texts(golden)?;
    let mut quantity = Quantity::new(format!("{group} {} tokens", golden.name), 0.0);
    for (key, text) in [("clean_ids", clean), ("corrupted_ids", corrupted)] {
        quantity.equal(key, &model.tokenizer.prompt(text)?.ids, &golden.integers(key)?);
    }
    for (key, text) in [("answer", answer), ("distractor", distractor)] {
        quantity.equal(key, &model.tokenizer.answer(clean, text)?, &golden.integer(key)?);
    }
    Ok(quantity)
}

/// Adds a variant for each cell of a heatmap that is compared.
pub(super) fn patches(
    golden: &GoldenFile,
    (key, component, axes): Heatmap,
    which: Cells,
    request: &mut Request,
    base: RunId,
    source: RunId,
) -> Result<Vec<Cell>> {
    let last = request.tokens(base)?.len().saturating_sub(1);
    let values = golden.floats(key)?;
    let wrong = || format!("'{key}' has the shape {:?}", values.shape);
    // Behind the axes are the metrics, where there are several.
    let (shape, metrics) = values.shape.split_at_checked(axes.len()).with_context(wrong)?;
    ensure!(metrics.len() <= 1, wrong());
    let step = if which == Cells::All { 1 } else { 7 };
    let mut cells = Vec::new();
    let metrics = metrics.first().copied().unwrap_or(1);
    for (number, golden) in values.data.chunks(metrics).enumerate().step_by(step) {
        let at = coordinates(number, shape);
        let locus = locus(component, axes, &at, last);
        let name = format!("{key} {at:?}");
        let run = Run::variant(&name, base, [Intervention::copy(locus, source)]);
        cells.push(Cell { name, run: request.push(run), golden: golden.to_vec() });
    }
    Ok(cells)
}

fn locus(component: Component, axes: &[Axis], at: &[usize], last: usize) -> Locus {
    let mut locus = Locus::at(Site::outside(component));
    for (axis, index) in axes.iter().zip(at) {
        match axis {
            Axis::Position => locus = locus.positions([*index]),
            Axis::SrcPosition => locus = locus.src_positions([*index]),
            Axis::Layer => locus.site.layer = Some(*index),
            Axis::Head => locus = locus.heads([*index]),
            Axis::Neuron { layer, step } => {
                locus.site.layer = locus.site.layer.or(*layer);
                locus = locus.positions([last]).neurons([index * step]);
            }
        }
    }
    locus
}

/// The indices of the element `number` of an array in C order.
pub(super) fn coordinates(mut number: usize, shape: &[usize]) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for (index, len) in at.iter_mut().zip(shape).rev() {
        (*index, number) = (number % len, number / len);
    }
    at
}
