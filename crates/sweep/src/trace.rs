//! ROME's causal tracing as a sweep.
//!
//! Noise on the subject's embeddings corrupts the prompt; each cell restores one clean state (or
//! a window of module outputs) at one token and asks how probable the answer is again.
//!
//! Reference: Meng et al. 2022, arXiv 2202.05262, and its `causal_trace.py`, whose numbers these
//! are.

use std::sync::Arc;

use serde_json::json;
use tracewright_corruption::{Noise, NoiseStream};
use tracewright_engine::{Cost, Progress, predict, reference};
use tracewright_ir::{
    Array, Cell, Component, Coordinates, Direction, Intervention, Locus, Measure, Metric,
    Operation, Run, RunId, Site, Sweep, Value,
};
use tracewright_models::Model;
use tracewright_results::{CaseRecord, KindGrid, Part};

use crate::case::Fed;
use crate::error::SweepError;
use crate::scores::Scores;
use crate::settings::{Kind, Settings};

/// The runs and cells of one case's trace, measuring the probability of `answer`.
///
/// # Errors
///
/// Noise that can't be drawn (a Student rule for too many rows).
pub fn sweep(
    fed: &Fed,
    answer: u32,
    model: &Model,
    settings: &Settings,
    noise: &Noise,
) -> Result<Sweep, SweepError> {
    let mut sweep = Sweep { direction: Direction::Denoise, ..Sweep::default() };
    let clean = sweep.request.push(Run::of_tokens("clean", &fed.tokens.ids));
    let noise = draw(fed, model, settings, noise)?;
    let corrupt = |sweep: &mut Sweep, operation: fn(Value) -> Operation| -> Vec<RunId> {
        let runs = noise.iter().enumerate().map(|(sample, array)| {
            let locus = Locus::at(Site::outside(Component::Embed)).positions(fed.subject.clone());
            let operation = operation(Value::Array(array.clone()));
            Run::variant(format!("corrupted {sample}"), clean, [Intervention { locus, operation }])
        });
        runs.map(|run| sweep.request.push(run)).collect()
    };
    sweep.clean = vec![clean];
    sweep.corrupted = corrupt(&mut sweep, Operation::Add);
    let bases = if settings.replace {
        corrupt(&mut sweep, Operation::Replace)
    } else {
        sweep.corrupted.clone()
    };
    for kind in &settings.kinds {
        for position in 0..fed.tokens.len() {
            for layer in 0..model.architecture().n_layers {
                let cell = cell(&mut sweep, *kind, position, layer, &bases, model, settings);
                sweep.cells.push(cell);
            }
        }
    }
    sweep.request.measures = vec![Measure::at_last(Metric::Prob { answer })];
    sweep.request.measured = (0..sweep.request.runs.len()).map(RunId).collect();
    sweep.bases = bases;
    sweep.sources = sweep.clean.clone();
    Ok(sweep)
}

/// Restores a kind's clean values at one token, in a variant of each base.
fn cell(
    sweep: &mut Sweep,
    kind: Kind,
    position: usize,
    layer: usize,
    bases: &[RunId],
    model: &Model,
    settings: &Settings,
) -> Cell {
    let clean = RunId(0);
    let layers = settings.layers(kind, layer, model.architecture().n_layers);
    let restore = layers.map(|layer| {
        let site = Site::in_layer(kind.component(), layer);
        Intervention::copy(Locus::at(site).positions([position]), clean)
    });
    let restore: Vec<Intervention> = restore.collect();
    let name = format!("{} restored at layer {layer}, token {position}", kind.name());
    let variant = |base: &RunId| Run::variant(name.clone(), *base, restore.clone());
    let at = Coordinates {
        kind: Some(kind.name().to_owned()),
        site: kind.component().name().to_owned(),
        layer: Some(layer),
        position: Some(position),
        ..Coordinates::default()
    };
    Cell { at, runs: bases.iter().map(|base| sweep.request.push(variant(base))).collect() }
}

/// The noise of each sample, `[subject tokens, d_model]`.
///
/// # Errors
///
/// A Student rule for too many rows, and a level so high that f32 can't hold the numbers.
pub(crate) fn draw(
    fed: &Fed,
    model: &Model,
    settings: &Settings,
    noise: &Noise,
) -> Result<Vec<Arc<Array>>, SweepError> {
    let (tokens, d_model) = (fed.subject.len(), model.architecture().d_model);
    let drawn = NoiseStream::new(noise, settings.seed)?.draw(settings.samples, tokens, d_model)?;
    if drawn.values.iter().any(|value| !(*value as f32).is_finite()) {
        return Err(SweepError::NoiseTooLarge { rule: settings.noise.to_string() });
    }
    let samples = drawn.values.chunks_exact(tokens * d_model);
    let array =
        |data: &[f64]| Arc::new(Array { shape: vec![tokens, d_model], data: data.to_vec() });
    Ok(samples.map(array).collect())
}

/// Traces one case: what the model says, and, where that is what the case expects, every cell.
///
/// # Errors
///
/// What keeps the case from being traced at all; see [`reference::execute`].
pub fn trace(
    fed: &Fed,
    model: &Model,
    settings: &Settings,
    noise: &Noise,
    progress: Progress<'_>,
) -> Result<Part, SweepError> {
    let said = predict(&model.decoder, &fed.tokens, 1)?;
    let said = said.first().map_or(0, |candidate| candidate.id);
    let answer = fed.answer.unwrap_or(said);
    let text = model.tokenizer.text(answer);
    let expected = fed.case.expected.clone();
    let mut case = CaseRecord {
        name: fed.case.name.clone(),
        prompt: fed.case.prompt.clone(),
        subject: Some(fed.case.subject.clone()),
        subject_range: Some(fed.subject.clone()),
        tokens: fed.tokens.clone(),
        correct_prediction: expected.as_ref().is_none_or(|expected| text.trim() == expected),
        answer: text,
        answer_id: answer,
        expected,
        window: settings.window,
        samples: settings.samples,
        grids: settings.kinds.iter().map(|kind| grid(*kind, model)).collect(),
        ..CaseRecord::default()
    };
    let predicted = Cost { forwards: 1, rows: fed.tokens.len() };
    if !case.correct_prediction {
        case.cost = json!(predicted);
        return Ok(Part { cases: vec![case], rows: Vec::new() });
    }
    let sweep = sweep(fed, answer, model, settings, noise)?;
    let outcome = reference::execute(&model.decoder, &sweep.request, progress)?;
    let scores = Scores::new(&sweep, &outcome);
    (case.high_score, case.low_score) = (scores.clean.mean, scores.corrupted.mean);
    let rows = sweep.cells.iter().map(|cell| scores.row(cell, fed)).collect();
    let mut cost = outcome.cost;
    cost += predicted;
    case.cost = json!(cost);
    Ok(Part { cases: vec![case], rows })
}

fn grid(kind: Kind, model: &Model) -> KindGrid {
    KindGrid {
        kind: kind.name().to_owned(),
        site: kind.component().name().to_owned(),
        metric: "prob".to_owned(),
        layers: model.architecture().n_layers,
    }
}
