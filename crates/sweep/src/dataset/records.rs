//! The records of a file.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::DatasetError;
use super::{columnar, delimited, json};

/// A record's fields, in the order of the file. A field that is null in JSON or Parquet, or an empty
/// cell of a table, is null or absent here; both mean that the record hasn't got it.
pub type Fields = Map<String, Value>;

/// How a file holds its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A list of objects, or of prompts (`.json`).
    Json,
    /// An object, or a prompt in quotes, on each line (`.jsonl`, `.ndjson`); blank lines don't count.
    JsonLines,
    /// A table whose first line names the columns, with commas (`.csv`; RFC 4180, so a cell in double
    /// quotes may hold commas, line breaks and doubled quotes).
    Csv,
    /// The same with tabs (`.tsv`).
    Tsv,
    /// A Parquet file (`.parquet`), uncompressed or with Snappy or gzip.
    Parquet,
    /// A prompt on each line (any other extension); blank lines don't count.
    Lines,
}

impl Format {
    /// The format that a file's extension stands for, in small or capital letters.
    pub fn of(path: &Path) -> Self {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("json") => Self::Json,
            Some("jsonl" | "ndjson") => Self::JsonLines,
            Some("csv") => Self::Csv,
            Some("tsv") => Self::Tsv,
            Some("parquet") => Self::Parquet,
            _ => Self::Lines,
        }
    }
}

/// Where a record stands in its file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The line on which it begins.
    Line(usize),
    /// Its row, where a file has no lines (Parquet).
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// One record of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where it stands.
    pub place: Place,
    /// How many records stand before it, bad ones among them: correcting those changes no other's.
    pub index: usize,
    /// What it holds.
    pub fields: Fields,
}

/// A record that can't be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Where it stands.
    pub place: Place,
    /// All that is wrong with it.
    pub problem: String,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    /// The file's path as it was given, or what else to call it.
    pub origin: String,
    /// SHA-256 of the file's bytes, in hexadecimal digits.
    pub sha256: String,
    /// The records, in the order of the file.
    pub records: Vec<Record>,
    /// Those that can't be read, in the order of the file.
    pub bad: Vec<Bad>,
}

/// Records made into something, and those that it can't be made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked<T> {
    /// What the good records say, in the order of the file.
    pub good: Vec<T>,
    /// The bad records, in the order of the file; those that couldn't even be read are among them.
    pub bad: Vec<Bad>,
}

/// What a reader gives for each record: its fields, or why there are none.
pub(super) type Read = (Place, Result<Fields, String>);

impl Records {
    /// Reads a file of the format that its extension stands for.
    ///
    /// # Errors
    ///
    /// A file that can't be read, is empty, isn't what its extension says, or holds no records.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let unreadable = |error| DatasetError::Unreadable { path: path.to_owned(), error };
        let bytes = fs::read(path).map_err(unreadable)?;
        Self::of(&path.display().to_string(), Format::of(path), &bytes)
    }

    /// Reads the bytes of a file that messages call `origin`.
    ///
    /// # Errors
    ///
    /// As [`Records::read`].
    pub fn of(origin: &str, format: Format, bytes: &[u8]) -> Result<Self, DatasetError> {
        if bytes.is_empty() {
            return Err(DatasetError::Empty { origin: origin.to_owned() });
        }
        let read = match format {
            Format::Parquet => columnar::read(origin, bytes)?,
            Format::Json => json::list(origin, text(origin, bytes)?)?,
            Format::JsonLines => json::lines(text(origin, bytes)?),
            Format::Csv => delimited::read(origin, text(origin, bytes)?, b',')?,
            Format::Tsv => delimited::read(origin, text(origin, bytes)?, b'\t')?,
            Format::Lines => prompts(text(origin, bytes)?),
        };
        if read.is_empty() {
            return Err(DatasetError::NoRecords { origin: origin.to_owned() });
        }
        let (origin, sha256) = (origin.to_owned(), hex(&Sha256::digest(bytes)));
        let (mut records, mut bad) = (Vec::new(), Vec::new());
        for (index, (place, fields)) in read.into_iter().enumerate() {
            match fields {
                Ok(fields) => records.push(Record { place, index, fields }),
                Err(problem) => bad.push(Bad { place, problem }),
            }
        }
        Ok(Self { origin, sha256, records, bad })
    }

    /// Makes something of every record, and collects all that is wrong with any.
    pub(super) fn check<T>(
        &self,
        mut make: impl FnMut(&Record) -> Result<T, Vec<String>>,
    ) -> Checked<T> {
        let (mut good, mut bad) = (Vec::new(), self.bad.clone());
        for record in &self.records {
            match make(record) {
                Ok(made) => good.push(made),
                Err(problems) => {
                    bad.push(Bad { place: record.place, problem: problems.join("; ") });
                }
            }
        }
        bad.sort_by_key(|bad| bad.place);
        Checked { good, bad }
    }
}

/// The text of a file, without a byte order mark.
fn text<'a>(origin: &str, bytes: &'a [u8]) -> Result<&'a str, DatasetError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        DatasetError::NotUtf8 { origin: origin.to_owned(), line }
    })
}

fn prompts(text: &str) -> Vec<Read> {
    let lines = (1..).zip(text.lines()).filter(|(_, prompt)| !prompt.trim().is_empty());
    lines.map(|(line, prompt)| (Place::Line(line), Ok(prompt_alone(prompt)))).collect()
}

/// The fields of a record that is a prompt and nothing else.
pub(super) fn prompt_alone(prompt: &str) -> Fields {
    Fields::from_iter([("prompt".to_owned(), prompt.into())])
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
