//! What rows and columns of grids over cases are called.

use tracewright_ir::Role;
use tracewright_results::{CaseRecord, Key};

use crate::heatmap::row;
use crate::label::token_labels;
use crate::pair::PairReport;

/// What is known of all cases that are averaged.
pub(crate) struct Labels<'a> {
    pub(crate) cases: Vec<&'a CaseRecord>,
    /// The token at each position of each case; of a pair as both prompts have it.
    tokens: Vec<Vec<String>>,
}

impl<'a> Labels<'a> {
    /// For the cases that averages are over.
    pub(crate) fn new(cases: &'a [CaseRecord]) -> Self {
        let averaged = |case: &&CaseRecord| case.failure.is_none() && case.correct_prediction;
        let cases: Vec<&CaseRecord> = cases.iter().filter(averaged).collect();
        let tokens = |case: &&CaseRecord| {
            let pair = case.pair().and_then(|pair| PairReport::new(pair).ok());
            let of_pair = pair.map(|pair| pair.tokens().to_vec());
            of_pair.unwrap_or_else(|| token_labels(&case.tokens, &case.prompt))
        };
        Self { tokens: cases.iter().map(tokens).collect(), cases }
    }

    /// Where something is, within a sentence: a token with its position.
    pub(crate) fn place(&self, axis: &str, key: &Key) -> String {
        match (axis, key) {
            ("position" | "src_position", Key::Number(at)) => {
                format!("{} (token {at})", self.position(*at as usize).trim())
            }
            _ => self.row(axis, key),
        }
    }

    /// What a row is called.
    pub(crate) fn row(&self, axis: &str, key: &Key) -> String {
        match axis {
            "layer" | "head" | "kv_head" | "neuron" => format!("{axis} {key}"),
            _ => self.column(axis, key),
        }
    }

    /// What a column is called.
    pub(crate) fn column(&self, axis: &str, key: &Key) -> String {
        match (axis, key) {
            ("position" | "src_position", Key::Number(at)) => self.position(*at as usize),
            ("role" | "src_role", Key::Text(role)) => role.replace('_', " "),
            _ => key.to_string(),
        }
    }

    /// The token at a position where all cases have the same, or what it is to their subjects, or its number.
    fn position(&self, at: usize) -> String {
        let role = |case: &&CaseRecord| {
            let subject = case.subject_range.as_ref()?;
            Some(Role::of(at, subject, case.tokens.len()))
        };
        let in_subject = |case: &&CaseRecord| {
            case.subject_range.as_ref().is_some_and(|range| range.contains(&at))
        };
        let starred = self.cases.iter().all(in_subject);
        let text = same(self.tokens.iter().map(|tokens| tokens.get(at)));
        match (text, same(self.cases.iter().map(role))) {
            (Some(text), _) => row(text, starred),
            (None, Some(role)) => format!("{at}: {}", role.name().replace('_', " ")),
            (None, None) => format!("token {at}"),
        }
    }

    /// The position of the last subject token, where it is the same in all cases.
    pub(crate) fn last_subject(&self) -> Option<u32> {
        let last = |case: &&CaseRecord| case.subject_range.as_ref()?.end.checked_sub(1);
        same(self.cases.iter().map(last)).map(|at| at as u32)
    }
}

/// What all have.
fn same<T: PartialEq>(all: impl Iterator<Item = Option<T>>) -> Option<T> {
    let mut all = all;
    let first = all.next()??;
    all.all(|next| next.as_ref() == Some(&first)).then_some(first)
}
