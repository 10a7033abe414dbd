//! The files that are made from the parts, and can be made from them again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::averages::Groups;
use crate::case::CaseRecord;
use crate::columns;
use crate::npz::npz_bytes;
use crate::part::{Part, read_cases};
use crate::rome::{CASES, Scores, file_name, npz_arrays, npz_path};
use crate::table::write_table_in_pieces;
use crate::{Array, ResultsError, Row, whole_file};

/// The table's name in a results folder.
pub(crate) const CELLS: &str = "cells.parquet";
/// The name of the table of averages over cases.
pub(crate) const AVERAGES: &str = "averages.parquet";

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

    /// Reads the cases of the given parts.
    pub(crate) fn of_parts(
        folder: &Path,
        parts: &[(usize, PathBuf)],
    ) -> Result<Self, ResultsError> {
        let mut cases = Self::default();
        for (pass, path) in parts {
            cases.add(folder, read_cases(path, *pass)?)?;
        }
        Ok(cases)
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// Makes `cells.parquet`, `averages.parquet` and the files of the cases. One part's rows are in
/// memory at a time.
pub(crate) fn write_outputs(
    folder: &Path,
    parts: &[(usize, PathBuf)],
    cases: &Cases,
) -> Result<Written, ResultsError> {
    let mut written = Written { cases: cases.records.len(), ..Written::default() };
    let mut scores: Vec<Vec<Scores>> = cases
        .records
        .iter()
        .map(|case| case.grids.iter().map(|grid| Scores::new(case, grid)).collect())
        .collect();
    let mut groups = Groups::new(&cases.records);
    let cells = folder.join(CELLS);
    write_table_in_pieces(&cells, &columns::CELLS, "{}", |push| {
        for (pass, path) in parts {
            let part = Part::read(path, *pass)?;
            push(&part.rows)?;
            written.rows += part.rows.len();
            for row in &part.rows {
                take(row, cases, &mut scores);
                groups.iter_mut().for_each(|groups| groups.take(row));
            }
        }
        Ok(())
    })?;
    written.files.push(cells);
    written.files.extend(write_averages(folder, groups.as_ref())?);
    write_cases(folder, cases, &scores, &mut written)?;
    Ok(written)
}

/// Writes the averages; where there are none, none of an earlier finish stay (of two cases one may
/// have been lost with a damaged part).
fn write_averages(
    folder: &Path,
    groups: Option<&Groups<'_>>,
) -> Result<Option<PathBuf>, ResultsError> {
    let path = folder.join(AVERAGES);
    let Some(groups) = groups else {
        return match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(ResultsError::writing(&path, source))
            }
            _ => Ok(None),
        };
    };
    let averages = groups.averages();
    write_table_in_pieces(&path, &columns::AVERAGES, "{}", |push| push(&averages))?;
    Ok(Some(path))
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
    let anything = |case: &CaseRecord| !case.grids.is_empty() || !case.extra.is_null();
    if cases.records.iter().any(anything) {
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
        if !case.extra.is_null() {
            let path = below.join(format!("{}.json", file_name(&case.name)));
            whole_file::replace_with_bytes(&path, &json_bytes(&path, &case.extra)?)?;
            written.files.push(path);
        }
    }
    // Once for all files: thousands of syncs of the same folder take minutes on a slow disk.
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
    folder.join(CASES).join(format!("{}_readings.npz", file_name(case)))
}

/// Writes the arrays that were read of a case's runs.
pub(crate) fn write_readings(
    folder: &Path,
    case: &str,
    arrays: &[(String, Array)],
) -> Result<(), ResultsError> {
    let below = folder.join(CASES);
    fs::create_dir_all(&below).map_err(|source| ResultsError::writing(&below, source))?;
    let path = readings_path(folder, case);
    let arrays: Vec<(&str, Array)> =
        arrays.iter().map(|(name, array)| (name.as_str(), array.clone())).collect();
    whole_file::write_whole(&path, &npz_bytes(&path, &arrays)?)
}
