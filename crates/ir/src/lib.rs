//! The words of Tracewright as plain data: sites, loci, interventions, runs and variants, sweeps,
//! metrics.
//!
//! Nothing here computes with a model: there are no tensors, only values that can be printed,
//! counted, stored and compared. Executors (`tracewright-engine`) take a [`Request`] as it is.
//!
//! Invariants:
//!
//! - Two names of one place are one place ([`Site::place`]).
//! - What doesn't exist in a run is an error, never silence ([`Request::check`]).
//! - A run's base and sources come before it, so there are no cycles.
//!
//! The clean value of one MLP, copied into a corrupted prompt:
//!
//! ```
//! use tracewright_ir::{Component, Intervention, Locus, Measure, Metric, Request, Run, Site};
//!
//! let mut request = Request::default();
//! let clean = request.push(Run::of_tokens("clean", &[290, 655, 264, 795, 275]));
//! let corrupted = request.push(Run::of_tokens("corrupted", &[290, 655, 264, 1153, 275]));
//! let locus = Locus::at(Site::in_layer(Component::MlpOut, 4)).positions([3]);
//! let patched = Run::variant("patched", corrupted, [Intervention::copy(locus, clean)]);
//! let patched = request.push(patched);
//! request.measures.push(Measure::at_last(Metric::Prob { answer: 415 }));
//! request.measured = vec![clean, corrupted, patched];
//!
//! let change = request.interventions(patched)[0].to_string();
//! assert_eq!(change, "mlp_out@4[position 3] ← #0");
//! ```

mod architecture;
mod component;
mod error;
mod intervention;
mod locus;
mod metric;
pub mod plan;
mod request;
mod role;
mod run;
mod site;
mod sweep;
mod tokens;

pub use architecture::{
    Activation, AngleScaling, Angles, Architecture, ModuleName, Norm, NormPlace, Pairs, Position,
    QueryKeyNorm, Residual, Rotary, ScoreScale, Window,
};
pub use component::{Axis, Component};
pub use error::{IrError, nearest};
pub use intervention::{Along, Array, Call, Intervention, Operation, Source, State, Value};
pub use locus::{Extent, Locus, Selection};
pub use metric::{Measure, Metric, effect};
pub use request::{Reading, Request};
pub use role::Role;
pub use run::{Origin, Run, RunId};
pub use site::Site;
pub use sweep::{Cell, Coordinates, Direction, Sweep, window};
pub use tokens::Tokens;
