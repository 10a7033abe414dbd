//! The cache's folders, laid out as `huggingface_hub` has them: blobs by sum, snapshots by commit that
//! link to them, refs from branches to commits, and locks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::error::HubError;
use super::files::{NEEDED, RemoteFile, WEIGHTS, is_hex, parts};

/// One model's part of the cache, at one revision.
pub(super) struct Folder {
    root: PathBuf,
    name: String,
    revision: String,
    layout: CacheRepo,
}

impl Folder {
    /// The id and the revision must have been checked.
    pub(super) fn new(root: &Path, id: &str, revision: &str) -> Self {
        let repo = Repo::with_revision(id.to_owned(), RepoType::Model, revision.to_owned());
        let name = repo.folder_name();
        let layout = Cache::new(root.to_owned()).repo(repo);
        Self { root: root.to_owned(), name, revision: revision.to_owned(), layout }
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.layout.pointer_path(commit)
    }

    pub(super) fn blob(&self, file: &RemoteFile) -> PathBuf {
        self.root.join(&self.name).join("blobs").join(file.sum.text())
    }

    /// The snapshot of this revision, if all that a model needs is there.
    ///
    /// Weights are linked last, so that a download that was killed isn't taken for a whole one.
    pub(super) fn complete(&self, with_weights: bool) -> Option<PathBuf> {
        let commit = match is_hex(&self.revision, 40) {
            true => self.revision.clone(),
            false => self.noted()?,
        };
        let folder = is_hex(&commit, 40).then(|| self.snapshot(&commit))?;
        let there = |name: &str| folder.join(name).is_file();
        let whole = |weights: &str| {
            !weights.ends_with(".json")
                || fs::read(folder.join(weights))
                    .is_ok_and(|index| parts(&index).is_ok_and(|all| all.iter().all(|n| there(n))))
        };
        let weights = WEIGHTS.iter().find(|name| there(name));
        let whole = !with_weights || weights.is_some_and(|weights| whole(weights));
        (whole && NEEDED.iter().all(|name| there(name))).then_some(folder)
    }

    fn reference(&self) -> PathBuf {
        self.root.join(&self.name).join("refs").join(&self.revision)
    }

    fn noted(&self) -> Option<String> {
        fs::read_to_string(self.reference()).ok().map(|commit| commit.trim().to_owned())
    }

    /// Whether a snapshot has a file, in its full size.
    pub(super) fn has(&self, commit: &str, file: &RemoteFile) -> bool {
        size(&self.snapshot(commit).join(&file.name)) == Some(file.size)
    }

    /// Waits until no other program, be it Rust or Python, downloads this file.
    pub(super) fn lock(&self, file: &RemoteFile) -> Result<File, HubError> {
        let folder = self.root.join(".locks").join(&self.name);
        let path = folder.join(format!("{}.lock", file.sum.text()));
        let locked = || {
            fs::create_dir_all(&folder)?;
            let lock = File::options().create(true).append(true).open(&path)?;
            match lock.lock() {
                // Some network folders have no locks; sums still catch what two writers do.
                Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
                _ => Ok(lock),
            }
        };
        locked().map_err(unwritable(&path))
    }

    /// Makes a blob appear in a snapshot under the file's name.
    pub(super) fn link(&self, commit: &str, file: &RemoteFile) -> Result<(), HubError> {
        let pointer = self.snapshot(commit).join(&file.name);
        let linked = || {
            fs::create_dir_all(self.snapshot(commit))?;
            match fs::remove_file(&pointer) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            link(&Path::new("../../blobs").join(file.sum.text()), &self.blob(file), &pointer)
        };
        linked().map_err(unwritable(&pointer))
    }

    /// Notes which commit the branch or tag stands for, once that commit's files are there.
    pub(super) fn note(&self, commit: &str) -> Result<(), HubError> {
        // Unchanged ones aren't written again: the cache may be one that can only be read.
        if self.revision == commit || self.noted().as_deref() == Some(commit) {
            return Ok(());
        }
        self.layout.create_ref(commit).map_err(unwritable(&self.reference()))
    }
}

#[cfg(unix)]
fn link(relative: &Path, _blob: &Path, pointer: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(relative, pointer)
}

/// Symbolic links need a right that few users of Windows have.
#[cfg(not(unix))]
fn link(_relative: &Path, blob: &Path, pointer: &Path) -> io::Result<()> {
    fs::hard_link(blob, pointer).or_else(|_| fs::copy(blob, pointer).map(|_| ()))
}

/// Names and revisions become paths and addresses: only such as the hub has are let through.
pub(super) fn check(id: &str, revision: &str) -> Result<(), HubError> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let part = |part: &str| {
        part.starts_with(word)
            && part.ends_with(word)
            && part.chars().all(|c| word(c) || c == '-' || c == '.')
            && !part.contains("..")
            && !part.contains("--")
    };
    if id.len() > 96 || id.split('/').count() > 2 || !id.split('/').all(part) {
        return Err(HubError::BadId { given: id.to_owned() });
    }
    let step = |step: &str| {
        !step.is_empty()
            && !step.starts_with('.')
            && step.chars().all(|c| word(c) || "-.+=@".contains(c))
    };
    if revision.len() > 200 || !revision.split('/').all(step) {
        return Err(HubError::BadRevision { given: revision.to_owned() });
    }
    Ok(())
}

/// A file's size, following links.
pub(super) fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
}

pub(super) fn unwritable(path: &Path) -> impl Fn(io::Error) -> HubError + '_ {
    |error| HubError::Unwritable { path: path.to_owned(), error }
}
