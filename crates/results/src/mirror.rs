//! A copy of a results folder in an object store.
//!
//! A sweep works in a local folder, and the store follows. What is durable there is what is
//! durable in the folder: `run.json` with the request comes first, a pass's readings before its
//! part, and everything that is made from the parts at the end. So whenever it is cut off, every
//! part in the store is complete, and a sweep goes on from the store alone.
//!
//! Nothing keeps two machines from writing to the same address. They compute the same passes and
//! put the same objects, so what they leave is one sweep's; of numbers that differ in their last
//! digits between processors, the part that came last is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::json;

use crate::entries::{
    PARTS, is_trace_of_ours, list_parts, lock, part_path, pass_of, refuse_file,
    refuse_foreign_folder,
};
use crate::outputs::{READINGS, list_readings, readings_path};
use crate::part::{Part, read_cases};
use crate::rome::CASES;
use crate::run_file::{RUN_FILE, RunFile};
use crate::store::Store;
use crate::{ResultsError, StoreError, differences, whole_file};

/// An object store that is kept equal to a results folder.
///
/// [`fetch`](Self::fetch) before [`ResultsFolder::open`](crate::ResultsFolder::open),
/// [`begin`](Self::begin) after it, [`commit`](Self::commit) after each
/// [`ResultsFolder::commit`](crate::ResultsFolder::commit), and [`finish`](Self::finish) when
/// tables and figures are made. Each blocks until it is done, and where the network fails it tries
/// again by itself for about twenty seconds. None may be called from asynchronous code.
#[derive(Debug)]
pub struct Mirror {
    store: Store,
}

impl Mirror {
    /// The store at an address, `s3://BUCKET/PATH` or `file:///PATH`, with the keys, region and
    /// endpoint that the variables `AWS_…` of the environment say. Asks the store nothing yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Address`], [`StoreError::Settings`], and [`StoreError::NotBuilt`] without
    /// the feature `object-store`.
    pub fn open(url: &str) -> Result<Self, ResultsError> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("AWS_"))?;
            Some((name, value.into_string().ok()?))
        });
        Self::open_with(url, variables)
    }

    /// As [`Mirror::open`], with settings of the given names instead of the environment's.
    ///
    /// # Errors
    ///
    /// As [`Mirror::open`].
    pub fn open_with(
        url: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ResultsError> {
        Ok(Self { store: Store::open(url, settings)? })
    }

    /// The address, without anything secret.
    pub fn url(&self) -> &str {
        self.store.url()
    }

    /// Brings what is stored into the folder before it is opened: the request, and the parts and
    /// readings that the folder lacks or has damaged. Returns how many parts came.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotOurs`] and [`StoreError::BegunApart`]; [`StoreError::Failed`]; those of
    /// [`ResultsFolder::open`](crate::ResultsFolder::open) about a folder that can't be used.
    pub fn fetch(&self, folder: &Path) -> Result<usize, ResultsError> {
        let stored = self.store.list(folder)?;
        if !stored.contains_key(RUN_FILE) {
            return self.refuse_foreign(&stored);
        }
        let bytes = self.store.read(folder, RUN_FILE)?;
        let run = RunFile::from_bytes(Path::new(&format!("{}/{RUN_FILE}", self.url())), &bytes)?;
        refuse_file(folder)?;
        if RunFile::read(folder)?.is_none() {
            refuse_foreign_folder(folder)?;
        }
        fs::create_dir_all(folder)
            .map_err(|source| ResultsError::NotWritable { path: folder.to_path_buf(), source })?;
        let _lock = lock(folder)?;
        if self.is_further(&run, &stored, folder)? {
            whole_file::write_whole(&folder.join(RUN_FILE), &bytes)?;
        }
        let missing = |name: &&String| is_missing(folder, name, stored[*name]);
        let wanted = |of: fn(&str) -> bool| -> Vec<String> {
            stored.keys().filter(|name| of(name)).filter(missing).cloned().collect()
        };
        self.store.download(folder, &wanted(is_readings))?;
        let parts = wanted(|name| pass_of_name(name).is_some());
        self.store.download(folder, &parts)?;
        Ok(parts.len())
    }

    /// Brings `run.json`, and the readings and parts that the store lacks, from the folder into
    /// the store. The folder is open, so its parts are sound and its request is the sweep's.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`], and [`ResultsError::Read`].
    pub fn begin(&self, folder: &Path) -> Result<(), ResultsError> {
        // Before any part: nobody would know which request the parts belong to.
        self.store.upload(folder, &[RUN_FILE.to_owned()])?;
        self.upload_durable(folder)
    }

    /// Brings a pass into the store after it was committed to the folder.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]. The pass is finished in the folder all the same, so a sweep may go
    /// on: [`Mirror::finish`], or the next [`Mirror::begin`], brings it.
    pub fn commit(&self, folder: &Path, pass: usize, part: &Part) -> Result<(), ResultsError> {
        let readings = part.readings.iter().map(|(case, _)| readings_path(folder, case));
        self.store.upload(folder, &names(folder, readings)?)?;
        // After its readings: it says that the pass is finished.
        self.store.upload(folder, &names(folder, [part_path(folder, pass)])?)
    }

    /// Brings what is made from the parts into the store: tables, the files of the cases, figures.
    /// Before them come the parts that aren't there yet, and last `run.json`, which says how far it
    /// all is.
    ///
    /// # Errors
    ///
    /// [`ResultsError::Unwritable`] for a file that isn't in the folder; [`StoreError::Failed`]
    /// and [`ResultsError::Read`].
    pub fn finish(&self, folder: &Path, files: &[PathBuf]) -> Result<(), ResultsError> {
        let names = names(folder, files)?;
        self.upload_durable(folder)?;
        let made = names.into_iter().filter(|name| name != RUN_FILE && !is_readings(name));
        self.store.upload(folder, &made.collect::<Vec<_>>())?;
        self.store.upload(folder, &[RUN_FILE.to_owned()])
    }

    fn upload_durable(&self, folder: &Path) -> Result<(), ResultsError> {
        let stored = self.store.list(folder)?;
        let lacks = |paths: Vec<PathBuf>| -> Result<Vec<String>, ResultsError> {
            let mut names = names(folder, paths)?;
            names.retain(|name| stored.get(name).copied() != size(&folder.join(name)));
            Ok(names)
        };
        self.store.upload(folder, &lacks(list_readings(folder)?)?)?;
        self.store.upload(folder, &lacks(list_parts(folder)?.into_values().collect())?)
    }

    /// As [`refuse_foreign_folder`]: an address without `run.json` holds nothing but traces of
    /// ours.
    fn refuse_foreign(&self, stored: &BTreeMap<String, u64>) -> Result<usize, ResultsError> {
        let foreign = |name: &&String| pass_of_name(name).is_some() || !is_trace_of_ours(top(name));
        match stored.keys().find(foreign) {
            Some(found) => {
                Err(StoreError::NotOurs { url: self.url().to_owned(), found: found.clone() }.into())
            }
            None => Ok(0),
        }
    }

    /// Whether the stored `run.json` is to take the place of the folder's. Finished passes of two
    /// sweeps, here and there, are refused.
    fn is_further(
        &self,
        stored: &RunFile,
        objects: &BTreeMap<String, u64>,
        folder: &Path,
    ) -> Result<bool, ResultsError> {
        let has_parts = !list_parts(folder)?.is_empty();
        let Some(local) = RunFile::read(folder)?.filter(|_| has_parts) else { return Ok(true) };
        if !objects.keys().any(|name| pass_of_name(name).is_some()) {
            return Ok(false);
        }
        let start = |run: &RunFile| json!({"request": run.request, "environment": run.environment, "passes": run.finished.of});
        let differences = differences(&start(stored), &start(&local));
        if !differences.is_empty() {
            let (url, path) = (self.url().to_owned(), folder.to_path_buf());
            return Err(StoreError::BegunApart { url, path, differences }.into());
        }
        Ok(stored.finished.passes > local.finished.passes)
    }
}

/// Whether the folder lacks a stored file, or has it damaged.
fn is_missing(folder: &Path, name: &str, stored: u64) -> bool {
    let path = folder.join(name);
    let damaged = |pass| read_cases(&path, pass).is_err_and(|error| error.is_damage());
    size(&path) != Some(stored) || pass_of_name(name).is_some_and(damaged)
}

fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.len())
}

/// The pass whose part has this name in a store.
fn pass_of_name(name: &str) -> Option<usize> {
    pass_of(name.strip_prefix(PARTS)?.strip_prefix('/')?)
}

fn is_readings(name: &str) -> bool {
    let below = name.strip_prefix(CASES).and_then(|name| name.strip_prefix('/'));
    // A store's names come from elsewhere, and none may lead out of the folder.
    let is_plain = |name: &str| {
        let mut components = Path::new(name).components();
        matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
    };
    below.is_some_and(|name| is_plain(name) && name.ends_with(READINGS))
}

fn top(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// The names of files in a store: as in the folder, with `/` on every system.
fn names(
    folder: &Path,
    paths: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<Vec<String>, ResultsError> {
    let name = |path: &Path| {
        let parts = path.strip_prefix(folder).ok()?.components();
        parts.map(|part| part.as_os_str().to_str()).collect::<Option<Vec<_>>>().map(|p| p.join("/"))
    };
    let unwritable = |path: &Path| ResultsError::Unwritable {
        path: path.to_path_buf(),
        problem: format!("it isn't a file of the folder {}", folder.display()),
    };
    let name = |path: &Path| name(path).ok_or_else(|| unwritable(path));
    paths.into_iter().map(|path| name(path.as_ref())).collect()
}
