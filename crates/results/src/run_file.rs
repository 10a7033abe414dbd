//! `run.json`: what was asked, where it ran, how far it is, and what it cost.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ResultsError, whole_file};

/// The format that this crate writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
/// The request's key for which part of a sweep a folder holds, as `2/4`; a whole sweep hasn't got it.
pub const SHARD: &str = "shard";
/// The file's name in a results folder.
pub(crate) const RUN_FILE: &str = "run.json";

/// The content of `run.json`. Only `cost` may depend on the clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// The format of the folder, see [`FORMAT`].
    pub format: u32,
    /// What was asked, as data.
    pub request: Value,
    /// What the numbers depend on besides: versions, device, threads, budget. It is that of the
    /// start, which decided what goes into which unit of work.
    pub environment: Value,
    /// What it cost; absent until it has finished or was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Value>,
    /// How far it was when the file was written.
    pub finished: Progress,
    /// The number of cases in the finished units of work.
    pub cases: usize,
    /// The cases that failed.
    pub failed: Vec<FailedCase>,
}

/// How many units of work are finished; the key's name is older than that word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The units of work whose part is there.
    pub passes: usize,
    /// All of the sweep's.
    pub of: usize,
}

/// A case that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCase {
    /// The case's name.
    pub case: String,
    /// The message of the failure.
    pub reason: String,
}

impl RunFile {
    /// Reads `run.json` of a results folder; `None` if there is none. Needs no lock, so a sweep
    /// can look up the environment that it was started with before it opens the folder.
    ///
    /// # Errors
    ///
    /// [`ResultsError::Read`]; [`ResultsError::Damaged`] if it isn't such a document;
    /// [`ResultsError::NewerFormat`].
    pub fn read(folder: &Path) -> Result<Option<Self>, ResultsError> {
        let path = folder.join(RUN_FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|source| ResultsError::reading(&path, source))?,
        };
        Self::from_bytes(&path, &bytes).map(Some)
    }

    /// Reads the content of a file; `path` is for messages.
    pub(crate) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, ResultsError> {
        let damaged = |error: serde_json::Error| ResultsError::Damaged {
            path: path.to_path_buf(),
            problem: format!("it isn't the JSON document of a sweep ({error})"),
            advice: "Put it back from a copy, or choose another folder: without it nobody knows \
                     which request the finished passes belong to",
        };
        let value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
        // A newer format may have other fields, so its number is looked at first.
        let format = value.get("format").and_then(Value::as_u64).unwrap_or(0);
        if format > u64::from(FORMAT) {
            let found = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(ResultsError::NewerFormat {
                path: path.to_path_buf(),
                found,
                known: FORMAT,
            });
        }
        serde_json::from_value(value).map_err(damaged)
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ResultsError> {
        let path = folder.join(RUN_FILE);
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| ResultsError::writing(&path, error.into()))?;
        bytes.push(b'\n');
        whole_file::write_whole(&path, &bytes)
    }
}

/// `value` as it is read back from a file. NaN becomes null, for example; so what was written
/// and what is asked now are compared on the same footing.
pub(crate) fn as_read_back(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or_else(|_| value.clone())
}
