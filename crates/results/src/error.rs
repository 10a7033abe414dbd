//! What can go wrong with a results folder, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// An error of reading or writing results. Every message names the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// No space is left, or a quota is used up.
    #[error(
        "the disk is full: {} couldn't be written. Every finished pass is kept; free some space \
         and give the same command again to go on", .path.display()
    )]
    DiskFull {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The folder is read-only, or belongs to someone else.
    #[error(
        "{} can't be written ({source}): make its folder writable, or choose another folder for \
         the results", .path.display()
    )]
    NotWritable {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another failure of writing.
    #[error(
        "{} couldn't be written ({source}). Every finished pass is kept: when that is put right, \
         give the same command again to go on", .path.display()
    )]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file can't be read at all.
    #[error("{} couldn't be read: {source}", .path.display())]
    Read {
        /// The file or folder that was to be read.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file isn't what its writer wrote.
    #[error("{} is damaged: {problem}. {advice}", .path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// A sound file with something that we don't read.
    #[error("{} can't be read: {problem}. {advice}", .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it has that we don't read.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// An array's shape and its data don't belong together.
    #[error(
        "an array of shape {shape:?} needs as many elements as the shape's product, and {len} \
         were given"
    )]
    Shape {
        /// The shape asked for.
        shape: Vec<usize>,
        /// The number of elements given.
        len: usize,
    },
    /// Data that can't be put into a file of this format.
    #[error("{} can't hold what it was given: {problem}", .path.display())]
    Unwritable {
        /// The file that was to be written.
        path: PathBuf,
        /// What doesn't fit.
        problem: String,
    },
    /// Another process works in the folder.
    #[error(
        "{} is in use by another process: wait until it has finished, or choose another folder",
        .path.display()
    )]
    InUse {
        /// The results folder.
        path: PathBuf,
    },
    /// A file is where the folder, or one above it, should be.
    #[error(
        "{} can't be the results folder, because {} is a file: choose another folder",
        .path.display(), .file.display()
    )]
    NotAFolder {
        /// The results folder.
        path: PathBuf,
        /// The file in its way.
        file: PathBuf,
    },
    /// The folder holds something else.
    #[error(
        "{} holds files but no run.json (for example {found}), so it isn't a results folder: \
         choose another folder, or an empty one", .path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// The name of one file in it.
        found: String,
    },
    /// The folder holds results of a request with other settings.
    #[error(
        "{} holds the results of another request; what differs:\n{differences}\nGive the \
         settings that it was started with to go on with it, or choose another folder for the \
         new ones", .path.display()
    )]
    DifferentRequest {
        /// The results folder.
        path: PathBuf,
        /// One line for each difference: JSON path, old and new value.
        differences: String,
    },
    /// A finished part holds other cases than it would now.
    #[error(
        "{} holds other cases than this request divides into that part: its folder was made by another division; \
         choose another folder, or remove its parts to begin anew",
        path.display()
    )]
    OtherCases {
        /// The part.
        path: PathBuf,
    },
    /// The request was divided into passes in another way.
    #[error(
        "{} was started with {recorded} passes, and now there are {given}, so its finished \
         passes can't be gone on with: give the memory budget and threads that it was started \
         with (run.json has them), or choose another folder", .path.display()
    )]
    DifferentPasses {
        /// The results folder.
        path: PathBuf,
        /// The number of passes in `run.json`.
        recorded: usize,
        /// The number of passes now.
        given: usize,
    },
    /// The folder was written by a newer program.
    #[error(
        "{} has format {found}, and this program knows formats up to {known}: use the newer \
         program that wrote it, or choose another folder", .path.display()
    )]
    NewerFormat {
        /// The `run.json`.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// There are no results in the folder.
    #[error(
        "{} holds no run.json, so there are no results to read: give the folder that a sweep \
         has written", .path.display()
    )]
    NoResults {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing to merge.
    #[error("there is nothing to merge: give the folders of all shards of a sweep")]
    NoShards,
    /// Folders that aren't parts of one sweep.
    #[error(
        "{} and {} aren't shards of one sweep: {problem}", .first.display(), .second.display()
    )]
    NotOneSweep {
        /// A folder.
        first: PathBuf,
        /// One that doesn't belong to it.
        second: PathBuf,
        /// What doesn't fit.
        problem: String,
    },
    /// Shards that together aren't the sweep.
    #[error("{found} of the sweep's {of} passes are there: {what}")]
    MissingShards {
        /// The passes that are there.
        found: usize,
        /// All of them.
        of: usize,
        /// What to do.
        what: String,
    },
    /// A pass that the sweep doesn't have.
    #[error("pass {pass} doesn't exist: {} has {passes} passes, counted from 0", .path.display())]
    NoSuchPass {
        /// The results folder.
        path: PathBuf,
        /// The number given.
        pass: usize,
        /// The number of passes.
        passes: usize,
    },
    /// A column to group by that neither the cells nor the dataset have.
    #[error(
        "there is no column '{given}' to group by; the nearest are {}; known: {}",
        nearest.join(", "), known.join(", ")
    )]
    NoColumn {
        /// The name given.
        given: String,
        /// The known names that are most like it, the nearest first.
        nearest: Vec<String>,
        /// All names of columns.
        known: Vec<String>,
    },
    /// Two runs without a cell that both have.
    #[error(
        "the two runs have no cell in common, so there is nothing to compare: {differences}; give \
         two runs of the same cases on the same grid"
    )]
    NothingInCommon {
        /// What each of the two has.
        differences: String,
    },
    /// The object store that mirrors the folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Two cases share a name.
    #[error(
        "{}: two cases are called {name}, with different prompts; give every case of the dataset \
         a name of its own, and choose another folder", .path.display()
    )]
    SameName {
        /// The results folder.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

impl ResultsError {
    /// Sorts a failed write by what the user can do about it.
    pub(crate) fn writing(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{
            PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, WriteZero,
        };
        let path = path.to_path_buf();
        match source.kind() {
            StorageFull | QuotaExceeded | WriteZero => Self::DiskFull { path, source },
            PermissionDenied | ReadOnlyFilesystem => Self::NotWritable { path, source },
            _ => Self::Write { path, source },
        }
    }

    /// A failed read of `path`.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        Self::Read { path, source }
    }

    /// True where a file exists but its content can't be trusted, so that making it anew helps.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Unsupported { .. })
    }

    /// True where space is what is missing.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_says_how_to_go_on() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = ResultsError::writing(Path::new("out/run.json"), full);
        assert!(error.is_disk_full());
        insta::assert_snapshot!(
            error,
            @"the disk is full: out/run.json couldn't be written. Every finished pass is kept; free some space and give the same command again to go on"
        );
    }
}
