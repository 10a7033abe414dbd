//! What is computed: a sweep as our request, and the same sweep as a peer's job.

use std::ops::Range;

use anyhow::Result;
use serde_json::{Value, json};
use tracewright_corruption::{Noise, NoiseRule};
use tracewright_engine::predict;
use tracewright_ir::{
    Cell, Component, Coordinates, Intervention, Locus, Measure, Metric, Run, RunId, Site, Sweep,
    Tokens,
};
use tracewright_models::Model;
use tracewright_sweep::{Case, Facts, Fed, Settings, resolve_noise, trace_sweep};

/// A sweep over one prompt or a pair.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// ROME's protocol, all three kinds, with ten samples of noise of this deviation.
    Trace { ids: Vec<u32>, subject: Range<usize>, noise: f64 },
    /// A clean activation of every layer copied into the corrupted run; the metric is the difference
    /// of two logits.
    Pair { clean: Vec<u32>, corrupted: Vec<u32>, answer: u32, distractor: u32, patched: Patched },
}

/// What is copied between two prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patched {
    /// The residual stream before the layer, at every position.
    Stream,
    /// z of every head, at all positions together.
    Heads,
    /// The same, at every position.
    HeadsByPosition,
}

impl Patched {
    /// The component, and its cells' axes in TransformerLens' words.
    fn axes(self) -> (Component, &'static [&'static str]) {
        match self {
            Self::Stream => (Component::ResidPre, &["layer", "pos"]),
            Self::Heads => (Component::Z, &["layer", "head"]),
            Self::HeadsByPosition => (Component::Z, &["layer", "pos", "head"]),
        }
    }
}

impl Task {
    /// A trace of a prompt of tokens in no particular order.
    pub(super) fn trace(len: usize, subject: Range<usize>) -> Self {
        // Three deviations of the random model's embeddings.
        Self::Trace { ids: tokens(len, 101), subject, noise: 0.06 }
    }

    /// A pair of prompts that have no token in common.
    pub(super) fn pair(len: usize, patched: Patched) -> Self {
        let (clean, corrupted) = (tokens(len, 101), tokens(len, 211));
        Self::Pair { clean, corrupted, answer: 5, distractor: 700, patched }
    }

    /// A pair of prompts that differ in one token, as those of the IOI task do.
    pub(super) fn paired(len: usize, differs: usize, patched: Patched) -> Self {
        let clean = tokens(len, 101);
        let mut corrupted = clean.clone();
        corrupted[differs] = tokens(len, 211)[differs];
        Self::Pair { clean, corrupted, answer: 5, distractor: 700, patched }
    }

    /// The program's main command: a fact that the built-in model knows.
    pub(super) fn built_in(model: &Model) -> Result<Self> {
        let case = Case {
            prompt: "The Space Needle is in downtown".to_owned(),
            subject: "The Space Needle".to_owned(),
            ..Case::default()
        };
        Self::fact(model, case)
    }

    /// A fact of the built-in model.
    pub(super) fn fact(model: &Model, case: Case) -> Result<Self> {
        let fed = case.feed(&model.tokenizer)?;
        let rule = NoiseRule::SubjectDeviations(3.0);
        let noise = match resolve_noise(&rule, model, &Facts::built_in()?.subjects(), None)? {
            Noise::Gaussian { std } => std,
            other => anyhow::bail!("{rule} gave {other:?}"),
        };
        Ok(Self::Trace { ids: fed.tokens.ids, subject: fed.subject, noise })
    }

    /// The sweep, every cell of it.
    pub(super) fn sweep(&self, model: &Model) -> Result<Sweep> {
        match self {
            Self::Trace { ids, subject, noise } => trace(model, ids, subject, *noise),
            Self::Pair { clean, corrupted, answer, distractor, patched } => {
                let (answers, distractors) = (vec![*answer], vec![*distractor]);
                let metric = Metric::LogitDiff { answers, distractors };
                Ok(pair(model, [clean, corrupted], *patched, metric))
            }
        }
    }

    /// What a peer has to be told, but for the model.
    pub(super) fn job(&self) -> Value {
        match self {
            Self::Trace { ids, subject, noise } => {
                let Settings { samples, window, .. } = Settings::default();
                let subject = [subject.start, subject.end];
                json!({ "clean": ids, "subject": subject, "noise": noise, "samples": samples,
                    "window": window })
            }
            Self::Pair { clean, corrupted, answer, distractor, patched } => {
                let (component, axes) = patched.axes();
                json!({ "clean": clean, "corrupted": corrupted, "answer": answer,
                    "distractor": distractor, "site": component.name(), "axes": axes })
            }
        }
    }
}

/// Token ids far apart, so that prompts of different seeds differ everywhere.
fn tokens(len: usize, seed: u32) -> Vec<u32> {
    (0..len as u32).map(|position| (seed + 7919 * position) % 50_257).collect()
}

fn trace(model: &Model, ids: &[u32], subject: &Range<usize>, noise: f64) -> Result<Sweep> {
    let tokens = Tokens { ids: ids.to_vec(), ..Tokens::default() };
    // ROME's code asks the model for its answer, too.
    let said = predict(&model.decoder, &tokens, 1)?;
    let answer = said.first().map_or(0, |candidate| candidate.id);
    let fed = Fed { case: Case::default(), tokens, subject: subject.clone(), answer: None };
    let noise = Noise::Gaussian { std: noise };
    Ok(trace_sweep(&fed, answer, model.architecture(), &Settings::default(), &noise)?)
}

fn pair(model: &Model, [clean, corrupted]: [&[u32]; 2], patched: Patched, metric: Metric) -> Sweep {
    let mut sweep = Sweep::default();
    let request = &mut sweep.request;
    let source = request.push(Run::of_tokens("clean", clean));
    let base = request.push(Run::of_tokens("corrupted", corrupted));
    let (component, axes) = patched.axes();
    let along = |axis: &str, len: usize| -> Vec<Option<usize>> {
        if axes.contains(&axis) { (0..len).map(Some).collect() } else { vec![None] }
    };
    let architecture = model.architecture();
    for layer in 0..architecture.n_layers {
        for position in along("pos", clean.len()) {
            for head in along("head", architecture.n_heads) {
                let locus = Locus::at(Site::in_layer(component, layer));
                let locus = position.into_iter().fold(locus, |locus, p| locus.positions([p]));
                let locus = head.into_iter().fold(locus, |locus, head| locus.heads([head]));
                let copy = Intervention::copy(locus, source);
                let runs = vec![request.push(Run::variant(component.name(), base, [copy]))];
                let (site, layer) = (component.name().to_owned(), Some(layer));
                let at = Coordinates { site, layer, position, head, ..Coordinates::default() };
                sweep.cells.push(Cell { at, runs });
            }
        }
    }
    request.measures = vec![Measure::at_last(metric)];
    request.measured = (0..request.runs.len()).map(RunId).collect();
    (sweep.clean, sweep.corrupted, sweep.sources) = (vec![source], vec![base], vec![source]);
    sweep
}
