//! From numbers and needs to a pass: unneeded rows dropped, the others in the order of their lanes.

use std::collections::BTreeMap;

use crate::component::Component;
use crate::metric::Measure;
use crate::plan::cost::{PassCost, Tally};
use crate::plan::lanes::{Capture, Numbered, captures, number};
use crate::plan::need::{self, need};
use crate::plan::numbers::{self, NONE, Operand, mix};
use crate::plan::pass::{Birth, Held, Logits, Measured, Pass, Patch, Row, Segment, held_logits};
use crate::plan::program::{Program, STAGES};
use crate::plan::stage::Stages;
use crate::request::{Reading, Request};
use crate::run::RunId;

/// Something that a pass gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A run's metrics.
    Measured(usize),
    /// A reading of a request.
    Reading { request: usize, index: usize },
}

impl Item {
    /// The run that it is about.
    pub(crate) fn run(self, program: &Program<'_>) -> usize {
        match self {
            Self::Measured(run) => run,
            Self::Reading { request, index } => {
                program.offsets[request] + program.requests[request].readings[index].run.0
            }
        }
    }

    /// Every run that must be there for it, its bases and sources aside.
    pub(crate) fn runs(self, program: &Program<'_>) -> impl Iterator<Item = usize> {
        let run = self.run(program);
        let clean = match self {
            Self::Measured(_) => program.clean[program.runs[run].request].as_slice(),
            Self::Reading { .. } => &[],
        };
        std::iter::once(run).chain(clean.iter().copied())
    }

    fn capture(self, program: &Program<'_>) -> Option<Capture> {
        let Self::Reading { request, index } = self else { return None };
        let reading = &program.requests[request].readings[index];
        Some((self.run(program), reading.locus.site.place(), reading.state))
    }
}

/// The rows of a pass, and which of them are needed.
struct Rows {
    numbered: Numbered,
    needed: Vec<Vec<Stages>>,
    /// What the pass gives back, by the numbers that rows have before unneeded ones are dropped.
    pass: Pass,
}

/// Plans the pass that gives these items.
pub(crate) fn assemble(program: &Program<'_>, items: &[Item]) -> Pass {
    let Rows { numbered, needed, pass } = Rows::new(program, items);
    Assembly::new(program, &numbered, &needed).finish(pass)
}

/// What the pass that gives these items costs, as [`Pass::cost`] without putting it together; and a
/// mark for each of its different results.
pub(crate) fn cost(program: &Program<'_>, items: &[Item]) -> (PassCost, Vec<u64>) {
    let Rows { numbered, needed, pass } = Rows::new(program, items);
    let mut tally = Tally::new(program.architecture);
    let mut later: Vec<Operand> = readings(&pass).collect();
    let mut kept = Vec::new();
    for (at, (numbers, needed)) in numbered.segments.iter().zip(&needed).enumerate() {
        let mut rows = 0;
        for (row, stages) in needed.iter().enumerate().filter(|(_, stages)| !stages.is_empty()) {
            let numbers::Row { birth, position, .. } = numbers.rows[row];
            tally.row(*stages, birth.component(), position);
            rows += 1;
            for read in need::reads(program, numbers, at, birth) {
                let list = if read.segment as usize == at { &mut kept } else { &mut later };
                list.push(read);
            }
        }
        tally.segment(rows, different(&mut kept));
        kept.clear();
    }
    let top = numbered.segments.last();
    let mark = |run: &Measured| {
        let marks = run.rows.iter().filter_map(|read| Some(top?.row(read.row).mark));
        marks.reduce(mix)
    };
    let mut results: Vec<u64> = pass.measured.iter().filter_map(mark).collect();
    results.sort_unstable();
    results.dedup();
    // The order that an assembled segment has.
    let place = |row| (top.map(|top| top.row(row).owner), row);
    let logits = held_logits(&pass.measured, place).len();
    let logits = std::iter::repeat_n(Component::Logits, logits);
    (tally.finish(different(&mut later).chain(logits)), results)
}

/// The components of these values, each value once.
fn different(values: &mut Vec<Operand>) -> impl Iterator<Item = Component> {
    values.sort_unstable();
    values.dedup();
    values.iter().map(|value| value.component)
}

impl Rows {
    fn new(program: &Program<'_>, items: &[Item]) -> Self {
        let active = program.closure(items.iter().flat_map(|item| item.runs(program)));
        let mut asked = captures(program, &active);
        asked.extend(items.iter().filter_map(|item| item.capture(program)));
        asked.sort_unstable_by_key(|(run, site, state)| (*run, site.order(), *state));
        asked.dedup();
        let numbered = number(program, &active, &asked);
        let mut pass = Pass { segments: Vec::new(), measured: Vec::new(), readings: Vec::new() };
        for item in items {
            match item {
                Item::Measured(run) => pass.measured.push(measured(program, &numbered, *run)),
                Item::Reading { request, index } => {
                    let Some(capture) = item.capture(program) else { continue };
                    let reading = &program.requests[*request].readings[*index];
                    let rows = reading_rows(program, reading, &numbered.captured[&capture]);
                    pass.readings.push((*request, *index, rows));
                }
            }
        }
        let needed = need(program, &numbered, reads(&pass, program.architecture.n_layers as u32));
        Self { numbered, needed, pass }
    }
}

/// What a run's metrics read, by the numbers that rows have before unneeded ones are dropped.
fn measured(program: &Program<'_>, numbered: &Numbered, run: usize) -> Measured {
    let request = program.runs[run].request;
    let row = |run: usize, measure: &Measure| {
        let rows = numbered.logits(run);
        rows[Request::position(measure, rows.len())]
    };
    let logits = |measure: &Measure| Logits {
        row: row(run, measure),
        clean: measure.metric.clean().map(|id| row(program.offsets[request] + id.0, measure)),
    };
    let rows = program.requests[request].measures.iter().map(logits).collect();
    Measured { request, run: RunId(run - program.offsets[request]), rows }
}

/// What a reading gives back, of the rows that its run has at its place.
fn reading_rows(program: &Program<'_>, reading: &Reading, rows: &[u32]) -> Vec<Held> {
    let place = reading.locus.site.place();
    let segment = (program.place(place) / STAGES) as u32;
    let held = |position: usize| Held { segment, component: place.component, row: rows[position] };
    reading.locus.positions.indices(rows.len()).into_iter().map(held).collect()
}

fn held(operand: &Operand) -> Held {
    let Operand { segment, component, row } = *operand;
    Held { segment, component, row }
}

/// Everything that the pass gives back.
fn reads(pass: &Pass, last: u32) -> Vec<Operand> {
    let logits = |row| Operand { segment: last, component: Component::Logits, row };
    let measured = pass.measured.iter().flat_map(|run| &run.rows);
    let measured = measured.flat_map(|read| [Some(read.row), read.clean]).flatten().map(logits);
    measured.chain(readings(pass)).collect()
}

fn readings(pass: &Pass) -> impl Iterator<Item = Operand> {
    let rows = pass.readings.iter().flat_map(|(_, _, rows)| rows);
    rows.map(|h| Operand { segment: h.segment, component: h.component, row: h.row })
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
        for held in pass.readings.iter_mut().flat_map(|(_, _, rows)| rows) {
            *held = self.moved(*held);
        }
        let readings = pass.readings.iter().flat_map(|(_, _, rows)| rows).copied();
        let mut later: Vec<Held> = readings.collect();
        for (at, segment) in pass.segments.iter().enumerate() {
            let operands = segment.patches.iter().flat_map(|patch| &patch.operands);
            later.extend(operands.filter(|held| held.segment as usize != at));
        }
        for Held { segment, component, row } in later {
            pass.segments[segment as usize].held.insert((component, row));
        }
        pass
    }

    fn moved(&self, held: Held) -> Held {
        Held { row: self.index[held.segment as usize][held.row as usize], ..held }
    }

    fn segment(&self, at: usize) -> Segment {
        let mut segment = Segment::default();
        let lists = self.keys(at, &mut segment);
        for row in &self.order[at] {
            self.row(at, *row, &lists, &mut segment);
        }
        segment
    }

    /// Lays out the keys and values of every lane that attends; returns where each begins.
    fn keys(&self, at: usize, segment: &mut Segment) -> BTreeMap<u32, u32> {
        let (numbers, below) = (&self.numbered.segments[at], &self.numbered.below[at]);
        let mut lens: BTreeMap<u32, u32> = BTreeMap::new();
        for row in &self.order[at] {
            let numbers::Row { birth, position, .. } = numbers.row(*row);
            if let numbers::Birth::Attention { keys, .. } = birth {
                let len = lens.entry(*keys).or_default();
                *len = (*len).max(position + 1);
            }
        }
        let mut firsts = BTreeMap::new();
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (lane, len) in lens {
            firsts.insert(lane, segment.keys.len() as u32);
            below.rows(lane, len as usize, (&mut rows, &mut values));
            let index = |row: &u32| self.index[at - 1][*row as usize];
            segment.keys.extend(rows.iter().map(index));
            segment.values.extend(values.iter().map(index));
        }
        if segment.keys == segment.values {
            segment.values = Vec::new();
        }
        firsts
    }

    fn row(&self, at: usize, old: u32, lists: &BTreeMap<u32, u32>, segment: &mut Segment) {
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
                Birth::Attention { query: below(query), keys: lists[&keys] }
            }
            numbers::Birth::Patch { component, patch } => {
                segment.patches.push(self.patch(at, patch));
                Birth::Patch { component, index: segment.patches.len() as u32 - 1 }
            }
            numbers::Birth::Join { component, resid, branch } => {
                let resid =
                    if component == Component::ResidMid { below(resid) } else { here(resid) };
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
        let numbers::Patch { change, index, input, operands, .. } =
            &self.numbered.segments[at].patches[patch as usize];
        let change = &self.program.changes[*change as usize];
        Patch {
            request: change.request,
            run: change.run,
            intervention: change.index,
            index: *index,
            input: self.index[at][*input as usize],
            reads_input: change.reads_input(),
            operands: operands.iter().map(|operand| self.moved(held(operand))).collect(),
        }
    }
}
