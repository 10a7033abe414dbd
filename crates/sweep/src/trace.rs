//! ROME's causal tracing as a sweep.
//!
//! Noise on the subject's embeddings corrupts the prompt; each cell restores one clean state (or
//! a window of module outputs) at one token and asks how probable the answer is again.
//!
//! Reference: Meng et al. 2022, arXiv 2202.05262, and its `causal_trace.py`, whose numbers these
//! are.

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use serde_json::json;
use tracewright_corruption::{Noise, NoiseStream};
use tracewright_engine::{Cost, Execution, Outcome, Progress, silent};
use tracewright_ir::{
    Architecture, Array, Cell, Component, Coordinates, Direction, Intervention, Locus, Measure,
    Metric, Operation, Request, Run, RunId, Site, Sweep, Value,
};
use tracewright_models::Model;
use tracewright_results::{CaseRecord, KindGrid, Part};

use crate::case::Fed;
use crate::error::SweepError;
use crate::experiment::execute;
use crate::pair::Reported;
use crate::scores::{Prompt, Scores};
use crate::settings::{Kind, Settings, SeverNoise};

/// The runs and cells of one case's trace, measuring the probability of `answer`.
///
/// # Errors
///
/// Noise that can't be drawn (a Student rule for too many rows).
pub fn sweep(
    fed: &Fed,
    answer: u32,
    architecture: &Architecture,
    settings: &Settings,
    noise: &Noise,
) -> Result<Sweep, SweepError> {
    let draws = draw(fed, architecture, settings, noise)?;
    let n_layers = architecture.n_layers;
    let mut tracing = Tracing { fed, settings, n_layers, sweep: Sweep::default() };
    let clean = tracing.sweep.request.push(Run::of_tokens("clean", &fed.tokens.ids));
    tracing.sweep.direction = Direction::Denoise;
    tracing.sweep.clean = vec![clean];
    tracing.sweep.sources = vec![clean];
    tracing.sweep.corrupted = tracing.corrupt(&draws[0], Operation::Add);
    let operation = if settings.replace { Operation::Replace } else { Operation::Add };
    let bases = match settings.replace {
        true => tracing.corrupt(&draws[0], operation),
        false => tracing.sweep.corrupted.clone(),
    };
    tracing.restored(&bases);
    if !settings.sever.is_empty() {
        let severed = match settings.sever_noise {
            SeverNoise::Rome => tracing.corrupt(&draws[1], operation),
            SeverNoise::Same => bases.clone(),
        };
        tracing.severed(&severed, &bases);
    }
    let mut sweep = tracing.sweep;
    sweep.request.measures = vec![Measure::at_last(Metric::Prob { answer })];
    sweep.request.measured = (0..sweep.request.runs.len()).map(RunId).collect();
    Ok(sweep)
}

/// A sweep under way; its clean run is the first.
struct Tracing<'a> {
    fed: &'a Fed,
    settings: &'a Settings,
    n_layers: usize,
    sweep: Sweep,
}

impl Tracing<'_> {
    const CLEAN: RunId = RunId(0);

    /// Adds a corrupted run for each sample of noise.
    fn corrupt(&mut self, noise: &[Arc<Array>], operation: fn(Value) -> Operation) -> Vec<RunId> {
        let runs = noise.iter().enumerate().map(|(sample, array)| {
            let subject = self.fed.subject.clone();
            let locus = Locus::at(Site::outside(Component::Embed)).positions(subject);
            let operation = operation(Value::Array(array.clone()));
            let change = Intervention { locus, operation };
            Run::variant(format!("corrupted {sample}"), Self::CLEAN, [change])
        });
        runs.map(|run| self.sweep.request.push(run)).collect()
    }

    /// Adds every kind's cells: tokens × layers.
    fn restored(&mut self, bases: &[RunId]) {
        for kind in &self.settings.kinds {
            for position in 0..self.fed.tokens.len() {
                for layer in 0..self.n_layers {
                    let layers = self.settings.layers(*kind, layer, self.n_layers);
                    let restore = restore(*kind, position, layers, Self::CLEAN);
                    let at = at(kind.name(), *kind, layer, position);
                    self.push(at, bases, |_| restore.clone());
                }
            }
        }
    }

    /// Adds a cell for each layer and severed module: at the last subject token all the module's
    /// outputs are held at those of `held`, then one layer's state is restored.
    fn severed(&mut self, bases: &[RunId], held: &[RunId]) {
        let position = self.fed.subject.end - 1;
        for module in &self.settings.sever {
            for layer in 0..self.n_layers {
                let at = at(&severed_kind(*module), Kind::Hidden, layer, position);
                let n_layers = self.n_layers;
                self.push(at, bases, |sample| {
                    let mut changes = restore(*module, position, 0..n_layers, held[sample]);
                    let state = restore(Kind::Hidden, position, layer..layer + 1, Self::CLEAN);
                    changes.extend(state);
                    changes
                });
            }
        }
    }

    /// Adds a cell with a variant of each base, changed as `changes` says for its sample.
    fn push(
        &mut self,
        at: Coordinates,
        bases: &[RunId],
        changes: impl Fn(usize) -> Vec<Intervention>,
    ) {
        let name = at.kind.clone().unwrap_or_default();
        let variant = |(sample, base): (usize, &RunId)| {
            self.sweep.request.push(Run::variant(name.clone(), *base, changes(sample)))
        };
        let runs = bases.iter().enumerate().map(variant).collect();
        self.sweep.cells.push(Cell { at, runs });
    }
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

/// The noise of each sample, `[subject tokens, d_model]`, and a second draw where a severed trace
/// takes ROME's.
///
/// # Errors
///
/// A Student rule for too many rows, and a level so high that f32 can't hold the numbers.
pub(crate) fn draw(
    fed: &Fed,
    architecture: &Architecture,
    settings: &Settings,
    noise: &Noise,
) -> Result<Vec<Vec<Arc<Array>>>, SweepError> {
    let (tokens, d_model) = (fed.subject.len(), architecture.d_model);
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
    let draws = match settings.sever_noise {
        SeverNoise::Rome => 2,
        SeverNoise::Same => 1,
    };
    (0..draws).map(|_| one_draw()).collect()
}

/// Traces one case: what the model says, and, where that is what the case expects, every cell.
///
/// # Errors
///
/// What keeps the case from being traced at all; see [`tracewright_engine::execute`].
pub fn trace(
    fed: &Fed,
    model: &Model,
    settings: &Settings,
    noise: &Noise,
    execution: &Execution,
    progress: Progress<'_>,
) -> Result<Part, SweepError> {
    trace_all(slice::from_ref(fed), model, (settings, noise), execution, progress)
}

/// Traces some cases in passes that they share: one for what the model says of all, one or several for
/// all cells. The first case's cost is that of all.
pub(crate) fn trace_all(
    cases: &[Fed],
    model: &Model,
    (settings, noise): (&Settings, &Noise),
    execution: &Execution,
    progress: Progress<'_>,
) -> Result<Part, SweepError> {
    let (said, mut cost) = said(cases, model, execution)?;
    let mut part = Part::default();
    let mut traced: Vec<(&Fed, Sweep)> = Vec::new();
    for (fed, said) in cases.iter().zip(said) {
        let record = record(fed, said, model, settings);
        if record.correct_prediction {
            let architecture = model.architecture();
            traced.push((fed, sweep(fed, record.answer_id, architecture, settings, noise)?));
        }
        part.cases.push(record);
    }
    let requests: Vec<&Request> = traced.iter().map(|(_, sweep)| &sweep.request).collect();
    let outcomes = match requests.is_empty() {
        true => Vec::new(),
        false => execute(model, &requests, execution, progress)?,
    };
    let prob = Reported::only("prob");
    for ((fed, sweep), outcome) in traced.iter().zip(&outcomes) {
        cost += outcome.cost;
        let scores = Scores::new(sweep, outcome, &prob);
        let prompt = Prompt {
            corruption: None,
            case: &fed.case.name,
            tokens: &fed.tokens.texts,
            subject: Some(&fed.subject),
        };
        part.rows.extend(sweep.cells.iter().map(|cell| scores.row(cell, &prompt)));
        let case = part.cases.iter_mut().find(|case| case.name == fed.case.name);
        if let Some(case) = case {
            (case.high_score, case.low_score) = (scores.clean, scores.corrupted);
        }
    }
    for (index, case) in part.cases.iter_mut().enumerate() {
        case.cost = json!(if index == 0 { cost } else { Cost::default() });
    }
    Ok(part)
}

/// The request for the likeliest next token.
pub(crate) fn first_look(fed: &Fed) -> Request {
    let mut request = Request { top_k: 1, ..Request::default() };
    let clean = request.push(Run::of_tokens("clean", &fed.tokens.ids));
    request.measures = vec![Measure::at_last(Metric::Entropy)];
    request.measured = vec![clean];
    request
}

/// The likeliest next token of each case, and what it took.
fn said(
    cases: &[Fed],
    model: &Model,
    execution: &Execution,
) -> Result<(Vec<u32>, Cost), SweepError> {
    let requests: Vec<Request> = cases.iter().map(first_look).collect();
    let requests: Vec<&Request> = requests.iter().collect();
    let outcomes = execute(model, &requests, execution, &mut silent)?;
    let mut cost = Cost::default();
    outcomes.iter().for_each(|outcome| cost += outcome.cost);
    let first = |outcome: &Outcome| {
        outcome.tops.first().and_then(|top| top.first()).map_or(0, |candidate| candidate.id)
    };
    Ok((outcomes.iter().map(first).collect(), cost))
}

/// What is recorded of a case of which the model says `said`, but for its scores and cost.
fn record(fed: &Fed, said: u32, model: &Model, settings: &Settings) -> CaseRecord {
    let answer = fed.answer.unwrap_or(said);
    let text = model.tokenizer.text(answer);
    let expected = fed.case.expected.clone();
    CaseRecord {
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
        columns: fed.case.columns.clone(),
        ..CaseRecord::default()
    }
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
