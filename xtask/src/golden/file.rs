//! Golden files, with errors that name the file and the array.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tracewright_ir::Array;
use tracewright_results::{Data, read_npz};

/// The arrays of one `.npz` file.
pub(super) struct GoldenFile {
    /// The file's name without its ending.
    pub(super) name: String,
    path: PathBuf,
    arrays: Vec<(String, tracewright_results::Array)>,
}

/// The path of a fixture.
pub(super) fn fixture(path: &str) -> PathBuf {
    crate::root().join("fixtures").join(path)
}

impl GoldenFile {
    /// All files of a folder of `fixtures/goldens`, in the order of their names.
    pub(super) fn of_folder(folder: &str) -> Result<Vec<Self>> {
        let folder = fixture("goldens").join(folder);
        let reading = || format!("reading the folder {}", folder.display());
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).with_context(reading)? {
            let path = entry.with_context(reading)?.path();
            if path.extension().is_some_and(|ending| ending == "npz") {
                paths.push(path);
            }
        }
        paths.sort();
        ensure!(!paths.is_empty(), "there are no golden files in {}", folder.display());
        paths.iter().map(|path| Self::open(path)).collect()
    }

    fn open(path: &Path) -> Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, path: path.to_owned(), arrays: read_npz(path)? })
    }

    /// The names of all arrays, in the order of the file.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.arrays.iter().map(|(key, _)| key.as_str())
    }

    /// An array as it is stored.
    pub(super) fn array(&self, key: &str) -> Result<&tracewright_results::Array> {
        let found = self.arrays.iter().find(|(name, _)| name == key);
        let (_, array) =
            found.with_context(|| format!("{} has no array '{key}'", self.path.display()))?;
        Ok(array)
    }

    fn wrong_type<T>(&self, key: &str, expected: &str) -> Result<T> {
        bail!("{}: the array '{key}' doesn't hold {expected}", self.path.display())
    }

    /// An array of floats.
    pub(super) fn floats(&self, key: &str) -> Result<Array> {
        let array = self.array(key)?;
        let data = match array.data() {
            Data::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Data::F64(values) => values.clone(),
            _ => return self.wrong_type(key, "floats"),
        };
        Ok(Array { shape: array.shape().to_vec(), data })
    }

    /// An array of integers, such as token ids.
    pub(super) fn integers<T: TryFrom<i64>>(&self, key: &str) -> Result<Vec<T>> {
        let Data::I64(values) = self.array(key)?.data() else {
            return self.wrong_type(key, "integers");
        };
        let values: Option<Vec<T>> = values.iter().map(|value| T::try_from(*value).ok()).collect();
        values.map_or_else(|| self.wrong_type(key, "integers of this range"), Ok)
    }

    /// A single integer.
    pub(super) fn integer<T: TryFrom<i64>>(&self, key: &str) -> Result<T> {
        let mut values = self.integers(key)?;
        match (values.pop(), values.is_empty()) {
            (Some(value), true) => Ok(value),
            _ => self.wrong_type(key, "a single integer"),
        }
    }

    /// An array of texts.
    pub(super) fn texts(&self, key: &str) -> Result<&[String]> {
        match self.array(key)?.data() {
            Data::Str(values) => Ok(values),
            _ => self.wrong_type(key, "texts"),
        }
    }
}
