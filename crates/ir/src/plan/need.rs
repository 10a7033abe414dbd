//! Backward: which of the rows anybody reads.

use crate::component::Component;
use crate::plan::lanes::{Below, Numbered};
use crate::plan::numbers::{Birth, Numbers, Operand, Patch};
use crate::plan::program::Program;
use crate::plan::stage::Stages;

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
        let mut prefixes = vec![0; numbered.below[segment].lanes.len()];
        // Neighbours are mostly needed at the same stages.
        let mut last = (Stages::default(), Component::Embed, Stages::default());
        for row in (0..numbered.segments[segment].rows.len()).rev() {
            let numbers = &numbered.segments[segment];
            let birth = numbers.rows[row].birth;
            let (asked, born) = (needed[segment][row], birth.component());
            if (last.0, last.1) != (asked, born) {
                last = (asked, born, asked.closed(born, segment == 0));
            }
            let stages = last.2;
            needed[segment][row] = stages;
            if !stages.is_empty() {
                let origin = Origin { program, numbers, segment, row, stages };
                origin.spread(&mut needed, &mut prefixes);
            }
        }
        if segment > 0 {
            mark_keys(&mut needed[segment - 1], &numbered.below[segment], prefixes);
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
    fn spread(&self, needed: &mut [Vec<Stages>], prefixes: &mut [u32]) {
        let below = |component, row| Operand { segment: self.segment as u32 - 1, component, row };
        // What the stream is called at the end of the segment below.
        let resid = match self.segment {
            1 => Component::ResidPre,
            _ => Component::ResidPost,
        };
        let row = &self.numbers.rows[self.row];
        match row.birth {
            Birth::Token(_) => {}
            Birth::Attention { keys, query } => {
                if self.stages.meets(Stages::ATTENTION) {
                    mark(needed, below(Component::Q, query));
                    let prefix = &mut prefixes[keys as usize];
                    *prefix = (*prefix).max(row.position + 1);
                }
            }
            birth => {
                if let Birth::Join { component: Component::ResidMid, resid: row, .. } = birth {
                    mark(needed, below(resid, row));
                }
                for read in reads(self.program, self.numbers, self.segment, birth) {
                    mark(needed, read);
                }
            }
        }
        let starts_below = row.birth.component() < Component::ResidMid;
        if self.segment > 0 && starts_below && self.stages.has(Component::ResidMid) {
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
            let divided = divided(component, segment).map(|divided| here(divided, *root));
            let input = reads_input.then(|| here(component, *input));
            input.into_iter().chain(divided).chain(operands.iter().copied()).collect()
        }
        Birth::Join { component, resid, branch } => match component {
            Component::ResidPre => {
                vec![here(Component::Embed, resid), here(Component::PosEmbed, branch)]
            }
            Component::ResidMid => vec![here(Component::AttnOut, branch)],
            _ => vec![here(Component::ResidMid, resid), here(Component::MlpOut, branch)],
        },
    }
}

/// The stream that a norm divides by the given divisor, in the given segment.
pub fn divided(component: Component, segment: usize) -> Option<Component> {
    match component {
        Component::Ln2Scale => Some(Component::ResidMid),
        Component::Ln1Scale | Component::FinalScale if segment == 0 => Some(Component::ResidPre),
        Component::Ln1Scale | Component::FinalScale => Some(Component::ResidPost),
        _ => None,
    }
}

/// Marks the first keys and values of each lane, as many as its longest reader sees.
fn mark_keys(needed: &mut [Stages], below: &Below, mut prefixes: Vec<u32>) {
    for lane in (0..below.lanes.len()).rev() {
        let keys = below.lanes[lane];
        let prefix = prefixes[lane];
        let own = prefix.saturating_sub(keys.shared).min(keys.len) as usize;
        for at in keys.first as usize..keys.first as usize + own {
            needed[below.keys[at] as usize].add(Stages::of(Component::K));
            needed[below.values[at] as usize].add(Stages::of(Component::V));
        }
        if let Some(reference) = keys.reference {
            let of_reference = &mut prefixes[reference as usize];
            *of_reference = (*of_reference).max(prefix.min(keys.shared));
        }
    }
}
