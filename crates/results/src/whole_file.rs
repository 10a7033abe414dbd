//! Files that appear whole or not at all.
//!
//! A file is written beside its final place, synced and renamed. A process that dies on the way
//! leaves a file `.NAME.tmp-tracewright`, which [`remove_leftovers`] knows by its name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::ResultsError;

/// What the names of unfinished files end with.
pub(crate) const UNFINISHED: &str = ".tmp-tracewright";

/// Writes `bytes` to `path`, whole or not at all, and durably.
///
/// A file that already holds these bytes is left as it is; a folder that isn't there is made.
///
/// # Errors
///
/// [`ResultsError::DiskFull`], [`ResultsError::NotWritable`] or [`ResultsError::Write`]; what was
/// at `path` before is still there then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ResultsError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| ResultsError::writing(folder, source))?;
    }
    if replace_with_bytes(path, bytes)? {
        sync_folder_of(path)?;
    }
    Ok(())
}

/// Like [`write_whole`], without syncing the folder, for many files in a row; true if it wrote.
pub(crate) fn replace_with_bytes(path: &Path, bytes: &[u8]) -> Result<bool, ResultsError> {
    let same_length = fs::metadata(path).is_ok_and(|found| found.len() == bytes.len() as u64);
    if same_length && fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(false);
    }
    replace(path, |file| {
        file.write_all(bytes).map_err(|source| ResultsError::writing(path, source))
    })?;
    Ok(true)
}

/// Lets `write` fill a new file, which takes the place of `path` when all went well.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), ResultsError>,
) -> Result<(), ResultsError> {
    let mut unfinished = Unfinished::create(path)?;
    write(unfinished.file())?;
    unfinished.finish()
}

/// A file that is being written beside its final place; dropped, it leaves nothing.
pub(crate) struct Unfinished<'a> {
    path: &'a Path,
    beside: PathBuf,
    file: File,
}

impl<'a> Unfinished<'a> {
    pub(crate) fn create(path: &'a Path) -> Result<Self, ResultsError> {
        let beside = unfinished_path(path)?;
        let file = File::create(&beside).map_err(|source| ResultsError::writing(path, source))?;
        Ok(Self { path, beside, file })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts it in its place, durably but for the folder's entry.
    pub(crate) fn finish(self) -> Result<(), ResultsError> {
        let done = self.file.sync_all().and_then(|()| fs::rename(&self.beside, self.path));
        done.map_err(|source| ResultsError::writing(self.path, source))
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // After `finish` there is nothing of that name. Otherwise the error that led here says
        // more than a failure to tidy up after it would; the next start removes what is left.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Makes the entries of the folder that holds `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), ResultsError> {
    // Only Unix lets a folder be opened and synced; elsewhere the rename itself is logged.
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(|source| ResultsError::writing(path, source))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Removes what killed processes left half written in `folder` (not in the folders below it),
/// and returns its paths in order. A folder that doesn't exist holds nothing.
///
/// # Errors
///
/// [`ResultsError::Read`] if the folder can't be listed, [`ResultsError::NotWritable`] if a file
/// can't be removed.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let reading = |source| ResultsError::reading(folder, source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(reading)?,
    };
    let mut removed = Vec::new();
    for entry in entries {
        let entry = entry.map_err(reading)?;
        if is_unfinished(&entry.file_name().to_string_lossy()) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|source| ResultsError::writing(&path, source))?;
            removed.push(path);
        }
    }
    removed.sort();
    Ok(removed)
}

/// True for the name of a file that was being written.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(UNFINISHED)
}

fn unfinished_path(path: &Path) -> Result<PathBuf, ResultsError> {
    let Some(name) = path.file_name() else {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name");
        return Err(ResultsError::writing(path, source));
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(UNFINISHED);
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_written_file_is_all_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn a_write_that_fails_half_way_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_whole(&path, b"old").unwrap();
        let result = replace(&path, |file| {
            file.write_all(b"half").unwrap();
            Err(ResultsError::writing(&path, io::Error::from(io::ErrorKind::StorageFull)))
        });
        assert!(result.unwrap_err().is_disk_full());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn leftovers_are_removed_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let leftover = folder.path().join(".a.npz.tmp-tracewright");
        fs::write(&leftover, b"half").unwrap();
        fs::write(folder.path().join("a.tmp-tracewright"), b"not hidden: not ours").unwrap();
        assert_eq!(remove_leftovers(folder.path()).unwrap(), [leftover]);
        assert_eq!(names(folder.path()), ["a.tmp-tracewright"]);
        assert!(remove_leftovers(&folder.path().join("absent")).unwrap().is_empty());
    }

    #[test]
    fn a_full_disk_is_an_error_that_says_so() {
        // A device that is always full; absent outside Linux.
        let Ok(mut full) = File::options().write(true).open("/dev/full") else { return };
        let source = full.write_all(b"x").unwrap_err();
        assert!(ResultsError::writing(Path::new("/dev/full"), source).is_disk_full());
    }

    #[test]
    fn a_read_only_folder_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let mut permissions = fs::metadata(folder.path()).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(folder.path(), permissions).unwrap();
        let path = folder.path().join("a.json");
        // Root may write anywhere, so there is nothing to see then.
        if let Err(error) = write_whole(&path, b"x") {
            assert!(matches!(error, ResultsError::NotWritable { .. }));
            assert!(error.to_string().contains("a.json can't be written"), "{error}");
            assert!(error.to_string().contains("choose another folder"), "{error}");
        }
    }
}
