//! Tables as Parquet.
//!
//! Strings are UTF-8 byte arrays, ids unsigned 32-bit integers, floats doubles, and a column
//! that doesn't apply is null. The same rows give the same bytes: nothing in a file depends on
//! the clock, and row groups have a fixed number of rows.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use crate::columns::{Column, Field, Table};
use crate::sealed::{self, Sealing};
use crate::{ResultsError, Row, tables, whole_file};

/// The key of the metadata string in the file's footer.
pub(crate) const METADATA_KEY: &str = "tracewright";
/// Bounds the memory of writing, whatever the size of the table.
const GROUP: usize = 32_768;

/// Writes `rows` and a metadata string to `path`, whole or not at all.
///
/// # Errors
///
/// As [`write_whole`](crate::write_whole).
pub fn write_table(path: &Path, rows: &[Row], metadata: &str) -> Result<(), ResultsError> {
    write_table_in_pieces(path, &tables::cells(), metadata, |push| push(rows))?;
    whole_file::sync_folder_of(path)
}

/// What takes the rows of a piece.
type Push<'a, T> = dyn FnMut(&[T]) -> Result<(), ResultsError> + 'a;

/// Like [`write_table`] for rows of any table that come piece by piece; the division into pieces
/// doesn't show in the file.
pub(crate) fn write_table_in_pieces<T: Clone>(
    path: &Path,
    table: &Table<T>,
    metadata: &str,
    pieces: impl FnOnce(&mut Push<'_, T>) -> Result<(), ResultsError>,
) -> Result<(), ResultsError> {
    whole_file::replace(path, |file| {
        let writing = |error| write_error(path, error);
        let mut sealing = Sealing::new(file);
        let mut writer = TableWriter::new(&mut sealing, table).map_err(writing)?;
        pieces(&mut |rows| writer.push(rows).map_err(writing))?;
        writer.close(metadata).map_err(writing)?;
        sealing.seal().map_err(|source| ResultsError::writing(path, source))
    })
}

struct TableWriter<'a, 'f, T> {
    writer: SerializedFileWriter<&'a mut Sealing<'f>>,
    columns: &'a [Column<T>],
    pending: Vec<T>,
}

impl<'a, 'f, T: Clone> TableWriter<'a, 'f, T> {
    fn new(sealing: &'a mut Sealing<'f>, table: &'a Table<T>) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // Not the library's version, so that an update of it can't show by itself.
            .set_created_by(format!("tracewright {}", env!("CARGO_PKG_VERSION")))
            .build();
        let mut writer = SerializedFileWriter::new(sealing, table.schema()?, Arc::new(properties))?;
        writer.write_all(&sealed::PLACEHOLDER)?;
        Ok(Self { writer, columns: &table.columns, pending: Vec::new() })
    }

    fn push(&mut self, rows: &[T]) -> Result<(), ParquetError> {
        for row in rows {
            self.pending.push(row.clone());
            if self.pending.len() == GROUP {
                self.write_group()?;
            }
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in self.columns {
            let missing = || ParquetError::General(format!("no column {}", column.name));
            let mut writer = group.next_column()?.ok_or_else(missing)?;
            write_column(&mut writer, column, &self.pending)?;
            writer.close()?;
        }
        group.close()?;
        self.pending.clear();
        Ok(())
    }

    fn close(mut self, metadata: &str) -> Result<(), ParquetError> {
        if !self.pending.is_empty() {
            self.write_group()?;
        }
        let metadata = KeyValue::new(METADATA_KEY.to_owned(), metadata.to_owned());
        self.writer.append_key_value_metadata(metadata);
        self.writer.close().map(drop)
    }
}

fn write_column<T>(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column<T>,
    rows: &[T],
) -> Result<(), ParquetError> {
    match &column.field {
        Field::Text(get, _) => {
            let get = |row: &T| get(row).map(ByteArray::from);
            write_values::<ByteArrayType, T>(writer, column, rows, get)
        }
        Field::Id(get, _) => {
            let get = |row: &T| get(row).map(u32::cast_signed);
            write_values::<Int32Type, T>(writer, column, rows, get)
        }
        Field::Float(get, _) => write_values::<DoubleType, T>(writer, column, rows, get),
    }
}

fn write_values<D: DataType, T>(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column<T>,
    rows: &[T],
    get: impl Fn(&T) -> Option<D::T>,
) -> Result<(), ParquetError> {
    let cells: Vec<_> = rows.iter().map(get).collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<_> = cells.into_iter().flatten().collect();
    let levels = (!column.required).then_some(&levels[..]);
    writer.typed::<D>().write_batch(&values, levels, None).map(drop)
}

/// The disk's error is inside the format's.
fn write_error(path: &Path, error: ParquetError) -> ResultsError {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => ResultsError::writing(path, *source),
            Err(source) => ResultsError::writing(path, io::Error::other(source)),
        },
        error => ResultsError::writing(path, io::Error::other(error)),
    }
}
