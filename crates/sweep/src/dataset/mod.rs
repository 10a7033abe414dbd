//! Datasets: files of records, read whole, with every bad record told by its line.
//!
//! [`Records`] are what a file holds, whatever its format. [`Checked::facts`] and [`Checked::pairs`]
//! make cases of them. None of these stops at a bad record: it becomes a [`Bad`] beside the good
//! ones, and the caller decides whether to go on without it.

mod columnar;
mod delimited;
mod error;
mod facts;
mod fields;
mod json;
mod pairs;
mod records;
#[cfg(test)]
mod tests;

pub use error::DatasetError;
pub use facts::Fact;
pub(crate) use records::hex;
pub use records::{Bad, Checked, Fields, Format, Place, Record, Records};

pub(crate) use fields::Look;
