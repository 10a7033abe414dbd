//! Which rows a pass has and which of them are needed; that is enough to say what it costs.

use crate::component::Component;
use crate::metric::Measure;
use crate::plan::carried::CarriedRow;
use crate::plan::cost::{PassCost, Tally};
use crate::plan::item::Item;
use crate::plan::lanes::{Numbered, captures, number};
use crate::plan::need::{self, need};
use crate::plan::numbers::{self, Operand, mix};
use crate::plan::pass::{Held, Logits, Measured, Pass, held_logits};
use crate::plan::program::{Program, STAGES};
use crate::plan::stage::Stages;
use crate::request::{Reading, Request};
use crate::run::RunId;
use crate::site::Site;

/// The rows of a pass, and which of them are needed.
pub(crate) struct Rows {
    pub(crate) numbered: Numbered,
    pub(crate) needed: Vec<Vec<Stages>>,
    /// What the pass gives back, by the numbers that rows have before unneeded ones are dropped.
    pub(crate) pass: Pass,
}

/// What the pass that gives these items costs, as [`Pass::cost`] without putting it together; and a
/// mark for each of its different results.
pub(crate) fn cost(program: &Program<'_>, items: &[Item]) -> (PassCost, Vec<u64>) {
    let Rows { numbered, needed, pass } = Rows::new(program, items);
    let mut tally = Tally::new(&program.architecture, &program.layout, &program.scope);
    let mut later: Vec<Operand> = readings(&pass).collect();
    let mut kept = Vec::new();
    for (at, (numbers, needed)) in numbered.segments.iter().zip(&needed).enumerate() {
        let mut rows = 0;
        for (row, stages) in needed.iter().enumerate().filter(|(_, stages)| !stages.is_empty()) {
            let numbers::Row { birth, position, .. } = numbers.rows[row];
            let attends = matches!(birth, numbers::Birth::Attention { .. });
            let keys = program.keys(at, position).len();
            tally.row(*stages, birth.component(), attends, keys);
            if let numbers::Birth::Patch { patch, .. } = birth {
                let change = &program.changes[numbers.patches[patch as usize].change as usize];
                tally.call(change.call().map_or(0, |call| call.flops));
            }
            rows += 1;
            for read in need::reads(program, numbers, at, birth) {
                match read.segment {
                    segment if segment as usize == at => kept.push(read),
                    segment if segment == program.carried_segment() => {}
                    _ => later.push(read),
                }
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
    let carried = pass.carried.iter().map(|(component, _)| *component);
    (tally.finish(different(&mut later).chain(logits).chain(carried)), results)
}

/// The components of these values, each value once.
fn different(values: &mut Vec<Operand>) -> impl Iterator<Item = Component> {
    values.sort_unstable();
    values.dedup();
    values.iter().map(|value| value.component)
}

impl Rows {
    pub(crate) fn new(program: &Program<'_>, items: &[Item]) -> Self {
        let active = program.closure(items.iter().flat_map(|item| item.runs(program)));
        let mut asked = captures(program, &active);
        asked.extend(items.iter().filter_map(|item| item.capture(program)));
        asked.sort_unstable_by_key(|(run, site, state)| (*run, site.order(), *state));
        asked.dedup();
        let numbered = number(program, &active, &asked);
        let carried = program.carried.values();
        let scope = program.scope.clone();
        let mut pass = Pass { carried, scope, ..Pass::default() };
        for item in items {
            match item {
                Item::Measured(run) => pass.measured.push(measured(program, &numbered, *run)),
                Item::Reading { request, index } => {
                    let Some(capture) = item.capture(program) else { continue };
                    let reading = &program.requests[*request].readings[*index];
                    let rows = reading_rows(program, reading, &numbered.captured[&capture]);
                    pass.readings.push((*request, *index, rows));
                }
                Item::Carried(row) => {
                    let Some(capture) = item.capture(program) else { continue };
                    let CarriedRow { site, position, .. } = program.carried.rows[*row as usize];
                    let value = held_at(program, site, numbered.captured[&capture][position]);
                    pass.carries.push((*row, value));
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
    let held = |position: usize| held_at(program, reading.locus.site, rows[position]);
    reading.locus.positions.indices(rows.len()).into_iter().map(held).collect()
}

/// A row's value at a site.
fn held_at(program: &Program<'_>, site: Site, row: u32) -> Held {
    let segment = (program.place(site) / STAGES) as u32;
    Held { segment, component: site.place().component, row }
}

pub(crate) fn held(operand: &Operand) -> Held {
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

/// What is read when the pass is through: by readings and by later passes.
pub(crate) fn readings(pass: &Pass) -> impl Iterator<Item = Operand> {
    let rows = pass.readings.iter().flat_map(|(_, _, rows)| rows);
    let rows = rows.chain(pass.carries.iter().map(|(_, held)| held));
    rows.map(|h| Operand { segment: h.segment, component: h.component, row: h.row })
}
