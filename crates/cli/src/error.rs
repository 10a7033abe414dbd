//! What ends the program, and with which exit code.

use std::io;
use std::process::ExitCode;

use thiserror::Error;
use tracewright_engine::EngineError;
use tracewright_models::ModelError;
use tracewright_models::hub::HubError;
use tracewright_report::ReportError;
use tracewright_results::ResultsError;
use tracewright_sweep::SweepError;

#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("the output was closed")]
    ClosedPipe,
    #[error("can't write the output: {0}")]
    Output(io::Error),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Model(#[from] ModelError),
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
    /// 2 where the request or its input was wrong, 1 where the machine failed while it ran.
    pub(crate) fn code(&self) -> ExitCode {
        let ran = match self {
            Self::Sweep(SweepError::Results(error)) | Self::Results(error) => {
                matches!(error, ResultsError::DiskFull { .. } | ResultsError::Write { .. })
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
