//! Reading tables back.

use std::fs::File;
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::columns::{Column, Field, Table};
use crate::table::METADATA_KEY;
use crate::{Average, Peak, ResultsError, RomeAverage, Row, sealed, tables};

/// Reads what [`write_table`](crate::write_table) wrote: the rows and the metadata string. A
/// column that the file's writer didn't know yet is null.
///
/// # Errors
///
/// [`ResultsError::Read`] if there is no such file; [`ResultsError::Damaged`] if it isn't byte
/// for byte what was written; [`ResultsError::Unsupported`] if its columns aren't [`Row`]'s.
pub fn read_table(path: &Path) -> Result<(Vec<Row>, String), ResultsError> {
    TableReader::open(path, tables::cells())?.read()
}

/// Reads `averages.parquet`, which [`ResultsFolder::finish`](crate::ResultsFolder::finish) wrote.
///
/// # Errors
///
/// As [`read_table`].
pub fn read_averages(path: &Path) -> Result<Vec<Average>, ResultsError> {
    Ok(TableReader::open(path, tables::averages())?.read()?.0)
}

/// Reads `rome_averages.parquet`, which [`ResultsFolder::finish`](crate::ResultsFolder::finish)
/// wrote.
///
/// # Errors
///
/// As [`read_table`].
pub fn read_rome_averages(path: &Path) -> Result<Vec<RomeAverage>, ResultsError> {
    Ok(TableReader::open(path, tables::rome_averages())?.read()?.0)
}

/// Reads `peaks.parquet`, which [`ResultsFolder::finish`](crate::ResultsFolder::finish) wrote.
///
/// # Errors
///
/// As [`read_table`].
pub fn read_peaks(path: &Path) -> Result<Vec<Peak>, ResultsError> {
    Ok(TableReader::open(path, tables::peaks())?.read()?.0)
}

/// The metadata string of a table of cells alone, after the same checks of the whole file.
pub(crate) fn read_metadata(path: &Path) -> Result<String, ResultsError> {
    Ok(TableReader::open(path, tables::cells())?.metadata)
}

/// A file that is what was written, and has the table's columns.
struct TableReader<'a, T> {
    path: &'a Path,
    file: SerializedFileReader<File>,
    /// Each column with its place in the file.
    columns: Vec<(usize, Column<T>)>,
    metadata: String,
}

impl<'a, T: Clone + Default> TableReader<'a, T> {
    fn open(path: &'a Path, table: Table<T>) -> Result<Self, ResultsError> {
        let reading = |source| ResultsError::reading(path, source);
        let mut file = File::open(path).map_err(reading)?;
        if !sealed::is_intact(&mut file).map_err(reading)? {
            let problem = "it isn't byte for byte what Tracewright wrote (truncated, changed, or \
                           written by another program)";
            return Err(damaged(path, problem.to_owned()));
        }
        let broken = |error: ParquetError| damaged(path, error.to_string());
        let file = SerializedFileReader::new(file).map_err(broken)?;
        let described = file.metadata().file_metadata();
        let places = table.places(described.schema_descr()).map_err(|problem| {
            let advice = "Read it with the version of Tracewright that wrote it";
            ResultsError::Unsupported { path: path.to_path_buf(), problem, advice }
        })?;
        let columns = places.into_iter().zip(table.columns);
        let columns = columns.filter_map(|(place, column)| Some((place?, column))).collect();
        let metadata = described
            .key_value_metadata()
            .and_then(|entries| entries.iter().find(|entry| entry.key == METADATA_KEY))
            .and_then(|entry| entry.value.clone())
            .ok_or_else(|| damaged(path, format!("its footer has no entry {METADATA_KEY}")))?;
        Ok(Self { path, file, columns, metadata })
    }

    fn read(self) -> Result<(Vec<T>, String), ResultsError> {
        let rows = self.rows().map_err(|error| damaged(self.path, error.to_string()))?;
        Ok((rows, self.metadata))
    }

    fn rows(&self) -> Result<Vec<T>, ParquetError> {
        let mut rows = Vec::new();
        for index in 0..self.file.num_row_groups() {
            let group = self.file.get_row_group(index)?;
            let count = usize::try_from(group.metadata().num_rows())
                .map_err(|_| ParquetError::General("a negative number of rows".to_owned()))?;
            let start = rows.len();
            rows.resize(start + count, T::default());
            for (place, column) in &self.columns {
                read_column(group.get_column_reader(*place)?, column, &mut rows[start..])?;
            }
        }
        Ok(rows)
    }
}

fn read_column<T>(
    reader: ColumnReader,
    column: &Column<T>,
    rows: &mut [T],
) -> Result<(), ParquetError> {
    match &column.field {
        Field::Text(_, set) => {
            read_values::<ByteArrayType, T>(reader, column, rows, |row, value| {
                set(row, value.as_utf8()?.to_owned());
                Ok(())
            })
        }
        Field::Id(_, set) => read_values::<Int32Type, T>(reader, column, rows, |row, value| {
            set(row, value.cast_unsigned());
            Ok(())
        }),
        Field::Float(_, set) => read_values::<DoubleType, T>(reader, column, rows, |row, value| {
            set(row, value);
            Ok(())
        }),
    }
}

fn read_values<D: DataType, T>(
    reader: ColumnReader,
    column: &Column<T>,
    rows: &mut [T],
    set: impl Fn(&mut T, D::T) -> Result<(), ParquetError>,
) -> Result<(), ParquetError> {
    let mut reader: ColumnReaderImpl<D> = get_typed_column_reader(reader);
    let (mut values, mut levels, mut read) = (Vec::new(), Vec::new(), 0);
    while read < rows.len() {
        let left = rows.len() - read;
        let (records, ..) = reader.read_records(left, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            let message = format!("the column {} ends after {read} rows", column.name);
            return Err(ParquetError::General(message));
        }
        read += records;
    }
    let mut values = values.into_iter();
    for (index, row) in rows.iter_mut().enumerate() {
        let present = column.required || levels.get(index) == Some(&1);
        if let Some(value) = present.then(|| values.next()).flatten() {
            set(row, value)?;
        }
    }
    Ok(())
}

fn damaged(path: &Path, problem: String) -> ResultsError {
    let advice = "Give the sweep's command again: what is missing is computed anew";
    ResultsError::Damaged { path: path.to_path_buf(), problem, advice }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::table::write_table_in_pieces;
    use crate::write_table;

    fn check(rows: &[Row], metadata: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.parquet");
        write_table(&path, rows, metadata).unwrap();
        let (read, said) = read_table(&path).unwrap();
        assert_eq!(said, metadata);
        // The printed form tells every double from every other, and NaN equals itself.
        assert_eq!(format!("{read:?}"), format!("{rows:?}"));
    }

    fn row(value: f64) -> Row {
        let case = "17".to_owned();
        Row { case, value: Some(value), layer: Some(u32::MAX), ..Row::default() }
    }

    prop_compose! {
        fn any_row()(
            case in ".{0,8}",
            kind in proptest::option::of("hidden|mlp"),
            token in proptest::option::of(".{0,3}"),
            layer in any::<Option<u32>>(),
            neuron in any::<Option<u32>>(),
            value in proptest::option::of(proptest::num::f64::ANY),
            std in any::<Option<f64>>(),
            n in any::<u32>(),
        ) -> Row {
            Row { case, kind, token, layer, neuron, value, std, n, ..Row::default() }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            rows in proptest::collection::vec(any_row(), 0..40),
            metadata in ".{0,20}",
        ) {
            check(&rows, &metadata);
        }
    }

    #[test]
    fn a_table_of_many_row_groups_is_read_whole() {
        let rows: Vec<_> = (0..70_000).map(|i| row(f64::from(i))).collect();
        check(&rows, "");
    }

    /// The table before `stderr` was a column.
    fn earlier() -> Table<Row> {
        let mut table = tables::cells();
        let later = ["corruption", "stderr", "low", "high"];
        table.columns.retain(|column| !later.contains(&column.name.as_str()));
        table
    }

    #[test]
    fn a_table_of_earlier_columns_is_read_with_nulls_for_the_later_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.parquet");
        let rows = [Row { std: Some(2.0), stderr: Some(1.0), n: 4, ..row(0.5) }];
        write_table_in_pieces(&path, &earlier(), "x", |push| push(&rows)).unwrap();
        let (read, _) = read_table(&path).unwrap();
        assert_eq!(read, [Row { stderr: None, ..rows[0].clone() }]);
    }

    #[test]
    fn averages_are_not_read_as_cells() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("averages.parquet");
        write_table_in_pieces(&path, &tables::averages(), "", |push| push(&[])).unwrap();
        assert!(matches!(read_table(&path), Err(ResultsError::Unsupported { .. })));
        assert_eq!(read_averages(&path).unwrap(), []);
    }

    #[test]
    fn the_same_rows_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = |name| {
            let path = folder.path().join(name);
            write_table(&path, &[row(0.5), row(f64::NAN)], "x").unwrap();
            fs::read(path).unwrap()
        };
        assert_eq!(bytes("a"), bytes("b"));
    }

    #[test]
    fn every_truncation_and_every_changed_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write_table(&path, &[row(0.5)], "x").unwrap();
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..at]).unwrap();
            assert!(read_table(&path).unwrap_err().is_damage(), "{at} bytes");
            let mut changed = whole.clone();
            changed[at] ^= 16;
            fs::write(&path, changed).unwrap();
            // The first four bytes and the last are the format's, all covered by the digest.
            assert!(read_table(&path).unwrap_err().is_damage(), "byte {at} changed");
        }
    }
}
