//! A case as the page holds it.

use serde::Serialize;
use serde_json::{Map, Value};
use tracewright_ir::Direction;
use tracewright_results::{CaseRecord, PairPrompt, PairRecord, Row, TopToken, TopTokens};

use super::grid::{Grid, grids};
use super::tables::{OF_ROWS, of_row};
use crate::case::CaseReport;
use crate::error::ReportError;
use crate::label::{token_labels, visible};
use crate::pair::PairReport;

/// Everything that the page shows of a case, or of all cases together.
#[derive(Debug, Default, Serialize)]
pub(super) struct Document {
    /// The prompt, and of a pair the other one.
    pub(super) prompts: Vec<Prompt>,
    /// What stands at each position; `clean → corrupted` where prompts differ.
    pub(super) tokens: Vec<String>,
    /// The subject's positions, half open.
    pub(super) subject: (usize, usize),
    /// The answer that is traced.
    pub(super) answer: String,
    /// Sentences.
    pub(super) summary: Vec<String>,
    /// What else is known, by name.
    pub(super) facts: Vec<(String, String)>,
    pub(super) grids: Vec<Grid>,
    /// The second run's differences from the first, in pairs; only of all cases together.
    pub(super) differences: Vec<Grid>,
    pub(super) top: Vec<Top>,
}

/// A prompt as it was fed.
#[derive(Debug, Serialize)]
pub(super) struct Prompt {
    name: &'static str,
    tokens: Vec<String>,
    /// The subject's positions, half open.
    subject: (usize, usize),
    says: String,
}

/// The likeliest next tokens of a run.
#[derive(Debug, Serialize)]
pub(super) struct Top {
    run: String,
    at: Map<String, Value>,
    /// Text, probability and logit of each.
    tokens: Vec<(String, f32, f32)>,
}

/// How the list of cases marks a case.
pub(super) fn mark(case: &CaseRecord) -> &'static str {
    match (&case.failure, case.correct_prediction) {
        (Some(_), _) => "failed",
        (None, false) => "other answer",
        (None, true) => "",
    }
}

impl Document {
    /// Of a case with its cells; `model` is the name that sentences carry.
    pub(super) fn of_case(
        case: &CaseRecord,
        rows: &[Row],
        model: &str,
    ) -> Result<Self, ReportError> {
        let cells = rows.iter().map(of_row).collect();
        let facts = facts(case);
        if let Some(reason) = &case.failure {
            let summary = vec![format!("This case failed: {}", visible(reason))];
            return Ok(Self { facts, summary, ..Self::default() });
        }
        match case.pair() {
            Some(pair) => {
                let grids = grids(cells, &OF_ROWS, first_shown(&pair))?;
                Self { facts, grids, ..Self::default() }.with_pair(pair)
            }
            None => {
                let summary = CaseReport::new(case, rows, model)?.summary()?;
                let grids = grids(cells, &OF_ROWS, "value")?;
                Ok(Self { facts, summary: vec![summary], grids, ..Self::default() }.with_case(case))
            }
        }
    }

    fn with_case(mut self, case: &CaseRecord) -> Self {
        let subject = case.subject_range.clone().unwrap_or(0..0);
        let labels = token_labels(&case.tokens, &case.prompt);
        self.tokens = labels.iter().map(|text| visible(text)).collect();
        self.subject = (subject.start, subject.end);
        self.answer = visible(&case.answer);
        let (tokens, subject, says) = (self.tokens.clone(), self.subject, self.answer.clone());
        self.prompts = vec![Prompt { name: "prompt", tokens, subject, says }];
        self
    }

    fn with_pair(mut self, pair: PairRecord) -> Result<Self, ReportError> {
        self.subject = (pair.subject_range.start, pair.subject_range.end);
        self.answer = visible(&pair.answer.text);
        self.prompts = vec![prompt("clean", &pair.clean, self.subject)];
        if pair.corruption.is_some() || pair.clean.prompt != pair.corrupted.prompt {
            let subject = if pair.align.is_none() { self.subject } else { (0, 0) };
            self.prompts.push(prompt("corrupted", &pair.corrupted, subject));
        }
        self.top = pair.top.iter().filter_map(top).collect();
        let report = PairReport::new(pair)?;
        self.tokens = report.tokens().to_vec();
        self.summary = vec![report.summary()];
        self.facts.insert(0, ("setting".to_owned(), report.setting()));
        Ok(self)
    }
}

fn prompt(name: &'static str, prompt: &PairPrompt, subject: (usize, usize)) -> Prompt {
    let labels = token_labels(&prompt.tokens, &prompt.prompt);
    let tokens = labels.iter().map(|text| visible(text)).collect();
    Prompt { name, tokens, subject, says: visible(&prompt.prediction.text) }
}

/// How far a patch moves its run: of denoising that is what it recovers, otherwise its effect.
pub(super) fn first_shown(pair: &PairRecord) -> &'static str {
    let between_others = pair.base.is_some() || pair.source.is_some();
    let denoises = pair.direction == Direction::Denoise && !between_others;
    if denoises { "recovery" } else { "effect" }
}

/// Those of the first noise sample stand for all.
fn top(top: &TopTokens) -> Option<Top> {
    let place = |(name, index): (&String, &Value)| {
        let index = index.as_str().map_or_else(|| index.clone(), |text| Value::from(visible(text)));
        (name.clone(), index)
    };
    let at = top.at.as_object().map(|at| at.iter().map(place).collect()).unwrap_or_default();
    let token = |token: &TopToken| (visible(&token.text), token.prob, token.logit);
    let tokens = top.tokens.iter().map(token).collect();
    (top.sample == 0).then(|| Top { run: visible(&top.run), at, tokens })
}

/// What is known of a case besides its cells.
fn facts(case: &CaseRecord) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut tell = |name: &str, text: String| facts.push((visible(name), visible(&text)));
    if let Some(subject) = &case.subject {
        tell("subject", subject.clone());
    }
    if let Some(expected) = &case.expected {
        tell("expected answer", expected.clone());
    }
    if !case.grids.is_empty() {
        tell("clean score", case.high_score.to_string());
        tell("corrupted score", case.low_score.to_string());
        tell("window of layers", case.window.to_string());
        tell("noise samples", case.samples.to_string());
    }
    for (name, text) in &case.columns {
        tell(name, text.clone());
    }
    if let Some(retry) = &case.retry {
        tell("computed again", format!("with {} bytes, after: {}", retry.memory, retry.reason));
    }
    facts
}
