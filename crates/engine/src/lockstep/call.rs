//! Functions of the caller's own.
//!
//! Every row that a function makes reads all rows of its locus. They are given to it together, once for the
//! rows of one run that follow one another.

use tracewright_ir::plan::{Held, Patch};
use tracewright_ir::{Call, Locus, RunId};

use crate::error::EngineError;
use crate::extensions::Values;
use crate::lockstep::part::Part;
use crate::lockstep::walk::Walk;

/// What the last function call gave, and what it was given.
#[derive(Default)]
pub(crate) struct Called {
    given: Option<(usize, RunId, usize, Vec<Held>)>,
    made: Vec<f32>,
}

impl Called {
    /// The locus' values that a function makes of the rows that a patch reads, in C order.
    pub(crate) fn of(
        &mut self,
        walk: &Walk<'_>,
        patch: &Patch,
        call: &Call,
        rows: &[&[f32]],
    ) -> Result<&[f32], EngineError> {
        let same = self.given.as_ref().is_some_and(|(request, run, intervention, operands)| {
            (*request, *run, *intervention) == (patch.request, patch.run, patch.intervention)
                && *operands == patch.operands
        });
        if !same {
            self.made = made(walk, patch, call, rows)?;
            let Patch { request, run, intervention, operands, .. } = patch;
            self.given = Some((*request, *run, *intervention, operands.clone()));
        }
        Ok(&self.made)
    }
}

fn made(
    walk: &Walk<'_>,
    patch: &Patch,
    call: &Call,
    mut rows: &[&[f32]],
) -> Result<Vec<f32>, EngineError> {
    let request = walk.requests[patch.request];
    let own = &request.runs[patch.run.0].interventions[patch.intervention].locus;
    let reads = call.reads.iter().map(|source| (source.run, source.locus.as_ref().unwrap_or(own)));
    let mut values = Vec::new();
    for (run, locus) in std::iter::once((patch.run, own)).chain(reads) {
        let len = request.tokens(run)?.len();
        let (these, others) = rows.split_at(locus.positions.indices(len).len());
        rows = others;
        values.push(gathered(walk, locus, len, these));
    }
    let views: Vec<Values<'_>> =
        values.iter().map(|(shape, numbers)| Values { shape, numbers }).collect();
    walk.execution.extensions.call(&call.name, views[0], &views[1..])
}

/// The value of a locus from the rows of its positions: its shape and its numbers.
fn gathered(walk: &Walk<'_>, locus: &Locus, len: usize, rows: &[&[f32]]) -> (Vec<usize>, Vec<f32>) {
    let shape = locus.shape(walk.decoder.architecture(), len);
    let mut numbers = vec![0.0; shape.iter().product()];
    for (index, row) in rows.iter().enumerate() {
        let Part { columns, places } = Part::of(locus, &walk.narrowed, len, index);
        for (column, place) in columns.into_iter().zip(places) {
            numbers[place] = row[column];
        }
    }
    (shape, numbers)
}
