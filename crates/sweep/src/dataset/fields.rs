//! Takes a record's fields, and notes what is wrong with them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::records::Fields;

/// A record being read.
pub(crate) struct Look<'a> {
    pub(super) fields: &'a Fields,
    pub(crate) problems: Vec<String>,
}

impl<'a> Look<'a> {
    pub(crate) fn at(fields: &'a Fields) -> Self {
        Self { fields, problems: Vec::new() }
    }

    /// A field, in objects within objects where its name has dots; null and an empty list are none.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        let mut parts = name.split('.');
        let first = self.fields.get(parts.next()?)?;
        let value = parts.try_fold(first, |value, part| value.get(part));
        value.filter(|value| {
            !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
        })
    }

    /// A text that may be missing.
    pub(crate) fn optional(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        match value.as_str() {
            Some(text) if text.trim().is_empty() => self.problem(format!("'{name}' is empty")),
            Some(text) => Some(text.to_owned()),
            None => self.problem(format!("'{name}' is {}, not a text", shown(value))),
        }
    }

    /// A text or a number, as a text, that may be missing.
    pub(crate) fn label(&mut self, name: &str) -> Option<String> {
        let number = self.get(name).filter(|value| value.is_number()).and_then(scalar);
        number.or_else(|| self.optional(name))
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.get(name) {
            Some(_) => self.optional(name),
            None => self.problem(format!("'{name}' is missing")),
        }
    }

    /// A whole number, which tables may have as a text or with a decimal point.
    pub(super) fn id(&mut self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some(value) => whole(value).or_else(|| {
                self.problem(format!("'{name}' is {}, not a whole number", shown(value)))
            }),
            None => self.problem(format!("'{name}' is missing")),
        }
    }

    /// Texts: one, a list of them, or a list as a text of JSON; none where the field is missing.
    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let texts = match value {
            Value::String(text) if is_list(text) => serde_json::from_str(text).ok(),
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(_) => serde_json::from_value(value.clone()).ok(),
            _ => None,
        };
        let texts: Vec<String> = texts.unwrap_or_else(|| {
            let hint = match value {
                Value::String(_) => " (a list in a cell is written as JSON: [\" a\", \" b\"])",
                _ => "",
            };
            self.note(format!("'{name}' is {}, not a text or a list of texts{hint}", shown(value)));
            Vec::new()
        });
        if texts.iter().any(|text| text.trim().is_empty()) {
            self.note(format!("'{name}' holds an empty text"));
        }
        texts
    }

    /// Checks that a subject stands in its prompt; spaces around it don't count.
    pub(super) fn is_part(&mut self, subject: &str, prompt: &str) {
        if !prompt.contains(subject.trim()) {
            let (subject, prompt) = (short(subject), short(prompt));
            self.note(format!("its subject '{subject}' isn't in its prompt '{prompt}'"));
        }
    }

    pub(crate) fn note(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn problem<T>(&mut self, problem: String) -> Option<T> {
        self.note(problem);
        None
    }
}

/// The scalars among fields, but for those `known`, as texts.
pub(super) fn columns(fields: &Fields, known: &[&str]) -> BTreeMap<String, String> {
    let others = fields.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    others.filter_map(|(name, value)| Some((name.clone(), scalar(value)?))).collect()
}

/// A scalar as a text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn whole(value: &Value) -> Option<u64> {
    let text = scalar(value).filter(|_| !value.is_boolean())?;
    let digits = text.trim();
    // pandas writes whole numbers as 3.0 where one of the column is missing.
    digits.strip_suffix(".0").unwrap_or(digits).parse().ok()
}

/// What is meant as a list, as against a text that begins with a bracket. Python's own quotes are none of
/// JSON's, and are told.
fn is_list(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('[').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with(['"', '\'']))
}

fn shown(value: &Value) -> String {
    short(&value.to_string())
}

/// The beginning of a text, which may be long.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
