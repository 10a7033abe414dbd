//! What a sweep writes: the table of cells, averages over cases, ROME's `.npz` files, `run.json`.
//!
//! Invariants:
//!
//! - *No tensors.* Everything here is plain data in host memory.
//! - *A file appears whole or not at all*, and a pass is finished exactly when its part is there.
//! - *Everything but the parts and the request can be made again* from them, byte for byte:
//!   [`ResultsFolder::finish`] does it, as often as one likes.
//! - *Nothing depends on the clock* but the `cost` that the caller gives.
//! - *Damage is found before it is decoded*: tables carry a checksum of the whole file.
//!
//! ```
//! use serde_json::json;
//! use tracewright_ir::Tokens;
//! use tracewright_results::{CaseRecord, KindGrid, Part, ResultsFolder, Row, load};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let request = json!({"prompt": "Hi there"});
//! let mut folder = ResultsFolder::open(dir.path(), &request, &json!({"threads": 2}), 1)?;
//!
//! let case = CaseRecord {
//!     name: "0".into(),
//!     prompt: "Hi there".into(),
//!     tokens: Tokens { ids: vec![7], texts: vec!["Hi there".into()], offsets: vec![0..8] },
//!     answer: " you".into(),
//!     correct_prediction: true,
//!     grids: vec![KindGrid {
//!         kind: "hidden".into(),
//!         site: "resid_post".into(),
//!         metric: "prob".into(),
//!         layers: 1,
//!     }],
//!     ..CaseRecord::default()
//! };
//! let cell = Row {
//!     case: "0".into(),
//!     kind: Some("hidden".into()),
//!     site: "resid_post".into(),
//!     layer: Some(0),
//!     position: Some(0),
//!     metric: "prob".into(),
//!     value: Some(0.25),
//!     n: 10,
//!     ..Row::default()
//! };
//! let (cases, rows) = (vec![case.clone()], vec![cell.clone()]);
//! folder.commit(0, &Part { cases, rows, ..Part::default() })?;
//! folder.finish(&json!({"seconds": 1.5}))?;
//!
//! assert!(dir.path().join("cases/knowledge_0.npz").exists());
//! let results = load(dir.path())?;
//! assert_eq!((results.cases, results.rows), (vec![case], vec![cell]));
//! # Ok(())
//! # }
//! ```

mod array;
mod average;
mod averages;
mod bootstrap;
mod case;
mod columns;
mod differences;
mod entries;
mod error;
mod folder;
mod load;
mod npy;
mod npz;
mod outputs;
mod pair;
mod part;
mod rome;
mod row;
mod run_file;
mod sealed;
mod statistics;
mod table;
mod table_read;
mod whole_file;

pub use array::{Array, Data};
pub use average::{Average, Group};
pub use averages::averages;
pub use bootstrap::{Interval, LEVEL, RESAMPLES, Resamples};
pub use case::{CaseRecord, KindGrid};
pub use differences::differences;
pub use error::ResultsError;
pub use folder::ResultsFolder;
pub use load::{Results, load};
pub use npz::{read_npz, write_npz};
pub use outputs::Written;
pub use pair::{
    Baseline, GridAxis, PairGrid, PairPrompt, PairRecord, PairToken, SubjectCurve, TopToken,
    TopTokens,
};
pub use part::Part;
pub use rome::{NamedArrays, Scores, file_name, npz_arrays, npz_path};
pub use row::Row;
pub use run_file::{FORMAT, FailedCase, Progress, RunFile};
pub use statistics::{Fraction, MeanOfRatios, RatioOfMeans, Summary, Undefined};
pub use table::write_table;
pub use table_read::{read_averages, read_table};
pub use whole_file::write_whole;
