//! Executors: they take a [`Request`](tracewright_ir::Request) as it is and give back its metrics
//! and readings.
//!
//! The [reference executor](mod@reference) makes one full forward pass for every run. It is plain on
//! purpose: whatever is faster has to agree with it.
//!
//! Invariants:
//!
//! - An executor takes every request that fits the model; what doesn't fit is an error before
//!   anything is computed.
//! - A source is read as its run left it (or as it was computed, where the request says so).
//! - A metric that is infinite or not a number is an error, never a result; so is such a reading, but
//!   for the masked cells of scores.
//!
//! How much of France's capital comes back when one MLP is restored:
//!
//! ```
//! use tracewright_engine::{Execution, execute, silent};
//! use tracewright_ir::{Component, Intervention, Locus, Measure, Metric, Request, Run, Site};
//! use tracewright_models::{Checkpoint, DeviceName};
//!
//! let model = Checkpoint::built_in()?.load(DeviceName::Cpu)?;
//! let prompt = |text: &str| model.tokenizer.prompt(text);
//! let mut request = Request::default();
//! let clean = request.push(Run::of_tokens("clean", &prompt("The capital of France is")?.ids));
//! let corrupted = request.push(Run::of_tokens("corrupted", &prompt("The capital of Poland is")?.ids));
//! let subject = Locus::at(Site::in_layer(Component::ResidPost, 1)).positions([3]);
//! let patched = Run::variant("patched", corrupted, [Intervention::copy(subject, clean)]);
//! let patched = request.push(patched);
//! let answer = model.tokenizer.answer("The capital of France is", "Paris")?;
//! request.measures.push(Measure::at_last(Metric::Prob { answer }));
//! request.measured = vec![clean, corrupted, patched];
//!
//! let outcome = execute(&model.decoder, &request, &Execution::default(), &mut silent)?;
//! let [clean, corrupted, patched] = outcome.values[0][..] else { unreachable!() };
//! assert!(corrupted < 0.01 && clean > 0.6 && patched > 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod execute;
mod extensions;
mod finite;
mod hooks;
pub mod lockstep;
mod outcome;
mod patch;
mod predict;
pub mod reference;
mod schedule;

pub use error::EngineError;
pub use execute::{Execution, Executor, execute, execute_all};
pub use extensions::{Extensions, Values};
pub use outcome::{Cost, Outcome, Progress, silent};
pub use predict::{Candidate, predict};
