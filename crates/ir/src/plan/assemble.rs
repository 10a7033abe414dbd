//! From numbers and needs to a pass: unneeded rows dropped, the others in the order of their lanes.

use crate::plan::item::Item;
use crate::plan::lanes::Numbered;
use crate::plan::need;
use crate::plan::numbers::{self, NONE};
use crate::plan::outline::{Rows, held, readings};
use crate::plan::pass::{Birth, Held, Pass, Patch, Row, Segment};
use crate::plan::program::Program;
use crate::plan::stage::Stages;

/// Plans the pass that gives these items.
pub(crate) fn assemble(program: &Program<'_>, items: &[Item]) -> Pass {
    let Rows { numbered, needed, pass } = Rows::new(program, items);
    Assembly::new(program, &numbered, &needed).finish(pass)
}

/// The segments being put together.
struct Assembly<'a> {
    program: &'a Program<'a>,
    numbered: &'a Numbered,
    needed: &'a [Vec<Stages>],
    /// The needed rows of each segment, in their new order.
    order: Vec<Vec<u32>>,
    /// The new index of each row.
    index: Vec<Vec<u32>>,
}

impl<'a> Assembly<'a> {
    fn new(program: &'a Program<'a>, numbered: &'a Numbered, needed: &'a [Vec<Stages>]) -> Self {
        let (mut order, mut index) = (Vec::new(), Vec::new());
        for (numbers, stages) in numbered.segments.iter().zip(needed) {
            let mut rows: Vec<u32> = (0..numbers.rows.len() as u32)
                .filter(|row| !stages[*row as usize].is_empty())
                .collect();
            rows.sort_by_key(|row| numbers.row(*row).owner);
            let mut new = vec![NONE; numbers.rows.len()];
            for (at, row) in rows.iter().enumerate() {
                new[*row as usize] = at as u32;
            }
            order.push(rows);
            index.push(new);
        }
        Self { program, numbered, needed, order, index }
    }

    fn finish(self, mut pass: Pass) -> Pass {
        pass.segments = (0..self.order.len()).map(|segment| self.segment(segment)).collect();
        let last = self.order.len() - 1;
        for read in pass.measured.iter_mut().flat_map(|run| &mut run.rows) {
            read.row = self.index[last][read.row as usize];
            read.clean = read.clean.map(|row| self.index[last][row as usize]);
        }
        let of_readings = pass.readings.iter_mut().flat_map(|(_, _, rows)| rows);
        for held in of_readings.chain(pass.carries.iter_mut().map(|(_, held)| held)) {
            *held = self.moved(*held);
        }
        let mut later: Vec<Held> = readings(&pass).map(|operand| held(&operand)).collect();
        for (at, segment) in pass.segments.iter().enumerate() {
            let operands = segment.patches.iter().flat_map(|patch| &patch.operands);
            let elsewhere = |held: &&Held| held.segment as usize != at && !self.is_carried(**held);
            later.extend(operands.filter(elsewhere));
        }
        for Held { segment, component, row } in later {
            pass.segments[segment as usize].held.insert((component, row));
        }
        pass
    }

    fn is_carried(&self, held: Held) -> bool {
        held.segment == self.program.carried_segment()
    }

    fn moved(&self, held: Held) -> Held {
        if self.is_carried(held) {
            return held;
        }
        Held { row: self.index[held.segment as usize][held.row as usize], ..held }
    }

    fn segment(&self, at: usize) -> Segment {
        let rows = self.order[at].len();
        let (list, runs) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut segment = Segment { rows: list, runs, ..Segment::default() };
        let lists = self.keys(at, &mut segment);
        for row in &self.order[at] {
            self.row(at, *row, &lists, &mut segment);
        }
        segment
    }

    /// Lays out the keys and values of every lane that attends; returns where each lane's begin.
    fn keys(&self, at: usize, segment: &mut Segment) -> Vec<u32> {
        let (numbers, below) = (&self.numbered.segments[at], &self.numbered.below[at]);
        let mut lens = vec![0; below.lanes.len()];
        for row in &self.order[at] {
            let numbers::Row { birth, position, .. } = numbers.row(*row);
            if let numbers::Birth::Attention { keys, .. } = birth {
                let len: &mut u32 = &mut lens[*keys as usize];
                *len = (*len).max(position + 1);
            }
        }
        let mut firsts = vec![NONE; lens.len()];
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (lane, len) in lens.into_iter().enumerate().filter(|(_, len)| *len > 0) {
            firsts[lane] = segment.keys.len() as u32;
            below.rows(lane as u32, len as usize, (&mut rows, &mut values));
            let index = |row: &u32| self.index[at - 1][*row as usize];
            segment.keys.extend(rows.iter().map(index));
            segment.values.extend(values.iter().map(index));
        }
        if segment.keys == segment.values {
            segment.values = Vec::new();
        }
        firsts
    }

    fn row(&self, at: usize, old: u32, lists: &[u32], segment: &mut Segment) {
        let numbers = &self.numbered.segments[at];
        let numbers::Row { birth: from, owner, position, resid, .. } = *numbers.row(old);
        let stages = self.needed[at][old as usize];
        let here = |row: u32| self.index[at][row as usize];
        let below = |row: u32| match row {
            NONE => NONE,
            row => self.index[at - 1][row as usize],
        };
        let birth = match from {
            numbers::Birth::Token(token) => Birth::Token(token),
            numbers::Birth::Attention { keys, query } => {
                Birth::Attention { query: below(query), keys: lists[keys as usize] }
            }
            numbers::Birth::Patch { component, patch } => {
                segment.patches.push(self.patch(at, patch));
                Birth::Patch { component, index: segment.patches.len() as u32 - 1 }
            }
            numbers::Birth::Join { component, resid, branch } => {
                let of_below = component == self.program.layout.attention_sum();
                let resid = if of_below { below(resid) } else { here(resid) };
                Birth::Join { component, resid, branch: here(branch) }
            }
        };
        for read in need::reads(self.program, numbers, at, from) {
            if read.segment as usize == at {
                segment.kept.insert((read.component, here(read.row)));
            }
        }
        segment.rows.push(Row { position, stages, birth, resid: below(resid) });
        segment.runs.push(self.numbered.names[owner as usize] as u32);
    }

    fn patch(&self, at: usize, patch: u32) -> Patch {
        let numbers = &self.numbered.segments[at];
        let numbers::Patch { change, index, input, root, operands, .. } =
            &numbers.patches[patch as usize];
        let change = &self.program.changes[*change as usize];
        Patch {
            request: change.request,
            run: change.run,
            intervention: change.index,
            index: *index,
            input: self.index[at][*input as usize],
            reads_input: change.reads_input(),
            root: self.index[at][*root as usize],
            operands: operands.iter().map(|operand| self.moved(held(operand))).collect(),
            flops: change.call().map_or(0, |call| call.flops),
        }
    }
}
