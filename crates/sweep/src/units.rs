//! Which cases share passes.

use std::ops::Range;

use tracewright_ir::plan::Planner;
use tracewright_ir::{Architecture, Sweep};

use crate::error::SweepError;
use crate::experiment::MOST_FORWARDS;

/// The most cases of a unit, which is done again whole when it was interrupted.
const MOST_CASES: usize = 64;

/// Forward passes that fill the matrix products of a pass. More cases would only make more work that an
/// interruption loses, unless each pass has to read the model.
const ENOUGH: usize = 4096;

/// Cases in units, each of which is done in passes of its own: consecutive cases that are likely to fit into
/// `memory` bytes together, by their forward passes and by what one of the largest case takes; where the model isn't
/// streamed no more than keep it busy. It depends on nothing else, so the same request and budget are always
/// divided alike.
///
/// What a unit really takes is planned when it is done; a guess that was too high makes it several passes.
///
/// # Errors
///
/// A budget that the largest case doesn't fit in, and what its rehearsal gives.
pub(crate) fn units(
    forwards: &[usize],
    rehearsal: impl Fn(usize) -> Result<Sweep, SweepError>,
    architecture: &Architecture,
    (memory, streamed): (u64, bool),
) -> Result<Vec<Range<usize>>, SweepError> {
    let Some(largest) = (0..forwards.len()).max_by_key(|case| forwards[*case]) else {
        return Ok(Vec::new());
    };
    let sweep = rehearsal(largest)?;
    let requests = [&sweep.request];
    let passes = Planner::new(&requests, architecture)?.passes(memory)?;
    let bytes: u64 = passes.iter().map(|pass| pass.cost().peak_bytes).sum();
    let of_forward = (bytes / forwards[largest].max(1) as u64).max(1);
    let most = if streamed { MOST_FORWARDS } else { ENOUGH };
    let most = (memory / of_forward).min(most as u64) as usize;
    let mut units: Vec<Range<usize>> = Vec::new();
    let mut taken = 0;
    for (case, forwards) in forwards.iter().enumerate() {
        taken += forwards;
        match units.last_mut().filter(|unit| taken <= most && unit.len() < MOST_CASES) {
            Some(unit) => unit.end = case + 1,
            None => {
                taken = *forwards;
                units.push(case..case + 1);
            }
        }
    }
    Ok(units)
}
