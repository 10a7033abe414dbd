//! Records as rows of a Parquet file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;
use serde_json::{Number, Value};

use super::error::DatasetError;
use super::records::{Fields, Place, Read};

/// How pandas names an index that it writes beside the columns.
const INDEX: &str = "__index_level_";

/// The rows of a file, without pandas' index.
pub(super) fn read(origin: &str, bytes: &[u8]) -> Result<Vec<Read>, DatasetError> {
    let bad = |problem| DatasetError::BadParquet { origin: origin.to_owned(), problem };
    // Some kinds of damage are assertions of that crate, in its metadata and bit reader.
    let rows = catch_unwind(AssertUnwindSafe(|| rows(origin, Bytes::copy_from_slice(bytes))));
    rows.unwrap_or_else(|_| Err(bad("it is damaged".to_owned()).into())).map_err(
        |stop| match stop {
            Stop::Told(error) => error,
            Stop::Parquet(ParquetError::General(problem)) => bad(problem),
            Stop::Parquet(error) => bad(error.to_string()),
        },
    )
}

/// Why reading ends.
enum Stop {
    Told(DatasetError),
    Parquet(ParquetError),
}

impl From<DatasetError> for Stop {
    fn from(error: DatasetError) -> Self {
        Self::Told(error)
    }
}

impl From<ParquetError> for Stop {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

fn rows(origin: &str, bytes: Bytes) -> Result<Vec<Read>, Stop> {
    let file = SerializedFileReader::new(bytes)?;
    check(origin, file.metadata())?;
    let rows = (1..).zip(file.get_row_iter(None)?);
    rows.map(|(number, row)| Ok((Place::Row(number), Ok(fields(row?.into_columns()))))).collect()
}

/// Refuses what can't be read, by its name.
fn check(origin: &str, metadata: &ParquetMetaData) -> Result<(), DatasetError> {
    for column in metadata.file_metadata().schema().get_fields() {
        if !(is_scalar(column) || is_list_of_texts(column)) {
            let (origin, column_name) = (origin.to_owned(), column.name().to_owned());
            return Err(DatasetError::ColumnType {
                origin,
                column: column_name,
                kind: kind(column),
            });
        }
    }
    let mut codecs = metadata.row_groups().iter().flat_map(|group| group.columns());
    let other = codecs.find_map(|column| match column.compression() {
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) => None,
        other => Some(other),
    });
    match other {
        Some(codec) => {
            // Without the level in brackets.
            let name = codec.to_string().split('(').next().unwrap_or_default().to_owned();
            Err(DatasetError::Codec { origin: origin.to_owned(), codec: name })
        }
        None => Ok(()),
    }
}

fn is_scalar(column: &Type) -> bool {
    let plain = matches!(
        column.get_basic_info().logical_type_ref(),
        None | Some(LogicalType::Integer { .. })
    );
    let once = !column.is_group() && column.get_basic_info().repetition() != Repetition::REPEATED;
    once && match column.get_physical_type() {
        Physical::BYTE_ARRAY => is_text(column),
        Physical::INT32 | Physical::INT64 => plain && !is_dated(column),
        Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE => true,
        Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY => false,
    }
}

fn is_text(column: &Type) -> bool {
    let is = column.get_basic_info().converted_type();
    matches!(is, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
}

/// Numbers that stand for something else, as older files say it.
fn is_dated(column: &Type) -> bool {
    use ConvertedType::{
        DATE, DECIMAL, TIME_MICROS, TIME_MILLIS, TIMESTAMP_MICROS, TIMESTAMP_MILLIS,
    };
    let others = [DATE, DECIMAL, TIME_MICROS, TIME_MILLIS, TIMESTAMP_MICROS, TIMESTAMP_MILLIS];
    others.contains(&column.get_basic_info().converted_type())
}

/// The list of three levels that the format prescribes and all writers of today write.
fn is_list_of_texts(column: &Type) -> bool {
    let is_list = column.get_basic_info().converted_type() == ConvertedType::LIST;
    let inner = |group: &Type| match group.is_group().then(|| group.get_fields()) {
        Some([one]) => Some(one.clone()),
        _ => None,
    };
    let element = inner(column).and_then(|repeated| inner(&repeated));
    is_list && element.is_some_and(|element| is_scalar(&element) && is_text(&element))
}

/// What a column holds, in words.
fn kind(column: &Type) -> String {
    if column.is_group() {
        return "structs, or lists of other values than texts".to_owned();
    }
    let words = match column.get_basic_info().logical_type_ref() {
        Some(LogicalType::Timestamp { .. } | LogicalType::Date | LogicalType::Time { .. }) => {
            "times"
        }
        Some(LogicalType::Decimal { .. }) => "decimals",
        _ if column.get_physical_type() == Physical::BYTE_ARRAY => "bytes",
        _ => return format!("values of the type {}", column.get_physical_type()),
    };
    words.to_owned()
}

fn fields(columns: Vec<(String, Field)>) -> Fields {
    let named = columns.into_iter().filter(|(name, _)| !name.starts_with(INDEX));
    named.filter_map(|(name, field)| Some((name, value(&field)?))).collect()
}

/// A cell; none where it is null, or not a number, which is how pandas writes null among floats.
fn value(field: &Field) -> Option<Value> {
    Some(match field {
        Field::Str(text) => text.as_str().into(),
        Field::Bool(bool) => (*bool).into(),
        Field::Byte(number) => (*number).into(),
        Field::Short(number) => (*number).into(),
        Field::Int(number) => (*number).into(),
        Field::Long(number) => (*number).into(),
        Field::UByte(number) => (*number).into(),
        Field::UShort(number) => (*number).into(),
        Field::UInt(number) => (*number).into(),
        Field::ULong(number) => (*number).into(),
        Field::Double(number) => float(*number)?,
        // By its shortest decimal form, so that 0.1 stays 0.1.
        Field::Float(number) => float(number.to_string().parse().ok()?)?,
        Field::ListInternal(list) => {
            list.elements().iter().map(|text| value(text).unwrap_or_default()).collect()
        }
        _ => return None,
    })
}

fn float(number: f64) -> Option<Value> {
    match Number::from_f64(number) {
        Some(number) => Some(number.into()),
        None if number.is_nan() => None,
        None => Some(number.to_string().into()),
    }
}
