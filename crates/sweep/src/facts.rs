//! ROME's known facts: `known_1000.json` and files like it.

use std::path::Path;

use crate::case::Case;
use crate::dataset::{Bad, Checked, Fact, Format, Records};
use crate::error::SweepError;
use crate::skip::{BadRecords, refuse};

/// The 1,209 facts of ROME's `known_1000.json`, embedded in the program.
const BUILT_IN: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/known_1000.json"));

/// Facts in the order of their file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    origin: String,
    facts: Vec<Fact>,
    bad: Vec<Bad>,
}

impl Facts {
    /// ROME's 1,209 known facts.
    ///
    /// # Errors
    ///
    /// None in a program whose tests have passed.
    pub fn built_in() -> Result<Self, SweepError> {
        let origin = "known_1000.json (built in)";
        Self::of(&Records::of(origin, Format::Json, BUILT_IN.as_bytes())?, BadRecords::Refuse)
    }

    /// Reads a file of ROME's known facts or of CounterFact, in any format of [`Records`].
    ///
    /// # Errors
    ///
    /// A file that can't be read, or holds no facts; [`SweepError::BadRecords`] with every bad record unless these
    /// are skipped.
    pub fn read(path: &Path, bad: BadRecords) -> Result<Self, SweepError> {
        Self::of(&Records::read(path)?, bad)
    }

    fn of(records: &Records, how: BadRecords) -> Result<Self, SweepError> {
        let Checked { good: facts, bad } = Checked::<Fact>::facts(records);
        let origin = records.origin.clone();
        refuse(&origin, &bad, facts.len(), how)?;
        Ok(Self { origin, facts, bad })
    }

    /// The records that were skipped.
    pub fn bad(&self) -> &[Bad] {
        &self.bad
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

impl From<&Fact> for Case {
    fn from(fact: &Fact) -> Self {
        Self {
            name: fact.id.to_string(),
            prompt: fact.prompt.clone(),
            subject: fact.subject.clone(),
            expected: Some(fact.attribute.clone()),
            answer: None,
            columns: fact.columns.clone(),
            place: Some(fact.place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let records = Records::of("facts.json", Format::Json, text.as_bytes());
        let facts = records
            .map_err(SweepError::from)
            .and_then(|records| Facts::of(&records, BadRecords::Refuse));
        facts.map_err(|e| e.to_string()).err().unwrap_or_default()
    }

    #[test]
    fn the_built_in_facts_are_romes() -> Result<(), SweepError> {
        let facts = Facts::built_in()?;
        assert_eq!(facts.all().len(), 1209);
        assert_eq!(facts.all()[0].subject, "Vinson Massif");
        let cases = facts.select(&[29, 0], None)?;
        assert_eq!(cases[0].expected.as_deref(), Some("Spanish"));
        assert_eq!(cases[0].columns["relation_id"], "P407");
        assert_eq!(facts.select(&[], Some(3))?.len(), 3);
        Ok(())
    }

    #[test]
    fn bad_files_are_told_apart() {
        insta::assert_snapshot!(message("not json"), @"the dataset 'facts.json' isn't valid JSON at line 1, column 2: expected ident; correct it there, or name the file .jsonl if each line is a record of its own");
        insta::assert_snapshot!(message("{}"), @"the dataset 'facts.json' isn't a list (invalid type: map, expected a sequence): put the records between [ and ], or name the file .jsonl if each line is a record of its own");
        insta::assert_snapshot!(message("[]"), @"the dataset 'facts.json' holds no records: give a file with at least one");
        insta::assert_snapshot!(message("[3]"), @r"
        1 of the 1 records of 'facts.json' can't be used:
          line 1: 3 is neither a record, {…}, nor a prompt in quotes
        mend them: there are no others
        ");
        let record = r#"{"known_id": 1, "prompt": "A B", "subject": "B", "attribute": "C"}"#;
        let twice = format!("[{record},\n {record},\n {{\"prompt\": \"A\"}}]");
        insta::assert_snapshot!(message(&twice), @r"
        2 of the 3 records of 'facts.json' can't be used:
          line 2: its id 1 is that of line 1 already
          line 3: 'known_id' is missing; 'subject' is missing; 'attribute' is missing
        mend them, or go on without them: --skip-bad
        ");
        assert_eq!(message(&format!("[{record}]")), "");
    }

    #[test]
    fn bad_records_are_skipped_where_that_is_asked_for() -> Result<(), SweepError> {
        let text = "known_id,prompt,subject,attribute\n1,A B,B,C\n2,A B,D,C\n";
        let records = Records::of("facts.csv", Format::Csv, text.as_bytes())?;
        let facts = Facts::of(&records, BadRecords::Skip)?;
        assert_eq!((facts.all().len(), facts.bad().len()), (1, 1));
        assert_eq!(facts.bad()[0].place.to_string(), "line 3");
        Ok(())
    }
}
