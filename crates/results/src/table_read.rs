//! Reading the table of cells back.

use std::fs::File;
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::columns::{COLUMNS, Column, Field, schema_problem};
use crate::table::METADATA_KEY;
use crate::{ResultsError, Row, sealed};

/// Reads what [`write_table`](crate::write_table) wrote: the rows and the metadata string.
///
/// # Errors
///
/// [`ResultsError::Read`] if there is no such file; [`ResultsError::Damaged`] if it isn't byte
/// for byte what was written; [`ResultsError::Unsupported`] if its columns aren't [`Row`]'s.
pub fn read_table(path: &Path) -> Result<(Vec<Row>, String), ResultsError> {
    let (reader, metadata) = open(path)?;
    let rows = read_rows(&reader).map_err(|error| damaged(path, error.to_string()))?;
    Ok((rows, metadata))
}

/// The metadata string alone, after the same checks of the whole file.
pub(crate) fn read_metadata(path: &Path) -> Result<String, ResultsError> {
    open(path).map(|(_, metadata)| metadata)
}

fn open(path: &Path) -> Result<(SerializedFileReader<File>, String), ResultsError> {
    let reading = |source| ResultsError::reading(path, source);
    let mut file = File::open(path).map_err(reading)?;
    if !sealed::is_intact(&mut file).map_err(reading)? {
        let problem = "it isn't byte for byte what Tracewright wrote (truncated, changed, or \
                       written by another program)";
        return Err(damaged(path, problem.to_owned()));
    }
    let broken = |error: ParquetError| damaged(path, error.to_string());
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let described = reader.metadata().file_metadata();
    if let Some(problem) = schema_problem(described.schema_descr()) {
        let advice = "Read it with the version of Tracewright that wrote it";
        return Err(ResultsError::Unsupported { path: path.to_path_buf(), problem, advice });
    }
    let metadata = described
        .key_value_metadata()
        .and_then(|entries| entries.iter().find(|entry| entry.key == METADATA_KEY))
        .and_then(|entry| entry.value.clone())
        .ok_or_else(|| damaged(path, format!("its footer has no entry {METADATA_KEY}")))?;
    Ok((reader, metadata))
}

fn read_rows(reader: &SerializedFileReader<File>) -> Result<Vec<Row>, ParquetError> {
    let mut rows = Vec::new();
    for index in 0..reader.num_row_groups() {
        let group = reader.get_row_group(index)?;
        let count = usize::try_from(group.metadata().num_rows())
            .map_err(|_| ParquetError::General("a negative number of rows".to_owned()))?;
        let start = rows.len();
        rows.resize(start + count, Row::default());
        for (index, column) in COLUMNS.iter().enumerate() {
            read_column(group.get_column_reader(index)?, column, &mut rows[start..])?;
        }
    }
    Ok(rows)
}

fn read_column(
    reader: ColumnReader,
    column: &Column,
    rows: &mut [Row],
) -> Result<(), ParquetError> {
    match column.field {
        Field::Text(_, set) => read_values::<ByteArrayType>(reader, column, rows, |row, value| {
            set(row, value.as_utf8()?.to_owned());
            Ok(())
        }),
        Field::Id(_, set) => read_values::<Int32Type>(reader, column, rows, |row, value| {
            set(row, value.cast_unsigned());
            Ok(())
        }),
        Field::Float(_, set) => read_values::<DoubleType>(reader, column, rows, |row, value| {
            set(row, value);
            Ok(())
        }),
    }
}

fn read_values<T: DataType>(
    reader: ColumnReader,
    column: &Column,
    rows: &mut [Row],
    set: impl Fn(&mut Row, T::T) -> Result<(), ParquetError>,
) -> Result<(), ParquetError> {
    let mut reader: ColumnReaderImpl<T> = get_typed_column_reader(reader);
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
