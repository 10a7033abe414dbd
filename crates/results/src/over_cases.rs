//! The tables over cases: written where there are two or more that count.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::averages::Groups;
use crate::case::CaseRecord;
use crate::columns::Table;
use crate::peaks::Highest;
use crate::rome::Scores;
use crate::table::write_table_in_pieces;
use crate::{Average, Peak, ResultsError, RomeAverage, Row, rome_averages, tables};

const AVERAGES: &str = "averages.parquet";
const ROME_AVERAGES: &str = "rome_averages.parquet";
const PEAKS: &str = "peaks.parquet";

/// What is gathered of two cases or more, row by row.
pub(crate) struct OverCases<'a> {
    cases: &'a [CaseRecord],
    groups: Groups<'a>,
    highest: Highest<'a>,
}

/// The rows of the tables over cases; none of a table that isn't written.
#[derive(Default)]
pub(crate) struct TablesOverCases {
    averages: Option<Vec<Average>>,
    rome: Option<Vec<RomeAverage>>,
    peaks: Option<Vec<Peak>>,
}

impl<'a> OverCases<'a> {
    /// For the rows of these cases; `None` for fewer than two that count.
    pub(crate) fn new(cases: &'a [CaseRecord]) -> Option<Self> {
        Some(Self { cases, groups: Groups::new(cases)?, highest: Highest::new(cases) })
    }

    /// Takes a cell.
    pub(crate) fn take(&mut self, row: &Row) {
        self.groups.take(row);
        self.highest.take(row);
    }

    /// The tables, with what the scores of each case's grids give.
    pub(crate) fn tables(self, scores: &[Vec<Scores>]) -> TablesOverCases {
        let rome = rome_averages::of_scores(self.cases, scores);
        TablesOverCases {
            averages: Some(self.groups.averages()),
            // Only traces have ROME's grids.
            rome: (!rome.is_empty()).then_some(rome),
            peaks: Some(self.highest.peaks()),
        }
    }
}

impl TablesOverCases {
    /// Writes the tables and adds their paths to `files`.
    pub(crate) fn write(
        &self,
        folder: &Path,
        files: &mut Vec<PathBuf>,
    ) -> Result<(), ResultsError> {
        files.extend(write_or_remove(folder.join(AVERAGES), &tables::averages(), &self.averages)?);
        files.extend(write_or_remove(
            folder.join(ROME_AVERAGES),
            &tables::rome_averages(),
            &self.rome,
        )?);
        files.extend(write_or_remove(folder.join(PEAKS), &tables::peaks(), &self.peaks)?);
        Ok(())
    }
}

/// Writes a table; where there is none, none of an earlier finish stays (of two cases one may have
/// been lost with a damaged part).
fn write_or_remove<T: Clone>(
    path: PathBuf,
    table: &Table<T>,
    rows: &Option<Vec<T>>,
) -> Result<Option<PathBuf>, ResultsError> {
    let Some(rows) = rows else {
        return match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(ResultsError::writing(&path, source))
            }
            _ => Ok(None),
        };
    };
    write_table_in_pieces(&path, table, "{}", |push| push(rows))?;
    Ok(Some(path))
}
