//! Files that can't be read as records.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why nothing can be read of a dataset's file. What is wrong with one record only is a
/// [`Bad`](super::Bad).
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum DatasetError {
    /// There is no such file, or none that may be read.
    #[error("can't read the dataset '{}': {error}: give the path of a .json, .jsonl, .csv, .tsv or .parquet file, or of a text with a prompt on each line", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// A file of no bytes.
    #[error("the dataset '{origin}' is empty: give a file with at least one record")]
    Empty { origin: String },
    /// A file of blanks, of a header alone, or of an empty list.
    #[error("the dataset '{origin}' holds no records: give a file with at least one")]
    NoRecords { origin: String },
    /// Another encoding, or no text at all.
    #[error(
        "the dataset '{origin}' isn't UTF-8 text (line {line} is the first that isn't): save it as UTF-8, or, if it is no text, name it after its format (.parquet)"
    )]
    NotUtf8 { origin: String, line: usize },
    /// A syntax error, after which nothing more can be told of a list.
    #[error(
        "the dataset '{origin}' isn't valid JSON at line {line}, column {column}: {problem}; correct it there, or name the file .jsonl if each line is a record of its own"
    )]
    BadJson { origin: String, line: usize, column: usize, problem: String },
    /// JSON of something else.
    #[error(
        "the dataset '{origin}' isn't a list ({problem}): put the records between [ and ], or name the file .jsonl if each line is a record of its own"
    )]
    NotAList { origin: String, problem: String },
    /// A first line that names no columns.
    #[error(
        "the first line of the dataset '{origin}' doesn't name its columns: {problem}; give each a name of its own there, such as clean,corrupted,answer"
    )]
    BadHeader { origin: String, problem: String },
    /// A file that only has Parquet's name, or is damaged.
    #[error(
        "the dataset '{origin}' can't be read as Parquet: {problem}; write it again, or name it after its format"
    )]
    BadParquet { origin: String, problem: String },
    /// A column of dates, bytes, structs and the like.
    #[error(
        "the column '{column}' of the dataset '{origin}' holds {kind}, and texts, numbers, booleans and lists of texts can be read: leave it out, or write it as text"
    )]
    ColumnType { origin: String, column: String, kind: String },
    /// A codec that isn't built in.
    #[error(
        "the dataset '{origin}' is compressed with {codec}, and uncompressed, SNAPPY and GZIP can be read: write it again with one of these (pandas: compression=\"snappy\")"
    )]
    Codec { origin: String, codec: String },
}
