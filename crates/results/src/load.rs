//! Reading a results folder.

use std::collections::BTreeMap;
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

/// What [`visit_cases`] knows without reading a part.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// What was asked.
    pub request: Value,
    /// What the numbers depend on besides.
    pub environment: Value,
    /// What it cost; `None` if it has neither finished nor been stopped.
    pub cost: Option<Value>,
    /// The cases that failed, and why.
    pub failed: Vec<FailedCase>,
}

/// Reads `run.json` and gives every case with its cells to `visit`, in the order of the passes. One pass is in
/// memory at a time.
///
/// # Errors
///
/// Those of [`load`], and what `visit` gives.
pub fn visit_cases<E: From<ResultsError>>(
    dir: &Path,
    mut visit: impl FnMut(CaseRecord, Vec<Row>) -> Result<(), E>,
) -> Result<Outline, E> {
    let run = read_run(dir)?;
    for (pass, path) in list_parts(dir)? {
        let part = Part::read(&path, pass)?;
        let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in part.rows {
            rows.entry(row.case.clone()).or_default().push(row);
        }
        for case in part.cases {
            let rows = rows.remove(&case.name).unwrap_or_default();
            visit(case, rows)?;
        }
    }
    let RunFile { request, environment, cost, failed, .. } = run;
    Ok(Outline { request, environment, cost, failed })
}

fn read_run(dir: &Path) -> Result<RunFile, ResultsError> {
    RunFile::read(dir)?.ok_or_else(|| ResultsError::NoResults { path: dir.to_path_buf() })
}

/// Reads the results of a sweep, finished, stopped or still running, without changing anything.
///
/// # Errors
///
/// [`ResultsError::NoResults`] for a folder without `run.json`, [`ResultsError::Damaged`] for a
/// part that isn't what was written, and the errors of reading.
pub fn load(dir: &Path) -> Result<Results, ResultsError> {
    let run = read_run(dir)?;
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
