//! Other people's programs that read our results: ROME's averaging in NumPy, and DuckDB.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::python;

/// Traces some facts and lets `xtask/clients/rome_averages.py` compare what NumPy and DuckDB read of the folder
/// with our averages. Its Python is in .venv/clients.
///
/// # Errors
///
/// No Python, packages that can't be installed, and a difference.
pub fn check(tracewright: &Path) -> Result<()> {
    let python = python::environment("clients")?;
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let results = folder.path().join("facts");
    let facts = crate::root().join("fixtures/known_1000.json");
    let words = ["trace", "--limit", "24", "--samples", "3", "--window", "4", "--quiet", "--facts"];
    let trace = words.map(OsStr::new).into_iter().chain([facts.as_os_str()]);
    python::run(tracewright, trace.chain(["--out".as_ref(), results.as_os_str()]))?;
    let script = python::scripts("clients").join("rome_averages.py");
    python::run(&python, [script.as_os_str(), results.as_os_str()])
}
