//! Sweeps over cases: datasets, the protocols that make sweeps of them, and jobs that write
//! results folders.
//!
//! Invariants:
//!
//! - What a job computes is a pure function of its request: two folders of one request are equal
//!   byte for byte, apart from times in `run.json`.
//! - A case that fails doesn't stop the others, and isn't silent.
//! - A finished case is never computed again.
//!
//! Where does the built-in model keep the city of the Space Needle?
//!
//! ```
//! use tracewright_corruption::NoiseRule;
//! use tracewright_engine::{Execution, silent};
//! use tracewright_models::{Checkpoint, DeviceName};
//! use tracewright_sweep::{Case, Facts, Kind, Settings, resolve_noise, trace};
//!
//! let model = Checkpoint::built_in()?.load(DeviceName::Cpu)?;
//! let settings = Settings { kinds: vec![Kind::Hidden], samples: 2, ..Settings::default() };
//! let facts = Facts::built_in()?;
//! let noise = resolve_noise(&settings.noise, &model, &facts.subjects(), None)?;
//! let case = Case {
//!     name: "needle".to_owned(),
//!     prompt: "The Space Needle is in downtown".to_owned(),
//!     subject: "The Space Needle".to_owned(),
//!     ..Case::default()
//! };
//! let fed = case.feed(&model.tokenizer)?;
//! let part = trace(&fed, &model, &settings, &noise, &Execution::default(), &mut silent)?;
//! assert_eq!(part.cases[0].answer, " Seattle");
//! assert_eq!(part.rows.len(), fed.tokens.len() * 12);
//! # Ok::<(), tracewright_sweep::SweepError>(())
//! ```

mod attempt;
mod case;
pub mod dataset;
mod error;
mod experiment;
mod facts;
#[cfg(test)]
mod faults_tests;
mod file;
mod forecast;
pub mod generate;
mod job;
mod noise;
mod pair;
mod scores;
mod settings;
mod shard;
mod skip;
mod standing;
mod trace;
mod traces;
mod units;
mod warning;
mod words;
mod work;
mod workers;

pub use case::{Case, Fed};
pub use error::SweepError;
pub use facts::Facts;
pub use file::{PairCommand, PairFile, SweepFile, TraceCommand, TraceFile};
pub use forecast::Forecast;
pub use job::{Done, Job, Resources};
pub use noise::resolve as resolve_noise;
pub use pair::{
    Align, AnswerTokens, Answers, By, Change, Corrupted, Corruption, End, FedPair, Grouping,
    Indices, MeanOf, NamedChange, NamedRun, Pair, PairMetric, PairSettings, Pairs, Paths, Per,
    Positions, Receiver, Target, Vector,
};
pub use settings::{Kind, Settings, SeverNoise};
pub use shard::Shard;
pub use skip::{BadRecords, Skipped};
pub use standing::Standing;
pub use trace::{sweep as trace_sweep, trace};
pub use warning::Warning;
pub use workers::WORKER;
