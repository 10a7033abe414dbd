//! A unit of work that may fail.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracewright_engine::{EngineError, Execution, Progress};
use tracewright_models::Model;
use tracewright_results::{CaseRecord, Part, Retry};

use crate::error::SweepError;
use crate::experiment::Experiment;

/// How often a unit is tried again, each time with half the memory.
const RETRIES: u32 = 2;

/// Some cases of an experiment on one device.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) experiment: &'a dyn Experiment,
    pub(crate) names: &'a [&'a str],
    pub(crate) model: &'a Model,
    pub(crate) execution: &'a Execution,
}

impl Attempt<'_> {
    /// The part of some cases. Where the device fails, it is tried again in smaller passes, which the cases
    /// then record.
    ///
    /// # Errors
    ///
    /// The first attempt's, where none succeeds.
    pub(crate) fn part(
        self,
        unit: &Range<usize>,
        progress: Progress<'_>,
    ) -> Result<Part, SweepError> {
        let first = match self.finite(unit.clone(), progress) {
            Err(error) if error.may_not_come_again() => error,
            outcome => return outcome,
        };
        for halved in 1..=RETRIES {
            let memory = self.execution.memory >> halved;
            let execution = Execution { memory, ..self.execution.clone() };
            let smaller = Attempt { execution: &execution, ..self };
            match smaller.finite(unit.clone(), progress) {
                Ok(mut part) => {
                    let retry = Retry { memory, reason: first.to_string() };
                    part.cases.iter_mut().for_each(|case| case.retry = Some(retry.clone()));
                    return Ok(part);
                }
                Err(SweepError::Engine(EngineError::Stopped)) => {
                    return Err(EngineError::Stopped.into());
                }
                Err(_) => {}
            }
        }
        Err(first)
    }

    /// The part of cases at which the device has failed; the next start does them again.
    pub(crate) fn failed(self, unit: &Range<usize>, error: &SweepError) -> Part {
        let failed = |name: &&str| CaseRecord {
            again: true,
            ..CaseRecord::failed(*name, error.to_string())
        };
        Part { cases: self.names[unit.clone()].iter().map(failed).collect(), ..Part::default() }
    }

    /// The part of some cases. One whose numbers overflow is a failed case, not a failed unit: which one it is
    /// shows where halves of them are run, and halves of these.
    fn finite(self, unit: Range<usize>, progress: Progress<'_>) -> Result<Part, SweepError> {
        match self.survived(unit.clone(), progress) {
            Err(SweepError::Engine(error @ EngineError::NotFinite { .. })) if unit.len() == 1 => {
                let case = CaseRecord::failed(self.names[unit.start], error.to_string());
                Ok(Part { cases: vec![case], ..Part::default() })
            }
            Err(SweepError::Engine(EngineError::NotFinite { .. })) => {
                let middle = unit.start + unit.len() / 2;
                let mut part = self.finite(unit.start..middle, progress)?;
                let others = self.finite(middle..unit.end, progress)?;
                part.cases.extend(others.cases);
                part.rows.extend(others.rows);
                part.readings.extend(others.readings);
                Ok(part)
            }
            outcome => outcome,
        }
    }

    /// A panic, which is how backends tell that a device's memory is full, becomes an error.
    fn survived(self, unit: Range<usize>, progress: Progress<'_>) -> Result<Part, SweepError> {
        let part = || self.experiment.part(self.model, unit, self.execution, progress);
        catch_unwind(AssertUnwindSafe(part))
            .unwrap_or_else(|panic| Err(SweepError::WorkerDied { reason: reason(&*panic) }))
    }
}

/// What a panic says.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned()
}
