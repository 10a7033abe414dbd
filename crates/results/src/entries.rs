//! The names in a results folder, and the lock on it.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::ResultsError;
use crate::whole_file::is_unfinished;

const LOCK: &str = ".lock";
/// The folder of the parts.
pub(crate) const PARTS: &str = "parts";
/// The folder of the figures.
pub(crate) const FIGURES: &str = "figures";

/// The folder of tables that are made on request, such as averages by some columns.
pub const STATISTICS: &str = "statistics";

/// The part of a pass.
pub(crate) fn part_path(folder: &Path, pass: usize) -> PathBuf {
    folder.join(PARTS).join(part_name(pass))
}

/// The parts in a folder by pass, sound or not. Other files are left alone.
pub(crate) fn list_parts(folder: &Path) -> Result<BTreeMap<usize, PathBuf>, ResultsError> {
    let mut parts = BTreeMap::new();
    for name in names(&folder.join(PARTS))? {
        if let Some(pass) = pass_of(&name) {
            parts.insert(pass, part_path(folder, pass));
        }
    }
    Ok(parts)
}

/// The pass whose part has this name.
pub(crate) fn pass_of(name: &str) -> Option<usize> {
    let pass = name.strip_prefix("pass-")?.strip_suffix(".parquet")?.parse().ok()?;
    // `pass-1.parquet` isn't a name that we write.
    (part_name(pass) == name).then_some(pass)
}

fn part_name(pass: usize) -> String {
    format!("pass-{pass:05}.parquet")
}

/// Takes the folder for this process, for as long as the file lives.
pub(crate) fn lock(folder: &Path) -> Result<File, ResultsError> {
    let path = folder.join(LOCK);
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|source| ResultsError::writing(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ResultsError::InUse { path: folder.to_path_buf() }),
        // Some network file systems have no locks. Working there without one is better than
        // not at all.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(source)) => Err(ResultsError::writing(&path, source)),
    }
}

/// Refuses a path at which, or above which, a file is.
pub(crate) fn refuse_file(folder: &Path) -> Result<(), ResultsError> {
    match folder.ancestors().find(|path| path.exists()) {
        Some(file) if !file.is_dir() => {
            Err(ResultsError::NotAFolder { path: folder.to_path_buf(), file: file.to_path_buf() })
        }
        _ => Ok(()),
    }
}

/// Refuses a folder without `run.json` that holds anything but traces of ours.
pub(crate) fn refuse_foreign_folder(folder: &Path) -> Result<(), ResultsError> {
    let path = || folder.to_path_buf();
    if let Some(found) = names(folder)?.into_iter().find(|name| !is_trace_of_ours(name)) {
        return Err(ResultsError::NotOurs { path: path(), found });
    }
    if let Some(part) = list_parts(folder)?.into_values().next() {
        // Finished work of an unknown request must be neither lost nor mixed with ours.
        let found = part.strip_prefix(folder).unwrap_or(&part).display().to_string();
        return Err(ResultsError::NotOurs { path: path(), found });
    }
    Ok(())
}

/// The lock, figures, and what a start that was killed early leaves.
pub(crate) fn is_trace_of_ours(name: &str) -> bool {
    let figure = [".png", ".svg", ".html"].iter().any(|ending| name.ends_with(ending));
    matches!(name, LOCK | PARTS | FIGURES) || figure || is_unfinished(name)
}

/// The names in a folder, sorted; none if it doesn't exist.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, ResultsError> {
    let reading = |source| ResultsError::reading(folder, source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(reading)?,
    };
    let name = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    let mut names = entries.map(name).collect::<io::Result<Vec<_>>>().map_err(reading)?;
    names.sort();
    Ok(names)
}
