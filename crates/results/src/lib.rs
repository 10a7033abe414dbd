//! What a sweep writes: the table of cells, statistics over cases, ROME's `.npz` files, `run.json`.
//!
//! What a sweep calls a unit of work, cases that are done together, is a *pass* here, as in the names of
//! the parts and in `run.json`. Into how many walks through the model's layers it is cut isn't known here.
//!
//! Invariants:
//!
//! - *No tensors.* Everything here is plain data in host memory.
//! - *A file appears whole or not at all*, and a pass is finished exactly when its part is there.
//! - *Everything but the parts and the request can be made again* from them, byte for byte:
//!   [`ResultsFolder::finish`] does it, as often as one likes.
//! - *A part in an object store is complete*: its request and readings were there before it.
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
mod compare;
mod differences;
mod entries;
mod error;
mod folder;
mod group_by;
mod grouped;
mod grouping;
mod key;
mod load;
mod merge;
mod mirror;
mod npy;
mod npz;
mod outputs;
mod over_cases;
mod pair;
mod part;
mod peak_spread;
mod peaks;
mod place;
mod rome;
mod rome_average;
mod rome_averages;
mod row;
mod run_file;
mod sealed;
mod statistics;
#[cfg(feature = "object-store")]
mod store;
#[cfg(not(feature = "object-store"))]
#[path = "no_store.rs"]
mod store;
mod store_error;
#[cfg(feature = "object-store")]
mod store_failure;
#[cfg(feature = "object-store")]
mod store_url;
mod sums;
mod table;
mod table_read;
mod tables;
mod whole_file;

pub use array::{Array, Data};
pub use average::{Average, Group};
pub use averages::averages;
pub use bootstrap::{Interval, LEVEL, RESAMPLES, Resamples};
pub use case::{CaseRecord, KindGrid, Retry};
pub use compare::{PairedDifference, compare};
pub use differences::differences;
pub use entries::STATISTICS;
pub use error::ResultsError;
pub use folder::ResultsFolder;
pub use group_by::{GroupMean, group_by};
pub use grouped::{CellGroup, Grouped};
pub use grouping::grid_columns;
pub use key::Key;
pub use load::{Outline, Results, load, visit_cases};
pub use merge::{Merged, merge};
pub use mirror::Mirror;
pub use npz::{read_npz, write_npz};
pub use outputs::Written;
pub use pair::{
    Baseline, GridAxis, PairGrid, PairPrompt, PairRecord, PairToken, SubjectCurve, TopToken,
    TopTokens,
};
pub use part::Part;
pub use peak_spread::{PeakSpread, peak_spreads};
pub use peaks::{Peak, peaks};
pub use rome::{NamedArrays, Scores, file_name, npz_arrays, npz_path};
pub use rome_average::{BestLayer, RomeAverage, RomeSummary};
pub use rome_averages::{rome_averages, severed_averages};
pub use row::Row;
pub use run_file::{FORMAT, FailedCase, Progress, RunFile, SHARD};
pub use statistics::{Fraction, MeanOfRatios, RatioOfMeans, Summary, Undefined};
pub use store_error::{StoreError, StoreFailure};
pub use table::write_table;
pub use table_read::{read_averages, read_peaks, read_rome_averages, read_table};
pub use whole_file::write_whole;
