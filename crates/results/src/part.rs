//! What is durable: one part for each finished pass, which is a sweep's unit of work.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::case::CaseRecord;
use crate::table_read::read_metadata;
use crate::{Array, ResultsError, Row, read_table, write_table};

/// What one pass has found. A case that is spread over several passes is in each of their parts,
/// with the rows that the pass computed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// The cases of the pass, in its order.
    pub cases: Vec<CaseRecord>,
    /// Their cells, in the pass's order; `case` is the name of one of `cases`.
    pub rows: Vec<Row>,
    /// Arrays that were read, by case: written once, beside the part, to `cases/NAME_readings.npz`.
    pub readings: Vec<(String, Vec<(String, Array)>)>,
}

/// The part's metadata string, as JSON. The number keeps a part that was copied to another
/// pass's name from being taken for it.
#[derive(Serialize, Deserialize)]
struct Description {
    pass: usize,
    cases: Vec<CaseRecord>,
}

impl Part {
    /// Writes the part of `pass` as one Parquet file, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`ResultsError::Unwritable`] for a row whose case the part doesn't have; otherwise as
    /// [`write_whole`](crate::write_whole).
    pub fn write(&self, path: &Path, pass: usize) -> Result<(), ResultsError> {
        self.write_with(self.cases.clone(), path, pass)
    }

    /// The same with what is known of the cases besides.
    pub(crate) fn write_with(
        &self,
        cases: Vec<CaseRecord>,
        path: &Path,
        pass: usize,
    ) -> Result<(), ResultsError> {
        let unwritable = |problem: String| {
            let path = path.to_path_buf();
            ResultsError::Unwritable { path, problem }
        };
        let names: BTreeSet<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        if let Some(row) = self.rows.iter().find(|row| !names.contains(row.case.as_str())) {
            let name = &row.case;
            return Err(unwritable(format!("a row of case {name}, and no such case")));
        }
        let description = Description { pass, cases };
        let json = serde_json::to_string(&description).map_err(|e| unwritable(e.to_string()))?;
        write_table(path, &self.rows, &json)
    }

    /// Reads the part of `pass` that [`Part::write`] wrote.
    ///
    /// # Errors
    ///
    /// As [`read_table`]; [`ResultsError::Damaged`] also for the part of another pass.
    pub fn read(path: &Path, pass: usize) -> Result<Self, ResultsError> {
        let (rows, json) = read_table(path)?;
        let cases = cases_of(path, pass, &json)?;
        Ok(Self { cases, rows, readings: Vec::new() })
    }
}

/// The cases of a part, without decoding its rows; the whole file is checked.
pub(crate) fn read_cases(path: &Path, pass: usize) -> Result<Vec<CaseRecord>, ResultsError> {
    cases_of(path, pass, &read_metadata(path)?)
}

fn cases_of(path: &Path, pass: usize, json: &str) -> Result<Vec<CaseRecord>, ResultsError> {
    let damaged = |problem: String| ResultsError::Damaged {
        path: path.to_path_buf(),
        problem,
        advice: "Give the sweep's command again: the pass is computed anew",
    };
    let description: Description =
        serde_json::from_str(json).map_err(|error| damaged(error.to_string()))?;
    if description.pass != pass {
        let found = description.pass;
        return Err(damaged(format!("it is the part of pass {found}, not of pass {pass}")));
    }
    Ok(description.cases)
}
