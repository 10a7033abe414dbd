//! Python with pinned packages, for what PyTorch has to say.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The folder of a chore's Python scripts, `xtask/NAME`.
pub(crate) fn scripts(name: &str) -> PathBuf {
    crate::root().join("xtask").join(name)
}

/// Makes a virtual environment, `.venv/NAME`, with the packages that `xtask/NAME/requirements.txt`
/// pins, and gives its Python.
///
/// # Errors
///
/// No Python, and packages that can't be installed.
pub(crate) fn environment(name: &str) -> Result<PathBuf> {
    let venv = crate::root().join(".venv").join(name);
    run(Path::new("python3"), ["-m".as_ref(), "venv".as_ref(), venv.as_os_str()])
        .context("making a virtual environment takes Python 3 with its venv module")?;
    let python = venv.join("bin/python");
    let requirements = scripts(name).join("requirements.txt");
    let install = ["-m", "pip", "install", "--quiet", "--requirement"].map(OsStr::new);
    run(&python, install.into_iter().chain([requirements.as_os_str()]))?;
    Ok(python)
}

/// Runs a program to its end.
///
/// # Errors
///
/// A program that can't be started or fails: its own output, which isn't captured, says why.
pub(crate) fn run<'a>(
    program: &Path,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("{shown} can't be started"))?;
    ensure!(status.success(), "{shown} failed ({status})");
    Ok(())
}
