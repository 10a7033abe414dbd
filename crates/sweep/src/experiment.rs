//! What a job runs: the cases of one protocol, checked and ready.

use std::fmt::Debug;
use std::ops::Range;

use serde_json::{Value, json};
use tracewright_engine::{EngineError, Execution, Outcome, Progress};
use tracewright_ir::{Architecture, Request, Sweep};
use tracewright_models::{Bos, Model};
use tracewright_results::Part;

use crate::error::SweepError;
use crate::warning::Warning;

/// A case's runs are all in memory, at about 2 kB each.
pub(crate) const MOST_FORWARDS: usize = 200_000;

/// Cases of one protocol, some of which together become a part of the results folder.
///
/// A part is a pure function of the request, the model and the budget.
pub(crate) trait Experiment: Debug {
    /// What is asked for, as it stands in `run.json`; two folders with the same one hold the same
    /// numbers.
    fn request(&self) -> Value;

    /// The names of the cases, in the order in which they are run.
    fn names(&self) -> Vec<&str>;

    /// Full forward passes that a case takes.
    fn forwards(&self, case: usize) -> usize;

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

    /// Runs some cases, in passes that they share.
    fn part(
        &self,
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

/// Makes all cases ready before any is run, so that a mistake in the last one costs nothing. What
/// is wrong with one of several is told with its name.
pub(crate) fn ready<C, R>(
    cases: Vec<C>,
    name: impl Fn(&C) -> &str,
    ready: impl Fn(C) -> Result<R, SweepError>,
) -> Result<Vec<R>, SweepError> {
    let mut names: Vec<&str> = cases.iter().map(&name).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(SweepError::SameName { name: pair[0].to_owned() });
    }
    let several = cases.len() > 1;
    let one = |case: C| {
        let name = name(&case).to_owned();
        ready(case).map_err(|error| error.in_one_of(several, &name))
    };
    cases.into_iter().map(one).collect()
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
