//! Making the golden files anew, with PyTorch.

use anyhow::Result;

use crate::python;

/// Runs `xtask/golden/all.py` with the packages that it pins, in `.venv/golden`.
///
/// # Errors
///
/// No Python, and a step that fails: its own output, which isn't captured, says why.
pub fn regenerate() -> Result<()> {
    let python = python::environment("golden")?;
    let script = python::scripts("golden").join("all.py");
    python::run(&python, ["-B".as_ref(), script.as_os_str()])
}
