//! One entrance to both executors.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracewright_ir::Request;
use tracewright_models::Decoder;

use crate::error::EngineError;
use crate::extensions::Extensions;
use crate::outcome::{Outcome, Progress};
use crate::{lockstep, reference};

/// Which executor answers a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Executor {
    /// All runs in one walk through the layers.
    #[default]
    Lockstep,
    /// One full forward pass for every run.
    Reference,
}

impl FromStr for Executor {
    type Err = EngineError;

    fn from_str(given: &str) -> Result<Self, EngineError> {
        match given {
            "lockstep" => Ok(Self::Lockstep),
            "reference" => Ok(Self::Reference),
            _ => Err(EngineError::UnknownExecutor { given: given.to_owned() }),
        }
    }
}

impl fmt::Display for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lockstep => "lockstep",
            Self::Reference => "reference",
        })
    }
}

/// How a request is executed.
#[derive(Clone, Debug)]
pub struct Execution {
    /// By which executor.
    pub executor: Executor,
    /// Bytes that a pass of the lockstep executor may take, weights apart.
    pub memory: u64,
    /// What requests call by name.
    pub extensions: Extensions,
}

impl Default for Execution {
    /// The lockstep executor with 768 MiB, which is enough for its products to be large.
    fn default() -> Self {
        let (executor, extensions) = (Executor::default(), Extensions::default());
        Self { executor, memory: 768 << 20, extensions }
    }
}

/// Executes a request.
///
/// # Errors
///
/// What [`lockstep::execute`] and [`reference::execute`] give.
pub fn execute(
    decoder: &Decoder,
    request: &Request,
    execution: &Execution,
    progress: Progress<'_>,
) -> Result<Outcome, EngineError> {
    let outcomes = execute_all(decoder, &[request], execution, progress)?;
    Ok(outcomes.into_iter().next().unwrap_or_default())
}

/// Executes several requests, by the lockstep executor in passes that they share: the first one's outcome
/// then has the cost of all.
///
/// # Errors
///
/// Those of [`execute`].
pub fn execute_all(
    decoder: &Decoder,
    requests: &[&Request],
    execution: &Execution,
    progress: Progress<'_>,
) -> Result<Vec<Outcome>, EngineError> {
    match execution.executor {
        Executor::Lockstep => lockstep::execute(decoder, requests, execution, progress),
        Executor::Reference => {
            // What the others take isn't known yet: they are thought to be like this one.
            let one = |(before, request): (usize, &&Request)| {
                let of_all =
                    &mut |done, of| progress(before as u64 * of + done, requests.len() as u64 * of);
                reference::execute(decoder, request, execution, of_all)
            };
            requests.iter().enumerate().map(one).collect()
        }
    }
}
