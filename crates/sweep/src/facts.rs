//! ROME's known facts: `known_1000.json` and files like it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::case::Case;
use crate::error::SweepError;

/// The 1,209 facts of ROME's `known_1000.json`, embedded in the program.
const BUILT_IN: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/known_1000.json"));

/// Facts in the order of their file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    origin: String,
    facts: Vec<Fact>,
}

/// One fact; the other fields of a record aren't read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its id (`known_id`).
    pub id: u64,
    /// The prompt, which the answer completes.
    pub prompt: String,
    /// What the prompt is about; a part of it.
    pub subject: String,
    /// The expected answer (`attribute`), without its leading space.
    pub attribute: String,
}

impl Facts {
    /// ROME's 1,209 known facts.
    ///
    /// # Errors
    ///
    /// None in a program whose tests have passed.
    pub fn built_in() -> Result<Self, SweepError> {
        Self::parse("known_1000.json (built in)", BUILT_IN)
    }

    /// Reads a file in the format of ROME's `known_1000.json`.
    ///
    /// # Errors
    ///
    /// A file that can't be read, isn't JSON, or has a bad record, named by its index.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        let unreadable = |error| SweepError::UnreadableFacts { path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&path.display().to_string(), &text)
    }

    fn parse(origin: &str, text: &str) -> Result<Self, SweepError> {
        let bad = |problem: String| SweepError::BadFacts { origin: origin.to_owned(), problem };
        let value: Value = serde_json::from_str(text)
            .map_err(|error| bad(format!("isn't valid JSON: {error}")))?;
        let Value::Array(records) = value else {
            return Err(bad("isn't a list of records: see ROME's known_1000.json".to_owned()));
        };
        let mut ids = BTreeSet::new();
        let mut facts = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            let fact = fact(record)
                .map_err(|problem| bad(format!("has a bad record at index {index}: {problem}")))?;
            if !ids.insert(fact.id) {
                return Err(bad(format!("has known_id {} twice, at index {index} again", fact.id)));
            }
            facts.push(fact);
        }
        if facts.is_empty() {
            return Err(bad("holds no facts".to_owned()));
        }
        Ok(Self { origin: origin.to_owned(), facts })
    }

    /// All facts.
    pub fn all(&self) -> &[Fact] {
        &self.facts
    }

    /// Every subject, as often as it occurs: ROME's noise level is measured on these.
    pub fn subjects(&self) -> Vec<&str> {
        self.facts.iter().map(|fact| fact.subject.as_str()).collect()
    }

    /// The facts with the given ids, in the order given, or the first `limit`, or all.
    ///
    /// # Errors
    ///
    /// [`SweepError::NoSuchFact`], and [`SweepError::NoFacts`] for a limit of 0.
    pub fn select(&self, ids: &[u64], limit: Option<usize>) -> Result<Vec<Case>, SweepError> {
        let chosen: Vec<&Fact> = if ids.is_empty() {
            self.facts.iter().take(limit.unwrap_or(usize::MAX)).collect()
        } else {
            ids.iter().map(|id| self.find(*id)).collect::<Result<_, _>>()?
        };
        if chosen.is_empty() {
            return Err(SweepError::NoFacts);
        }
        Ok(chosen.into_iter().map(Case::from).collect())
    }

    fn find(&self, id: u64) -> Result<&Fact, SweepError> {
        let ids = self.facts.iter().map(|fact| fact.id);
        let missing = || SweepError::NoSuchFact {
            id,
            origin: self.origin.clone(),
            first: ids.clone().min().unwrap_or_default(),
            last: ids.clone().max().unwrap_or_default(),
        };
        self.facts.iter().find(|fact| fact.id == id).ok_or_else(missing)
    }
}

fn fact(record: &Value) -> Result<Fact, String> {
    let fields = record.as_object().ok_or_else(|| format!("{record} isn't an object"))?;
    let fact = Fact {
        id: match field(fields, "known_id")? {
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
        .ok_or("'known_id' isn't a whole number")?,
        prompt: text(fields, "prompt")?,
        subject: text(fields, "subject")?,
        attribute: text(fields, "attribute")?,
    };
    if !fact.prompt.contains(&fact.subject) {
        return Err(format!(
            "its subject '{}' isn't in its prompt '{}'",
            fact.subject, fact.prompt
        ));
    }
    Ok(fact)
}

fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    fields.get(name).ok_or_else(|| format!("'{name}' is missing"))
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    let text = field(fields, name)?.as_str().ok_or_else(|| format!("'{name}' isn't a text"))?;
    if text.is_empty() { Err(format!("'{name}' is empty")) } else { Ok(text.to_owned()) }
}

impl From<&Fact> for Case {
    fn from(fact: &Fact) -> Self {
        Self {
            name: fact.id.to_string(),
            prompt: fact.prompt.clone(),
            subject: fact.subject.clone(),
            expected: Some(fact.attribute.clone()),
            answer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        Facts::parse("facts.json", text).map_err(|e| e.to_string()).err().unwrap_or_default()
    }

    #[test]
    fn the_built_in_facts_are_romes() -> Result<(), SweepError> {
        let facts = Facts::built_in()?;
        assert_eq!(facts.all().len(), 1209);
        assert_eq!(facts.all()[0].subject, "Vinson Massif");
        let cases = facts.select(&[29, 0], None)?;
        assert_eq!(cases[0].expected.as_deref(), Some("Spanish"));
        assert_eq!(facts.select(&[], Some(3))?.len(), 3);
        Ok(())
    }

    #[test]
    fn bad_files_are_told_apart() {
        insta::assert_snapshot!(message("not json"), @"the facts file 'facts.json' isn't valid JSON: expected ident at line 1 column 2");
        insta::assert_snapshot!(message("{}"), @"the facts file 'facts.json' isn't a list of records: see ROME's known_1000.json");
        insta::assert_snapshot!(message("[]"), @"the facts file 'facts.json' holds no facts");
        insta::assert_snapshot!(message(r#"[{"known_id": 1}]"#), @"the facts file 'facts.json' has a bad record at index 0: 'prompt' is missing");
        let good = r#"{"known_id": 1, "prompt": "A is", "subject": "A", "attribute": "b"}"#;
        insta::assert_snapshot!(message(&format!("[{good}, 7]")), @"the facts file 'facts.json' has a bad record at index 1: 7 isn't an object");
        insta::assert_snapshot!(message(&format!("[{good}, {good}]")), @"the facts file 'facts.json' has known_id 1 twice, at index 1 again");
        insta::assert_snapshot!(message(&format!("[{good}, {}]", good.replace("A is", "B is"))), @"the facts file 'facts.json' has a bad record at index 1: its subject 'A' isn't in its prompt 'B is'");
    }

    #[test]
    fn ids_that_are_not_there_are_refused() -> Result<(), SweepError> {
        let facts = Facts::built_in()?;
        let refused = |ids: &[u64], limit| {
            facts.select(ids, limit).map_err(|e| e.to_string()).err().unwrap_or_default()
        };
        insta::assert_snapshot!(refused(&[3, 5000], None), @"there is no fact with id 5000 in 'known_1000.json (built in)': its ids go from 0 to 1208");
        insta::assert_snapshot!(refused(&[], Some(0)), @"no facts are selected: give a --limit of at least 1, or --ids that are in the file");
        Ok(())
    }
}
