//! The files that are made from the parts, and can be made from them again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::case::CaseRecord;
use crate::entries::names;
use crate::npz::npz_bytes;
use crate::over_cases::OverCases;
use crate::part::{Part, read_cases};
use crate::rome::{CASES, Scores, file_name, npz_arrays, npz_path};
use crate::table::write_table_in_pieces;
use crate::{Array, ResultsError, Row, tables, whole_file};

/// The table's name in a results folder.
pub(crate) const CELLS: &str = "cells.parquet";

/// What the name of a case's readings ends with.
pub(crate) const READINGS: &str = "_readings.npz";

/// What [`ResultsFolder::finish`](crate::ResultsFolder::finish) has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The files, in the order in which they were written.
    pub files: Vec<PathBuf>,
    /// The number of rows in `cells.parquet`.
    pub rows: usize,
    /// The number of cases.
    pub cases: usize,
    /// The files that couldn't be made, because passes are missing or the case failed.
    pub incomplete: Vec<PathBuf>,
}

/// The cases of all parts, in the order of the passes, each name once.
#[derive(Default)]
pub(crate) struct Cases {
    pub(crate) records: Vec<CaseRecord>,
    by_name: BTreeMap<String, usize>,
}

impl Cases {
    /// Adds the cases of a part. Parts that share a case agree on it; one that failed in any
    /// part has failed.
    pub(crate) fn add(
        &mut self,
        folder: &Path,
        cases: Vec<CaseRecord>,
    ) -> Result<(), ResultsError> {
        for case in cases {
            let Some(&index) = self.by_name.get(&case.name) else {
                self.by_name.insert(case.name.clone(), self.records.len());
                self.records.push(case);
                continue;
            };
            let known = &mut self.records[index];
            if known.prompt != case.prompt && known.failure.is_none() && case.failure.is_none() {
                let (path, name) = (folder.to_path_buf(), case.name);
                return Err(ResultsError::SameName { path, name });
            }
            for grid in case.grids {
                if !known.grids.contains(&grid) {
                    known.grids.push(grid);
                }
            }
            known.failure = known.failure.take().or(case.failure);
        }
        Ok(())
    }

    /// Reads the cases of the given parts, but for what else there is to say of them: that takes the most memory.
    pub(crate) fn of_parts(
        folder: &Path,
        parts: &[(usize, PathBuf)],
    ) -> Result<Self, ResultsError> {
        let mut cases = Self::default();
        for (pass, path) in parts {
            let mut read = read_cases(path, *pass)?;
            read.iter_mut().for_each(|case| case.extra = Value::Null);
            cases.add(folder, read)?;
        }
        Ok(cases)
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// Makes `cells.parquet`, the tables over cases and the files of the cases. One part's rows are in
/// memory at a time.
pub(crate) fn write_outputs(
    folder: &Path,
    parts: &[(usize, PathBuf)],
    cases: &Cases,
) -> Result<Written, ResultsError> {
    let mut written = Written { cases: cases.records.len(), ..Written::default() };
    let mut scores = Scores::of_cases(&cases.records);
    let mut over_cases = OverCases::new(&cases.records);
    let mut extras = Vec::new();
    let cells = folder.join(CELLS);
    write_table_in_pieces(&cells, &tables::cells(), "{}", |push| {
        for (pass, path) in parts {
            let part = Part::read(path, *pass)?;
            push(&part.rows)?;
            extras.extend(write_extras(folder, &part.cases)?);
            written.rows += part.rows.len();
            for row in &part.rows {
                take(row, cases, &mut scores);
                over_cases.iter_mut().for_each(|over_cases| over_cases.take(row));
            }
        }
        Ok(())
    })?;
    written.files.push(cells);
    let tables = over_cases.map(|over_cases| over_cases.tables(&scores)).unwrap_or_default();
    tables.write(folder, &mut written.files)?;
    write_cases(folder, cases, &scores, &mut written)?;
    written.files.extend(extras);
    sync_cases(&written)?;
    Ok(written)
}

fn take(row: &Row, cases: &Cases, scores: &mut [Vec<Scores>]) {
    if let Some(scores) = cases.index(&row.case).and_then(|index| scores.get_mut(index)) {
        scores.iter_mut().for_each(|grid| grid.take(row));
    }
}

fn write_cases(
    folder: &Path,
    cases: &Cases,
    scores: &[Vec<Scores>],
    written: &mut Written,
) -> Result<(), ResultsError> {
    let below = folder.join(CASES);
    if cases.records.iter().any(|case| !case.grids.is_empty()) {
        fs::create_dir_all(&below).map_err(|source| ResultsError::writing(&below, source))?;
    }
    for (case, scores) in cases.records.iter().zip(scores) {
        for (grid, scores) in case.grids.iter().zip(scores) {
            let path = folder.join(npz_path(case, &grid.kind));
            let Some(arrays) = npz_arrays(case, scores) else {
                written.incomplete.push(path);
                continue;
            };
            whole_file::replace_with_bytes(&path, &npz_bytes(&path, &arrays)?)?;
            written.files.push(path);
        }
        let readings = readings_path(folder, &case.name);
        if readings.exists() {
            written.files.push(readings);
        }
    }
    Ok(())
}

/// Writes what else there is to say of some cases.
fn write_extras(folder: &Path, cases: &[CaseRecord]) -> Result<Vec<PathBuf>, ResultsError> {
    let below = folder.join(CASES);
    let mut written = Vec::new();
    for case in cases.iter().filter(|case| !case.extra.is_null()) {
        fs::create_dir_all(&below).map_err(|source| ResultsError::writing(&below, source))?;
        let path = below.join(format!("{}.json", file_name(&case.name)));
        whole_file::replace_with_bytes(&path, &json_bytes(&path, &case.extra)?)?;
        written.push(path);
    }
    Ok(written)
}

/// Once for all files: thousands of syncs of the same folder take minutes on a slow disk.
fn sync_cases(written: &Written) -> Result<(), ResultsError> {
    match written.files.last() {
        Some(last) => whole_file::sync_folder_of(last),
        None => Ok(()),
    }
}

fn json_bytes(path: &Path, value: &Value) -> Result<Vec<u8>, ResultsError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| ResultsError::writing(path, error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The arrays that were read of a case's runs.
pub(crate) fn readings_path(folder: &Path, case: &str) -> PathBuf {
    folder.join(CASES).join(format!("{}{READINGS}", file_name(case)))
}

/// The files of such arrays in a folder.
pub(crate) fn list_readings(folder: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let below = folder.join(CASES);
    let names = names(&below)?.into_iter().filter(|name| name.ends_with(READINGS));
    Ok(names.map(|name| below.join(name)).collect())
}

/// Writes the arrays that were read of a case's runs, and gives the file's digest.
pub(crate) fn write_readings(
    folder: &Path,
    case: &str,
    arrays: &[(String, Array)],
) -> Result<String, ResultsError> {
    let below = folder.join(CASES);
    fs::create_dir_all(&below).map_err(|source| ResultsError::writing(&below, source))?;
    let path = readings_path(folder, case);
    let arrays: Vec<(&str, Array)> =
        arrays.iter().map(|(name, array)| (name.as_str(), array.clone())).collect();
    let bytes = npz_bytes(&path, &arrays)?;
    whole_file::write_whole(&path, &bytes)?;
    Ok(digest(&bytes))
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
