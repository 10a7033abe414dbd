//! ROME's causal tracing as a sweep.
//!
//! Noise on the subject's embeddings corrupts the prompt; each cell restores one clean state (or
//! a window of module outputs) at one token and asks how probable the answer is again.
//!
//! Reference: Meng et al. 2022, arXiv 2202.05262, and its `causal_trace.py`, whose numbers these
//! are.

use std::ops::Range;
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
use crate::settings::{Kind, Settings, SeverNoise};

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
    let draws = draw(fed, model, settings, noise)?;
    let corrupt = |sweep: &mut Sweep, draw: usize, operation: fn(Value) -> Operation| {
        let runs = draws[draw].iter().enumerate().map(|(sample, array)| {
            let locus = Locus::at(Site::outside(Component::Embed)).positions(fed.subject.clone());
            let operation = operation(Value::Array(array.clone()));
            Run::variant(format!("corrupted {sample}"), clean, [Intervention { locus, operation }])
        });
        runs.map(|run| sweep.request.push(run)).collect::<Vec<RunId>>()
    };
    sweep.clean = vec![clean];
    sweep.sources = vec![clean];
    sweep.corrupted = corrupt(&mut sweep, 0, Operation::Add);
    let operation = if settings.replace { Operation::Replace } else { Operation::Add };
    let bases = match settings.replace {
        true => corrupt(&mut sweep, 0, operation),
        false => sweep.corrupted.clone(),
    };
    let n_layers = model.architecture().n_layers;
    for kind in &settings.kinds {
        for position in 0..fed.tokens.len() {
            for layer in 0..n_layers {
                let layers = settings.layers(*kind, layer, n_layers);
                let restore = restore(*kind, position, layers, clean);
                let at = at(kind.name(), *kind, layer, position);
                push_cell(&mut sweep, at, &bases, |_| restore.clone());
            }
        }
    }
    let severed = match settings.sever_noise {
        SeverNoise::Rome if !settings.sever.is_empty() => corrupt(&mut sweep, 1, operation),
        _ => bases.clone(),
    };
    let last_subject = fed.subject.end - 1;
    for module in &settings.sever {
        for layer in 0..n_layers {
            let at = at(&severed_kind(*module), Kind::Hidden, layer, last_subject);
            push_cell(&mut sweep, at, &severed, |sample| {
                // Held at every layer, then the state restored at one.
                let mut changes = restore(*module, last_subject, 0..n_layers, bases[sample]);
                changes.extend(restore(Kind::Hidden, last_subject, layer..layer + 1, clean));
                changes
            });
        }
    }
    sweep.request.measures = vec![Measure::at_last(Metric::Prob { answer })];
    sweep.request.measured = (0..sweep.request.runs.len()).map(RunId).collect();
    Ok(sweep)
}

/// The kind in the table of a severed trace's rows.
fn severed_kind(module: Kind) -> String {
    format!("severed_{}", module.name())
}

/// Copies a run's values of a kind into these layers at one token.
fn restore(kind: Kind, position: usize, layers: Range<usize>, run: RunId) -> Vec<Intervention> {
    let copy = |layer| {
        let site = Site::in_layer(kind.component(), layer);
        Intervention::copy(Locus::at(site).positions([position]), run)
    };
    layers.map(copy).collect()
}

fn at(name: &str, kind: Kind, layer: usize, position: usize) -> Coordinates {
    Coordinates {
        kind: Some(name.to_owned()),
        site: kind.component().name().to_owned(),
        layer: Some(layer),
        position: Some(position),
        ..Coordinates::default()
    }
}

/// Adds a cell with a variant of each base, changed as `changes` says for its sample.
fn push_cell(
    sweep: &mut Sweep,
    at: Coordinates,
    bases: &[RunId],
    changes: impl Fn(usize) -> Vec<Intervention>,
) {
    let name = at.kind.clone().unwrap_or_default();
    let variant = |(sample, base): (usize, &RunId)| {
        sweep.request.push(Run::variant(name.clone(), *base, changes(sample)))
    };
    let runs = bases.iter().enumerate().map(variant).collect();
    sweep.cells.push(Cell { at, runs });
}

/// The noise of each sample, `[subject tokens, d_model]`, and a second draw where a severed trace
/// takes ROME's.
///
/// # Errors
///
/// A Student rule for too many rows, and a level so high that f32 can't hold the numbers.
pub(crate) fn draw(
    fed: &Fed,
    model: &Model,
    settings: &Settings,
    noise: &Noise,
) -> Result<Vec<Vec<Arc<Array>>>, SweepError> {
    let (tokens, d_model) = (fed.subject.len(), model.architecture().d_model);
    let mut stream = NoiseStream::new(noise, settings.seed)?;
    let mut one_draw = || -> Result<Vec<Arc<Array>>, SweepError> {
        let drawn = stream.draw(settings.samples, tokens, d_model)?;
        if drawn.values.iter().any(|value| !(*value as f32).is_finite()) {
            return Err(SweepError::NoiseTooLarge { rule: settings.noise.to_string() });
        }
        let samples = drawn.values.chunks_exact(tokens * d_model);
        let array =
            |data: &[f64]| Arc::new(Array { shape: vec![tokens, d_model], data: data.to_vec() });
        Ok(samples.map(array).collect())
    };
    let draws = if settings.sever_noise == SeverNoise::Rome { 2 } else { 1 };
    (0..draws).map(|_| one_draw()).collect()
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
        grids: grids(settings, model),
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

/// The files that a case's trace makes.
fn grids(settings: &Settings, model: &Model) -> Vec<KindGrid> {
    let grid = |kind: String, restored: Kind| KindGrid {
        kind,
        site: restored.component().name().to_owned(),
        metric: "prob".to_owned(),
        layers: model.architecture().n_layers,
    };
    let ordinary = settings.kinds.iter().map(|kind| grid(kind.name().to_owned(), *kind));
    let severed = settings.sever.iter().map(|module| grid(severed_kind(*module), Kind::Hidden));
    ordinary.chain(severed).collect()
}
