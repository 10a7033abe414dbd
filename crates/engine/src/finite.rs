//! Where numbers stop being finite.

use tracewright_ir::{Component, Request, RunId, Site};
use tracewright_models::Decoder;

use crate::error::EngineError;
use crate::extensions::Extensions;
use crate::reference;

/// A number of a forward pass that is infinite or not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) run: RunId,
    pub(crate) site: Site,
    pub(crate) position: usize,
}

/// Whether a number may stand at a site: masked scores are −inf by definition.
pub(crate) fn is_sound(site: Site, value: f32) -> bool {
    value.is_finite() || (site.component == Component::Scores && value == f32::NEG_INFINITY)
}

/// The error of a run's metric or reading that isn't finite, with the first place of the run, or of those
/// that it reads, where a number isn't: found by a forward pass that looks everywhere.
pub(crate) fn not_finite(
    decoder: &Decoder,
    request: &Request,
    extensions: &Extensions,
    (run, metric, value): (RunId, &str, f64),
) -> EngineError {
    let alone = Request { measured: vec![run], readings: Vec::new(), ..request.clone() };
    let name = |run: RunId| request.runs[run.0].name.clone();
    // What the lockstep pass finds needn't overflow in full forward passes, which round otherwise.
    let found = reference::first_not_finite(decoder, &alone, extensions).ok().flatten();
    let place = found.map(|Place { run: of, site, position }| {
        let of = if of == run { String::new() } else { format!(" of run '{}'", name(of)) };
        format!("{} at position {position}{of}", site.hook_name())
    });
    EngineError::NotFinite { run: name(run), metric: metric.to_owned(), value, place }
}
