//! What rows and columns of grids over cases are called.

use tracewright_ir::Role;
use tracewright_results::{CaseRecord, Key};

use crate::heatmap::row;

/// What is known of all cases that are averaged.
pub(crate) struct Labels<'a>(pub(crate) Vec<&'a CaseRecord>);

impl<'a> Labels<'a> {
    /// For the cases that averages are over.
    pub(crate) fn new(cases: &'a [CaseRecord]) -> Self {
        let averaged = |case: &&CaseRecord| case.failure.is_none() && case.correct_prediction;
        Self(cases.iter().filter(averaged).collect())
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
        let text = |case: &&&CaseRecord| case.tokens.texts.get(at).cloned();
        let role = |case: &&&CaseRecord| {
            let subject = case.subject_range.as_ref()?;
            Some(Role::of(at, subject, case.tokens.len()))
        };
        let starred = self
            .0
            .iter()
            .all(|case| case.subject_range.as_ref().is_some_and(|subject| subject.contains(&at)));
        match (self.same(text), self.same(role)) {
            (Some(text), _) => row(&text, starred),
            (None, Some(role)) => format!("{at}: {}", role.name().replace('_', " ")),
            (None, None) => format!("token {at}"),
        }
    }

    /// What all cases have.
    fn same<T: PartialEq>(&self, of: impl Fn(&&&CaseRecord) -> Option<T>) -> Option<T> {
        let first = of(&self.0.first()?)?;
        self.0.iter().all(|case| of(&case).as_ref() == Some(&first)).then_some(first)
    }

    /// The position of the last subject token, where it is the same in all cases.
    pub(crate) fn last_subject(&self) -> Option<u32> {
        self.same(|case| case.subject_range.as_ref()?.end.checked_sub(1)).map(|at| at as u32)
    }
}
