//! Bad records of a dataset: refused, or skipped where that is asked for.

use serde::Serialize;

use crate::dataset::{Bad, Place};
use crate::error::SweepError;

/// What becomes of bad records, and of cases that don't fit the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadRecords {
    /// Nothing is computed before they are mended.
    #[default]
    Refuse,
    /// They are told, and the others go on.
    Skip,
}

/// A record that was skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Which one: where it stands in its file, or a case's name.
    pub record: String,
    /// All that is wrong with it.
    pub reason: String,
}

impl Skipped {
    /// A case that doesn't fit the model.
    pub(crate) fn case((name, place): &(String, Option<Place>), reason: String) -> Self {
        let record = match place {
            Some(place) => format!("{place}, case {name}"),
            None => format!("case {name}"),
        };
        Self { record, reason }
    }
}

impl From<&Bad> for Skipped {
    fn from(bad: &Bad) -> Self {
        Self { record: bad.place.to_string(), reason: bad.problem.clone() }
    }
}

/// Refuses bad records of a file, unless they are skipped and there are others.
///
/// # Errors
///
/// [`SweepError::BadRecords`].
pub(crate) fn refuse(
    origin: &str,
    bad: &[Bad],
    good: usize,
    how: BadRecords,
) -> Result<(), SweepError> {
    if bad.is_empty() || (how == BadRecords::Skip && good > 0) {
        return Ok(());
    }
    let bad = bad.iter().map(Skipped::from).collect();
    Err(SweepError::BadRecords { origin: origin.to_owned(), bad, good })
}

/// The records, a line for each; of many the first.
pub(crate) fn listed(bad: &[Skipped]) -> String {
    const MOST: usize = 10;
    let line = |Skipped { record, reason }: &Skipped| format!("  {record}: {reason}");
    let mut lines: Vec<String> = bad.iter().take(MOST).map(line).collect();
    if bad.len() > MOST {
        lines.push(format!("  … and {} more", bad.len() - MOST));
    }
    lines.join("\n")
}
