//! Pairs of prompts.
//!
//! | field | what it holds |
//! | --- | --- |
//! | `name` | names the pair; if missing, how many records stand before it |
//! | `clean` | the clean prompt |
//! | `corrupted` | the corrupted prompt, or several |
//! | `subject` | what the clean prompt is about; a part of it |
//! | `answer`, `distractor` | an answer and what it is compared with, or several of each |
//! | `group` | the group of prompts of a dataset whose means it takes |
//!
//! Every other scalar is a column of the results. Where a field may hold several texts it is a list, or,
//! in a cell of a table, a JSON list as a text: `[" Mary", " Anna"]`. A text is such a list if it begins
//! with `["` (or `['`, which is no JSON and so is bad); any other stands for itself.

use std::collections::BTreeMap;

use tracewright_ir::nearest;

use super::fields::{Look, columns, short};
use super::records::{Checked, Place, Record, Records};
use crate::pair::Pair;

/// The fields that have a meaning.
const KNOWN: [&str; 7] = ["name", "clean", "corrupted", "subject", "answer", "distractor", "group"];

impl Checked<Pair> {
    /// The pairs among records. Each needs `clean`, and what else is `required`, such as `corrupted` where
    /// nothing else corrupts.
    ///
    /// Bad are those without a required field, with fields of another type, with a name that is taken, with
    /// a corrupted prompt that is the clean one, and with a subject that isn't in the clean one. A field
    /// that isn't known is a column; where a required one is missing, those most like it are told.
    pub fn pairs(records: &Records, required: &[&str]) -> Self {
        let mut names: BTreeMap<String, Place> = BTreeMap::new();
        records.check(|record| {
            let mut look = Look::at(&record.fields);
            for name in ["clean"].iter().chain(required) {
                if look.get(name).is_none() {
                    look.note(format!("'{name}' is missing{}", instead(record, name)));
                }
            }
            let pair = pair(record, &mut look);
            if let Some(place) = names.get(&pair.name) {
                look.note(format!("its name '{}' is that of {place} already", pair.name));
            }
            if !look.problems.is_empty() {
                return Err(look.problems);
            }
            names.insert(pair.name.clone(), record.place);
            Ok(pair)
        })
    }
}

fn pair(record: &Record, look: &mut Look<'_>) -> Pair {
    let pair = Pair {
        place: Some(record.place),
        name: look.label("name").unwrap_or_else(|| record.index.to_string()),
        clean: look.optional("clean").unwrap_or_default(),
        corrupted: look.texts("corrupted"),
        subject: look.optional("subject"),
        answer: look.texts("answer"),
        distractor: look.texts("distractor"),
        group: look.label("group"),
        columns: columns(&record.fields, &KNOWN),
    };
    if !pair.clean.is_empty() && pair.corrupted.contains(&pair.clean) {
        let clean = short(&pair.clean);
        look.note(format!("its clean and its corrupted prompt are the same, '{clean}'"));
    }
    if let (Some(subject), false) = (&pair.subject, pair.clean.is_empty()) {
        look.is_part(subject, &pair.clean);
    }
    pair
}

/// The fields that may be a missing one by another name.
fn instead(record: &Record, missing: &str) -> String {
    let texts = record.fields.iter().filter(|(_, value)| value.is_string() || value.is_array());
    let others = texts.map(|(name, _)| name.as_str()).filter(|name| !KNOWN.contains(name));
    match nearest(missing, others).as_slice() {
        [] => String::new(),
        near => format!(" (the record has '{}')", near.join("', '")),
    }
}
