//! Reading a results folder.

use std::path::Path;

use serde_json::Value;

use crate::case::CaseRecord;
use crate::entries::list_parts;
use crate::outputs::Cases;
use crate::part::Part;
use crate::run_file::{FailedCase, Progress, RunFile};
use crate::{ResultsError, Row};

/// Everything that a results folder holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// What was asked.
    pub request: Value,
    /// What the numbers depend on besides: versions, device, threads, budget.
    pub environment: Value,
    /// What it cost; `None` if it has neither finished nor been stopped.
    pub cost: Option<Value>,
    /// The passes that are read here, and all of them.
    pub finished: Progress,
    /// The cases, in the order of the passes, each once.
    pub cases: Vec<CaseRecord>,
    /// The cells of all cases, in the order of the passes.
    pub rows: Vec<Row>,
}

impl Results {
    /// The cases that failed, and why.
    pub fn failed(&self) -> Vec<FailedCase> {
        let failed = |case: &CaseRecord| {
            let (case, reason) = (case.name.clone(), case.failure.clone()?);
            Some(FailedCase { case, reason })
        };
        self.cases.iter().filter_map(failed).collect()
    }

    /// The cells of one case, in order.
    pub fn rows_of<'a>(&'a self, case: &'a str) -> impl Iterator<Item = &'a Row> + 'a {
        self.rows.iter().filter(move |row| row.case == case)
    }
}

/// Reads the results of a sweep, finished, stopped or still running, without changing anything.
///
/// # Errors
///
/// [`ResultsError::NoResults`] for a folder without `run.json`, [`ResultsError::Damaged`] for a
/// part that isn't what was written, and the errors of reading.
pub fn load(dir: &Path) -> Result<Results, ResultsError> {
    let Some(run) = RunFile::read(dir)? else {
        return Err(ResultsError::NoResults { path: dir.to_path_buf() });
    };
    let (mut cases, mut rows, mut passes) = (Cases::default(), Vec::new(), 0);
    for (pass, path) in list_parts(dir)? {
        let part = Part::read(&path, pass)?;
        cases.add(dir, part.cases)?;
        rows.extend(part.rows);
        passes += 1;
    }
    Ok(Results {
        request: run.request,
        environment: run.environment,
        cost: run.cost,
        finished: Progress { passes, of: run.finished.of },
        cases: cases.records,
        rows,
    })
}
