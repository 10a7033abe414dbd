//! Making the golden files anew, with PyTorch.

use anyhow::Result;

use crate::python;

/// The scripts of `xtask/golden`, and the environment that each runs in: TransformerLens is pinned
/// for the bench already, and large.
const SCRIPTS: [(&str, &str); 2] =
    [("golden", "all.py"), ("bench", "transformer_lens_patching.py")];

/// Runs them with the packages that `xtask/golden` and `xtask/bench` pin, in `.venv/golden` and
/// `.venv/bench`.
///
/// # Errors
///
/// No Python, and a step that fails: its own output, which isn't captured, says why.
pub fn regenerate() -> Result<()> {
    for (environment, script) in SCRIPTS {
        let python = python::environment(environment)?;
        let script = python::scripts("golden").join(script);
        python::run(&python, ["-B".as_ref(), script.as_os_str()])?;
    }
    Ok(())
}
