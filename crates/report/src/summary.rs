//! A trace in words.

use std::ops::Range;

use tracewright_ir::{Role, window};

use crate::error::ReportError;
use crate::heatmap::RomeKind;
use crate::label::quoted;
use crate::peaks::{EffectGrid, Peak};

/// Below this difference of probabilities, or this share of the clean one, there is no effect.
pub(crate) const LEAST_EFFECT: f64 = 0.01;
const LEAST_SHARE: f64 = 0.05;
/// From this share of the total effect on, the last token is said to restore the answer.
const HALF: f64 = 0.5;

/// What was found for one prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceResult {
    /// The answer that was traced; where the model was wrong, what it says instead of `expected`.
    pub answer: String,
    /// The answer that the facts expect, where they do.
    pub expected: Option<String>,
    /// False where the model doesn't give the expected answer.
    pub correct_prediction: bool,
    /// The answer's probability in the clean run.
    pub high_score: f64,
    /// The answer's probability in the corrupted runs.
    pub low_score: f64,
    /// The prompt's tokens.
    pub tokens: Vec<String>,
    /// The subject's tokens.
    pub subject: Range<usize>,
    /// What was traced; empty where the model was wrong.
    pub grids: Vec<EffectGrid>,
    /// The severed traces.
    pub severed: Vec<Severed>,
}

/// A severed trace: hidden states restored at the last subject token while a module's outputs are
/// held there.
#[derive(Clone, Debug, PartialEq)]
pub struct Severed {
    /// The module that is held.
    pub module: RomeKind,
    /// The answer's probability after each patch, `[layers]`.
    pub values: Vec<f64>,
}

impl TraceResult {
    /// Whether corrupting the subject lowers the answer's probability noticeably.
    pub(crate) fn has_effect(&self) -> bool {
        falls(self.high_score, self.low_score)
    }

    /// The strongest hidden state of the subject. A subject at the prompt's end has the trivial
    /// cells of the last token among its own; those don't count.
    pub(crate) fn hidden_peak(&self, grid: &EffectGrid, layers: usize) -> Option<Peak> {
        let last = self.tokens.len().saturating_sub(1);
        grid.peak(self.subject.start..self.subject.end.min(last), layers, self.low_score)
    }
}

/// Whether a probability is noticeably lower than another one.
pub(crate) fn falls(from: f64, to: f64) -> bool {
    let by = from - to;
    // Written so that NaN counts as no effect.
    by >= LEAST_EFFECT && by >= LEAST_SHARE * from
}

/// Says in a few sentences what a trace found: the effect of the corruption, where each kind is
/// strongest, and how the kinds compare.
///
/// Hidden states are described in two parts, the strongest cell of the subject and the layer from
/// which on the last token carries the answer: at the last token a late layer trivially restores
/// everything, because its state is nearly the clean output.
pub fn summary(trace: &TraceResult) -> Result<String, ReportError> {
    let (subject, tokens) = (&trace.subject, trace.tokens.len());
    if !trace.correct_prediction {
        return Ok(wrong_answer(trace));
    }
    if subject.is_empty() || subject.end > tokens {
        return Err(ReportError::Subject { start: subject.start, end: subject.end, tokens });
    }
    if !trace.has_effect() {
        return Ok(no_effect(trace));
    }
    let total = trace.high_score - trace.low_score;
    let mut sentences = vec![format!(
        "The model gives {} a probability of {}; with the subject {} corrupted it falls to {}, \
         which is a total effect of {} points.",
        quoted(&trace.answer),
        percent(trace.high_score),
        quoted(&trace.tokens[subject.clone()].concat()),
        percent(trace.low_score),
        points(total),
    )];
    let mut peaks = Vec::new();
    for grid in &trace.grids {
        let layers = grid.check(tokens)?;
        if grid.kind == RomeKind::Hidden {
            sentences.push(hidden(trace, grid, layers, total));
        } else if let Some(peak) = grid.peak(0..tokens, layers, trace.low_score) {
            peaks.push((grid, peak));
        }
    }
    if !peaks.is_empty() {
        sentences.push(modules(trace, &peaks, total));
    }
    sentences.extend(severed(trace));
    Ok(sentences.join(" "))
}

fn wrong_answer(trace: &TraceResult) -> String {
    let expected = match trace.expected.as_deref() {
        Some(expected) => format!("the expected {}", quoted(expected)),
        None => "the expected answer".to_owned(),
    };
    let said = match trace.answer.trim() {
        "" => format!("The model doesn't give {expected}"),
        answer => format!("The model answers {}, not {expected}", quoted(answer)),
    };
    format!("{said}: there is no right answer whose causes could be traced, so this case wasn't.")
}

fn no_effect(trace: &TraceResult) -> String {
    let (high, low) = (trace.high_score, trace.low_score);
    let effect = match falls(low, high) {
        true => "raises the probability of",
        false => "doesn't noticeably lower the probability of",
    };
    format!(
        "Corrupting the subject {} {effect} {}: it is {} clean and {} corrupted. There is no loss \
         that restoring a state could recover.",
        quoted(&trace.tokens[trace.subject.clone()].concat()),
        quoted(&trace.answer),
        percent(high),
        percent(low),
    )
}

/// The sentence on hidden states.
fn hidden(trace: &TraceResult, grid: &EffectGrid, layers: usize, total: f64) -> String {
    let (last, low) = (trace.tokens.len() - 1, trace.low_score);
    let late = match grid.holds_from(last, layers, low, HALF * total) {
        Some(from) if from + 1 == layers => "only the final layer's restores".to_owned(),
        Some(from) => format!("those from layer {from} on restore"),
        None => "none of the late ones restores".to_owned(),
    };
    let late = format!("at the last token {late} at least half of the effect");
    match trace.hidden_peak(grid, layers) {
        Some(peak) if peak.effect < LEAST_SHARE * total => {
            format!("Of the subject's hidden states none restores 5% of the effect; {late}.")
        }
        Some(peak) => format!(
            "Of the subject's hidden states, the one after layer {} at {} restores most: {}; {late}.",
            peak.layer,
            token(trace, &peak),
            effect(&peak),
        ),
        None => format!("Of the hidden states {late}."),
    }
}

/// The sentence on severed traces.
fn severed(trace: &TraceResult) -> Option<String> {
    let last = trace.subject.end - 1;
    let best =
        |values: &[f64]| values.iter().copied().filter(|value| value.is_finite()).reduce(f64::max);
    let gain = |values: &[f64]| Some(100.0 * (best(values)? - trace.low_score));
    let part = |severed: &Severed| {
        let module = if severed.module == RomeKind::Mlp { "MLPs" } else { "attention" };
        Some(format!("{:+.1} with its {module} severed", gain(&severed.values)?))
    };
    let parts: Vec<String> = trace.severed.iter().filter_map(part).collect();
    let ordinary = trace.grids.iter().find(|grid| grid.kind == RomeKind::Hidden).and_then(|grid| {
        let layers = grid.check(trace.tokens.len()).ok()?;
        gain(grid.values.get(last * layers..(last + 1) * layers)?)
    });
    let ordinary = ordinary.map(|gain| format!("{gain:+.1} as it is, "));
    (!parts.is_empty()).then(|| {
        format!(
            "At the last subject token ({}) the best hidden state restores, in points: {}{}.",
            quoted(&trace.tokens[last]),
            ordinary.unwrap_or_default(),
            parts.join(", ")
        )
    })
}

/// The sentence on MLP and attention.
fn modules(trace: &TraceResult, peaks: &[(&EffectGrid, Peak)], total: f64) -> String {
    let tokens = trace.tokens.len();
    let part = |(grid, peak): &(&EffectGrid, Peak)| {
        let name = if grid.kind == RomeKind::Mlp { "the MLPs" } else { "attention" };
        if peak.effect < LEAST_SHARE * total {
            return format!("of {name}, no {} restores 5% of the effect", layers_of(grid));
        }
        let (restored, token) = (restored(grid, peak.layer, tokens), token(trace, peak));
        format!("of {name}, {restored} most at {token}: {}", effect(peak))
    };
    let mut sentence = peaks.iter().map(part).collect::<Vec<_>>().join("; ");
    // Every part begins with the same small letter.
    sentence.replace_range(..1, "O");
    format!("{sentence}{}.", comparison(trace, peaks, total))
}

/// The paper's finding, where the peaks of MLP and attention show it.
fn comparison(trace: &TraceResult, peaks: &[(&EffectGrid, Peak)], total: f64) -> &'static str {
    let find = |kind| peaks.iter().find(|(grid, _)| grid.kind == kind).map(|(_, peak)| peak);
    let (Some(mlp), Some(attn)) = (find(RomeKind::Mlp), find(RomeKind::Attn)) else {
        return "";
    };
    if mlp.effect.min(attn.effect) < LEAST_SHARE * total {
        return "";
    }
    let (early, late) = (role(trace, mlp), role(trace, attn));
    let sites = early == Role::LastSubject && late == Role::Last && mlp.layer < attn.layer;
    if !(sites && mlp.is_clear() && attn.is_clear()) {
        return "";
    }
    "; so there is an early site of the MLPs at the subject's end and a late site of attention at \
     the prompt's end"
}

/// What one patch of a grid restores.
fn layers_of(grid: &EffectGrid) -> String {
    match grid.window {
        0 | 1 => "layer".to_owned(),
        window => format!("window of {window} layers"),
    }
}

/// The layers that a patch around `centre` restores, and the verb: at the model's ends a window is cut.
fn restored(grid: &EffectGrid, centre: usize, tokens: usize) -> String {
    let layers = window(centre, grid.window.max(1), grid.values.len() / tokens);
    let (first, last) = (layers.start, layers.end - 1);
    let width = grid.window;
    match last - first {
        _ if width <= 1 => format!("layer {centre} restores"),
        0 => format!("layer {first} (the window of {width} around it) restores"),
        _ => format!("layers {first}–{last} (the window of {width} around layer {centre}) restore"),
    }
}

fn role(trace: &TraceResult, peak: &Peak) -> Role {
    Role::of(peak.position, &trace.subject, trace.tokens.len())
}

fn token(trace: &TraceResult, peak: &Peak) -> String {
    format!("{} ({})", role(trace, peak), quoted(&trace.tokens[peak.position]))
}

/// An effect with its spread, such as `+12.3 points (s.d. 4.5, n = 10)`.
fn effect(peak: &Peak) -> String {
    let spread = match peak.std {
        Some(std) => format!(" (s.d. {}, n = {})", points(std), peak.samples),
        None => String::new(),
    };
    format!("{:+.1} points{spread}", 100.0 * peak.effect)
}

fn percent(probability: f64) -> String {
    format!("{:.1}%", 100.0 * probability)
}

fn points(difference: f64) -> String {
    format!("{:.1}", 100.0 * difference)
}
