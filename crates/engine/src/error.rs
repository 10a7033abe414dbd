//! What can go wrong while a request is executed.

use thiserror::Error;
use tracewright_ir::plan::PlanError;
use tracewright_ir::{IrError, Site};
use tracewright_models::ModelError;

/// Why a request has no answer.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum EngineError {
    /// The request itself is wrong.
    #[error(transparent)]
    Request(#[from] IrError),
    /// There is no plan for it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Weights that a streamed model can't read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A name that no executor has.
    #[error("there is no executor '{given}': give lockstep or reference")]
    UnknownExecutor { given: String },
    /// A function or metric of the caller's own that nobody has registered.
    #[error("there is no {what} '{name}' among the extensions ({known}): add it before executing")]
    UnknownExtension { what: &'static str, name: String, known: String },
    /// A function that doesn't give a number for each place.
    #[error("the function '{name}' gave {given} numbers for a locus of {expected}")]
    WrongOutput { name: String, given: usize, expected: usize },
    /// A metric or a reading that is infinite or not a number.
    #[error(
        "'{metric}' of run '{run}' is {value}{}: the model's numbers overflow on this input",
        since(place)
    )]
    NotFinite {
        run: String,
        metric: String,
        value: f64,
        /// The first site and position at which a number isn't finite.
        place: Option<String>,
    },
    /// A device failed while its values were read.
    #[error("the device failed: {problem}")]
    Device { problem: String },
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
    /// A value that was not there when its reader wanted it: our bug.
    #[error("internal error: a value of '{site}' was not kept; please report this")]
    NotKept { site: Site },
}

fn since(place: &Option<String>) -> String {
    place.as_ref().map_or_else(String::new, |place| format!(", as its numbers are from {place} on"))
}

impl EngineError {
    pub(crate) fn device(error: impl std::fmt::Display) -> Self {
        Self::Device { problem: error.to_string() }
    }
}
