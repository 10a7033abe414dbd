//! What a job runs: the cases of one protocol, checked and ready.

use std::fmt::Debug;
use std::ops::Range;

use serde_json::{Value, json};
use tracewright_engine::{EngineError, Execution, Outcome, Progress};
use tracewright_ir::{Architecture, Request, Sweep};
use tracewright_models::{Bos, Model};
use tracewright_results::Part;

use crate::dataset::Place;
use crate::error::SweepError;
use crate::skip::{BadRecords, Skipped};
use crate::warning::Warning;

/// A case's runs are all in memory, at about 2 kB each.
pub(crate) const MOST_FORWARDS: usize = 200_000;

/// Cases of one protocol, some of which together become a part of the results folder.
///
/// A part is a pure function of the request, the model and the budget.
pub(crate) trait Experiment: Debug + Sync {
    /// What is asked for, as it stands in `run.json`; two folders with the same one hold the same
    /// numbers.
    fn request(&self) -> Value;

    /// The names of the cases, in the order in which they are run.
    fn names(&self) -> Vec<&str>;

    /// Full forward passes that a case takes.
    fn forwards(&self, case: usize) -> usize;

    /// Cases that can't be run and were skipped.
    fn skipped(&self) -> &[Skipped];

    /// What is odd about the settings and the cases.
    fn warnings(&self) -> Vec<Warning>;

    /// A case's sweep with any tokens for the answers that only the model knows.
    fn rehearsal(&self, case: usize) -> Result<Sweep, SweepError>;

    /// Whether cases have arrays that are read of their runs.
    fn reads(&self) -> bool {
        false
    }

    /// The model's shape.
    fn architecture(&self) -> &Architecture;

    /// Whether every pass reads the model from its files.
    fn is_streamed(&self) -> bool;

    /// Cases of one shape take the same work, or nearly.
    fn shape(&self, case: usize) -> [usize; 4];

    /// Floating point operations that a case by itself is planned to take.
    fn flops(&self, case: usize) -> Result<u64, SweepError>;

    /// Runs some cases on one device, in passes that they share.
    fn part(
        &self,
        model: &Model,
        cases: Range<usize>,
        execution: &Execution,
        progress: Progress<'_>,
    ) -> Result<Part, SweepError>;
}

/// The model in a request: what it is, and how prompts become its tokens.
pub(crate) fn identity(model: &Model) -> Value {
    let mut identity = json!({ "sha256": model.sha256, "dtype": model.dtype.name() });
    if model.tokenizer.is_chat() {
        identity["chat"] = true.into();
    }
    if model.tokenizer.bos() != Bos::Own {
        identity["bos"] = model.tokenizer.bos().name().into();
    }
    identity
}

/// Cases that are ready, and those that were skipped.
pub(crate) type Prepared<R> = (Vec<R>, Vec<Skipped>);

/// What a case is called, and where it stands in its dataset.
pub(crate) type Label = (String, Option<Place>);

/// Makes all cases ready before any is run, so that a mistake in the last one costs nothing.
///
/// # Errors
///
/// Two cases of one name; the only mistake, with its case's name if there are others; all mistakes; unless
/// they are skipped and others are left.
pub(crate) fn ready<C, R>(
    cases: Vec<C>,
    label: impl Fn(&C) -> Label,
    how: BadRecords,
    ready: impl Fn(C) -> Result<R, SweepError>,
) -> Result<Prepared<R>, SweepError> {
    let mut names: Vec<String> = cases.iter().map(|case| label(case).0).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(SweepError::SameName { name: pair[0].clone() });
    }
    let several = cases.len() > 1;
    let (mut good, mut bad, mut first) = (Vec::new(), Vec::new(), None);
    for case in cases {
        let label = label(&case);
        match ready(case) {
            Ok(case) => good.push(case),
            Err(error) => {
                bad.push(Skipped::case(&label, error.to_string()));
                first.get_or_insert((error, label.0));
            }
        }
    }
    // A mistake that all cases share is one of the settings, and is told once.
    let same = |bad: &[Skipped]| bad.iter().all(|one| one.reason == bad[0].reason);
    match first {
        None => Ok((good, bad)),
        Some(_) if how == BadRecords::Skip && !good.is_empty() => Ok((good, bad)),
        Some((error, name)) if bad.len() == 1 || (good.is_empty() && same(&bad)) => {
            Err(error.in_one_of(several, &name))
        }
        Some(_) => Err(SweepError::BadCases { bad, good: good.len() }),
    }
}

/// The one place where a protocol's requests are executed, in passes that they share.
pub(crate) fn execute(
    model: &Model,
    requests: &[&Request],
    execution: &Execution,
    progress: Progress<'_>,
) -> Result<Vec<Outcome>, SweepError> {
    let outcomes = tracewright_engine::execute_all(&model.decoder, requests, execution, progress);
    outcomes.map_err(|error| match error {
        EngineError::Plan(error) => error.into(),
        error => error.into(),
    })
}
