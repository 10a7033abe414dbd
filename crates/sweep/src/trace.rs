//! ROME's causal tracing as a sweep.
//!
//! Noise on the subject's embeddings corrupts the prompt; each cell restores one clean state (or
//! a window of module outputs) at one token and asks how probable the answer is again.
//!
//! Reference: Meng et al. 2022, arXiv 2202.05262, and its `causal_trace.py`, whose numbers these
//! are.

use std::ops::{ControlFlow, Range};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracewright_corruption::{Noise, NoiseRule, NoiseStream};
use tracewright_engine::{Cost, Outcome, predict, reference};
use tracewright_ir::{
    Array, Cell, Component, Coordinates, Direction, Intervention, Locus, Measure, Metric,
    Operation, Role, Run, RunId, Site, Sweep, Value, effect, nearest, window,
};
use tracewright_models::Model;
use tracewright_results::{CaseRecord, KindGrid, Part, Row};

use crate::case::Fed;
use crate::error::SweepError;

/// What a trace restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The residual stream after one layer.
    Hidden,
    /// The MLPs' outputs in a window of layers.
    Mlp,
    /// The attentions' outputs in a window of layers.
    Attn,
}

impl Kind {
    /// Every kind, in the order of the paper's figure.
    pub const ALL: [Self; 3] = [Self::Hidden, Self::Mlp, Self::Attn];

    /// The word for it in flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Mlp => "mlp",
            Self::Attn => "attn",
        }
    }

    /// The component that is restored.
    pub fn component(self) -> Component {
        match self {
            Self::Hidden => Component::ResidPost,
            Self::Mlp => Component::MlpOut,
            Self::Attn => Component::AttnOut,
        }
    }
}

impl FromStr for Kind {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        let names = Self::ALL.map(Self::name);
        let unknown =
            || SweepError::UnknownKind { given: given.to_owned(), nearest: nearest(given, names) };
        Self::ALL.into_iter().find(|kind| kind.name() == given).ok_or_else(unknown)
    }
}

/// A window of more layers than any model has is a slip of the hand.
const MOST_LAYERS: usize = 10_000;

/// How to trace; the defaults are those of ROME's code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What is restored, in this order.
    pub kinds: Vec<Kind>,
    /// Layers that are restored together for MLPs and attention.
    pub window: usize,
    /// Corrupted runs, each with its own noise.
    pub samples: usize,
    /// The noise on the subject's embeddings.
    pub noise: NoiseRule,
    /// The noise replaces the embeddings instead of being added. As in ROME's code the corrupted
    /// score is measured with added noise all the same.
    pub replace: bool,
    /// The seed of the noise.
    pub seed: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kinds: Kind::ALL.to_vec(),
            window: 10,
            samples: 10,
            noise: NoiseRule::SubjectDeviations(3.0),
            replace: false,
            seed: tracewright_corruption::ROME_SEED,
        }
    }
}

impl Settings {
    /// Fails where there is nothing to trace.
    ///
    /// # Errors
    ///
    /// A window or a number of samples of 0, a window wider than any model, no kinds or one of
    /// them twice.
    pub fn check(&self) -> Result<(), SweepError> {
        let zero = [("the window", self.window), ("the number of samples", self.samples)];
        if let Some((what, _)) = zero.into_iter().find(|(_, number)| *number == 0) {
            return Err(SweepError::Zero { what });
        }
        if self.window > MOST_LAYERS {
            return Err(SweepError::WindowTooWide { given: self.window, most: MOST_LAYERS });
        }
        let mut kinds = self.kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        match kinds.len() {
            n if n > 0 && n == self.kinds.len() => Ok(()),
            _ => Err(SweepError::BadKinds),
        }
    }

    /// The layers that a kind restores around a centre.
    fn layers(&self, kind: Kind, centre: usize, n_layers: usize) -> Range<usize> {
        match kind {
            Kind::Hidden => centre..centre + 1,
            Kind::Mlp | Kind::Attn => window(centre, self.window, n_layers),
        }
    }

    /// Full forward passes that tracing a prompt takes: progress is counted in these.
    pub fn forwards(&self, tokens: usize, n_layers: usize) -> usize {
        let corrupted = if self.replace { 2 } else { 1 };
        let cells = self.kinds.len() * tokens * n_layers;
        self.samples.saturating_mul(corrupted + cells).saturating_add(1)
    }
}

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
fn draw(
    fed: &Fed,
    model: &Model,
    settings: &Settings,
    noise: &Noise,
) -> Result<Vec<Arc<Array>>, SweepError> {
    let (tokens, d_model) = (fed.subject.len(), model.architecture().d_model);
    let drawn = NoiseStream::new(noise, settings.seed)?.draw(settings.samples, tokens, d_model)?;
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
    progress: reference::Progress<'_>,
) -> Result<(Part, Cost), SweepError> {
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
        return Ok((Part { cases: vec![case], rows: Vec::new() }, predicted));
    }
    let sweep = sweep(fed, answer, model, settings, noise)?;
    let outcome = reference::execute(&model.decoder, &sweep.request, progress)?;
    let scores = Scores::new(&sweep, &outcome);
    (case.high_score, case.low_score) = (scores.clean.mean, scores.corrupted.mean);
    let rows = sweep.cells.iter().map(|cell| scores.row(cell, fed)).collect();
    let mut cost = outcome.cost;
    cost += predicted;
    Ok((Part { cases: vec![case], rows }, cost))
}

fn grid(kind: Kind, model: &Model) -> KindGrid {
    KindGrid {
        kind: kind.name().to_owned(),
        site: kind.component().name().to_owned(),
        metric: "prob".to_owned(),
        layers: model.architecture().n_layers,
    }
}

/// An average over noise samples.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Average {
    mean: f64,
    /// With n − 1; none for a single sample.
    std: Option<f64>,
    n: usize,
}

impl Average {
    fn of(values: &[f64]) -> Self {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, std: (n > 1).then(|| (squares / (n as f64 - 1.0)).sqrt()), n }
    }
}

/// The metric of every run, and the averages that cells are compared with.
struct Scores<'a> {
    values: &'a [f64],
    metric: &'a Metric,
    clean: Average,
    corrupted: Average,
    base: Average,
}

impl<'a> Scores<'a> {
    fn new(sweep: &'a Sweep, outcome: &'a Outcome) -> Self {
        let values = &outcome.values[0];
        let average = |runs: &[RunId]| average(values, runs);
        Self {
            values,
            metric: &sweep.request.measures[0].metric,
            clean: average(&sweep.clean),
            corrupted: average(&sweep.corrupted),
            base: average(&sweep.bases),
        }
    }

    fn row(&self, cell: &Cell, fed: &Fed) -> Row {
        let Average { mean: value, std, n } = average(self.values, &cell.runs);
        let (clean, corrupted, base) = (self.clean.mean, self.corrupted.mean, self.base.mean);
        let position = cell.at.position.unwrap_or_default();
        Row {
            case: fed.case.name.clone(),
            kind: cell.at.kind.clone(),
            site: cell.at.site.clone(),
            layer: cell.at.layer.map(|layer| layer as u32),
            position: Some(position as u32),
            token: fed.tokens.texts.get(position).cloned(),
            role: Some(Role::of(position, &fed.subject, fed.tokens.len()).name().to_owned()),
            metric: self.metric.name().to_owned(),
            value: Some(value),
            clean: Some(clean),
            corrupted: Some(corrupted),
            base: Some(base),
            source: Some(clean),
            recovery: self.metric.recovery(value, clean, corrupted),
            effect: effect(value, base, clean),
            std,
            n: n as u32,
            ..Row::default()
        }
    }
}

fn average(values: &[f64], runs: &[RunId]) -> Average {
    // Every run is measured, in the order of the ids.
    let values: Vec<f64> = runs.iter().map(|run| values[run.0]).collect();
    Average::of(&values)
}

/// Goes on whatever happens: for callers that don't show progress.
pub fn silent(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_over_samples_has_n_minus_1() {
        let average = Average::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((average.mean, average.n), (2.5, 4));
        assert!((average.std.unwrap_or_default() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(Average::of(&[7.0]), Average { mean: 7.0, std: None, n: 1 });
    }

    #[test]
    fn settings_without_anything_to_trace_are_refused() {
        let message = |settings: Settings| settings.check().map_err(|e| e.to_string()).err();
        let default = Settings::default;
        assert_eq!(message(default()), None);
        let none = "give each kind once: hidden, mlp, attn";
        assert_eq!(message(Settings { kinds: vec![], ..default() }).as_deref(), Some(none));
        let twice = vec![Kind::Mlp, Kind::Mlp];
        assert_eq!(message(Settings { kinds: twice, ..default() }).as_deref(), Some(none));
        let zero = "the window is 0: give at least 1";
        assert_eq!(message(Settings { window: 0, ..default() }).as_deref(), Some(zero));
        let zero = "the number of samples is 0: give at least 1";
        assert_eq!(message(Settings { samples: 0, ..default() }).as_deref(), Some(zero));
    }
}
