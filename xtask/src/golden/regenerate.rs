//! Making the golden files anew, with PyTorch.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Runs `xtask/golden/all.py` with the packages that it pins, in `.venv/golden`.
///
/// # Errors
///
/// No Python, and a step that fails: its own output, which isn't captured, says why.
pub fn regenerate() -> Result<()> {
    let root = crate::root();
    let (scripts, venv) = (root.join("xtask/golden"), root.join(".venv/golden"));
    run(Path::new("python3"), ["-m".as_ref(), "venv".as_ref(), venv.as_os_str()])
        .context("making a virtual environment takes Python 3 with its venv module")?;
    let python = venv.join("bin/python");
    let requirements = scripts.join("requirements.txt");
    let install = ["-m", "pip", "install", "--quiet", "--requirement"].map(OsStr::new);
    run(&python, install.into_iter().chain([requirements.as_os_str()]))?;
    run(&python, ["-B".as_ref(), scripts.join("all.py").as_os_str()])
}

fn run<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("{shown} can't be started"))?;
    ensure!(status.success(), "{shown} failed ({status})");
    Ok(())
}
