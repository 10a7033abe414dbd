//! What ends the program, and with which exit code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use thiserror::Error;
use tracewright_engine::EngineError;
use tracewright_models::ModelError;
use tracewright_models::hub::HubError;
use tracewright_report::ReportError;
use tracewright_results::{ResultsError, StoreError};
use tracewright_sweep::SweepError;

use crate::interrupt::INTERRUPTED;

/// What ends the program; most of it is said by the library that failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Whoever read the output has seen enough, which is no error.
    #[error("the output was closed")]
    ClosedPipe,
    /// Standard output can't be written.
    #[error("can't write the output: {0}")]
    Output(io::Error),
    /// Flags that don't go together, or a value that a flag doesn't take.
    #[error("{0}")]
    Usage(String),
    /// Somebody stopped a sweep.
    #[error(
        "stopped: {done} of {} cases are done and in {}; give the same command again to go on",
        done + left,
        folder.display()
    )]
    Interrupted { folder: PathBuf, done: usize, left: usize },
    /// Somebody stopped `--all-cached` between two models.
    #[error("stopped after {done} of {of} models: give the same command again to go on")]
    InterruptedBetween { done: usize, of: usize },
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model that is neither a folder nor one of the hub's.
    #[error("there is no folder '{given}' here; as a model of the hub: {error}")]
    Hub { given: String, error: Box<HubError> },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Sweep(#[from] SweepError),
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl Failure {
    /// 2 where the request or its input was wrong, 1 where the machine failed while it ran, and what shells
    /// give where somebody has stopped it.
    pub(crate) fn code(&self) -> ExitCode {
        if let Self::Interrupted { .. } | Self::InterruptedBetween { .. } = self {
            return ExitCode::from(INTERRUPTED);
        }
        let ran = match self {
            Self::Sweep(SweepError::Results(error)) | Self::Results(error) => {
                use ResultsError::{DiskFull, Read, Store, Write};
                matches!(error, DiskFull { .. } | Write { .. } | Read { .. })
                    || matches!(error, Store(StoreError::Failed { .. }))
            }
            Self::Sweep(SweepError::Engine(error)) | Self::Engine(error) => {
                use EngineError::{Plan, Request, UnknownExecutor};
                !matches!(error, Request(_) | Plan(_) | UnknownExecutor { .. })
            }
            Self::Output(_) | Self::Report(_) => true,
            _ => false,
        };
        ExitCode::from(if ran { 1 } else { 2 })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Output(error),
        }
    }
}
