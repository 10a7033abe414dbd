//! Backward: which of the rows anybody reads.

use std::ops::Range;

use crate::component::Component;
use crate::plan::lanes::{Below, Numbered};
use crate::plan::numbers::{Birth, Numbers, Operand, Patch};
use crate::plan::program::Program;
use crate::plan::stage::{Layout, Stages};

/// The stages of every row that must be computed for `reads`, by segment and number.
pub(crate) fn need(
    program: &Program<'_>,
    numbered: &Numbered,
    reads: impl IntoIterator<Item = Operand>,
) -> Vec<Vec<Stages>> {
    let mut needed: Vec<Vec<Stages>> = numbered
        .segments
        .iter()
        .map(|numbers| vec![Stages::default(); numbers.rows.len()])
        .collect();
    for read in reads {
        mark(&mut needed, read);
    }
    for segment in (0..numbered.segments.len()).rev() {
        let mut seen = vec![0..0; numbered.below[segment].lanes.len()];
        // Neighbours are mostly needed at the same stages.
        let mut last = (Stages::default(), Component::Embed, Stages::default());
        for row in (0..numbered.segments[segment].rows.len()).rev() {
            let numbers = &numbered.segments[segment];
            let birth = numbers.rows[row].birth;
            let (asked, born) = (needed[segment][row], birth.component());
            if (last.0, last.1) != (asked, born) {
                last = (asked, born, program.layout.closed(asked, born, segment == 0));
            }
            let stages = last.2;
            needed[segment][row] = stages;
            if !stages.is_empty() {
                let origin = Origin { program, numbers, segment, row, stages };
                origin.spread(&mut needed, &mut seen);
            }
        }
        if segment > 0 {
            let layout = &program.layout;
            mark_keys(&mut needed[segment - 1], &numbered.below[segment], seen, layout);
        }
    }
    needed
}

/// Marks a value; carried ones are there already.
fn mark(needed: &mut [Vec<Stages>], read: Operand) {
    if let Some(segment) = needed.get_mut(read.segment as usize) {
        segment[read.row as usize].add(Stages::of(read.component));
    }
}

/// A row that is needed.
struct Origin<'a> {
    program: &'a Program<'a>,
    numbers: &'a Numbers,
    segment: usize,
    row: usize,
    stages: Stages,
}

impl Origin<'_> {
    /// Marks what the row's birth reads.
    fn spread(&self, needed: &mut [Vec<Stages>], seen: &mut [Range<usize>]) {
        let below = |component, row| Operand { segment: self.segment as u32 - 1, component, row };
        let layout = &self.program.layout;
        let (resid, sum) = (layout.below(self.segment), layout.attention_sum());
        let row = &self.numbers.rows[self.row];
        match row.birth {
            Birth::Token(_) => {}
            Birth::Attention { keys, query } => {
                if self.stages.meets(Stages::ATTENTION) {
                    mark(needed, below(layout.attended(0), query));
                    let of_row = self.program.keys(self.segment, row.position);
                    widen(&mut seen[keys as usize], of_row);
                }
            }
            birth => {
                if let Birth::Join { component, resid: row, .. } = birth
                    && component == sum
                {
                    mark(needed, below(resid, row));
                }
                for read in reads(self.program, self.numbers, self.segment, birth) {
                    mark(needed, read);
                }
            }
        }
        let starts_below = layout.rank(row.birth.component()) < layout.rank(sum);
        if self.segment > 0 && starts_below && self.stages.has(sum) {
            mark(needed, below(resid, row.resid));
        }
    }
}

/// The values that a patch or a sum reads, but for the residual stream of the segment below.
pub(crate) fn reads(
    program: &Program<'_>,
    numbers: &Numbers,
    segment: usize,
    birth: Birth,
) -> Vec<Operand> {
    let here = |component, row| Operand { segment: segment as u32, component, row };
    match birth {
        Birth::Token(_) | Birth::Attention { .. } => Vec::new(),
        Birth::Patch { component, patch } => {
            let Patch { change, input, root, operands, .. } = &numbers.patches[patch as usize];
            // What follows a pattern reads the values of the row's own run.
            let reads_input =
                component.has_sources() || program.changes[*change as usize].reads_input();
            let beside =
                program.layout.beside(component, segment).map(|beside| here(beside, *root));
            let input = reads_input.then(|| here(component, *input));
            input.into_iter().chain(beside).chain(operands.iter().copied()).collect()
        }
        Birth::Join { component, resid, branch } => {
            let [stream, added] = program.layout.summands(component, segment);
            let of_below = component == program.layout.attention_sum();
            let stream = (!of_below).then(|| here(stream, resid));
            stream.into_iter().chain([here(added, branch)]).collect()
        }
    }
}

/// Makes a range large enough for another.
fn widen(range: &mut Range<usize>, other: Range<usize>) {
    if range.start >= range.end {
        *range = other;
    } else if other.start < other.end {
        *range = range.start.min(other.start)..range.end.max(other.end);
    }
}

/// Marks the keys and values of each lane that its readers see, from the first to the last.
fn mark_keys(needed: &mut [Stages], below: &Below, mut seen: Vec<Range<usize>>, layout: &Layout) {
    for lane in (0..below.lanes.len()).rev() {
        let keys = below.lanes[lane];
        let (shared, len) = (keys.shared as usize, keys.len as usize);
        let of_lane = seen[lane].clone();
        let own = of_lane.start.max(shared)..of_lane.end.min(shared + len);
        for position in own {
            let at = keys.first as usize + position - shared;
            needed[below.keys[at] as usize].add(Stages::of(layout.attended(1)));
            needed[below.values[at] as usize].add(Stages::of(layout.attended(2)));
        }
        if let Some(reference) = keys.reference {
            let of_reference = of_lane.start..of_lane.end.min(shared);
            widen(&mut seen[reference as usize], of_reference);
        }
    }
}
