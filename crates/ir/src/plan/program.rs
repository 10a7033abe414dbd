//! Requests laid side by side: runs numbered through, equal interventions found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::architecture::Architecture;
use crate::error::IrError;
use crate::intervention::{Array, Intervention, Operation, Source, State, Value};
use crate::locus::{Locus, Selection};
use crate::plan::stage;
use crate::request::Request;
use crate::run::{Origin, RunId};
use crate::site::Site;

/// The runs of several requests under one numbering.
pub(crate) struct Program<'a> {
    pub(crate) architecture: &'a Architecture,
    pub(crate) requests: &'a [&'a Request],
    pub(crate) runs: Vec<ProgramRun<'a>>,
    /// Different interventions, each once.
    pub(crate) changes: Vec<Change<'a>>,
    /// The number of each request's first run.
    pub(crate) offsets: Vec<usize>,
}

/// A run and what it is made of.
pub(crate) struct ProgramRun<'a> {
    pub(crate) name: &'a str,
    pub(crate) request: usize,
    pub(crate) base: Option<usize>,
    pub(crate) tokens: &'a [u32],
    /// Its own interventions, by their index in [`Program::changes`].
    changes: Vec<u32>,
}

/// An intervention, prepared.
pub(crate) struct Change<'a> {
    pub(crate) intervention: &'a Intervention,
    /// The first run that has it, in its request, and its index there.
    pub(crate) request: usize,
    pub(crate) run: RunId,
    pub(crate) index: usize,
    /// The place that it changes.
    pub(crate) place: Site,
    /// Its sources.
    pub(crate) reads: Vec<Read<'a>>,
}

/// A source, prepared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    pub(crate) run: usize,
    pub(crate) locus: &'a Locus,
    pub(crate) state: State,
}

/// What makes two interventions one, whichever requests they are from.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    locus: &'a Locus,
    operation: Kind<'a>,
}

#[derive(PartialEq, Eq, Hash)]
enum Kind<'a> {
    Constant(bool, u64),
    Array(bool, *const Array),
    Sources(bool, Vec<(usize, Option<&'a Locus>, State)>),
    Scale(u64),
}

impl<'a> Program<'a> {
    /// Numbers the runs; the requests must fit the architecture ([`Request::check`]).
    pub(crate) fn new(
        requests: &'a [&'a Request],
        architecture: &'a Architecture,
    ) -> Result<Self, IrError> {
        let offsets: Vec<usize> = requests
            .iter()
            .scan(0, |next, request| {
                *next += request.runs.len();
                Some(*next - request.runs.len())
            })
            .collect();
        let mut program = Self { architecture, requests, runs: vec![], changes: vec![], offsets };
        let mut known = HashMap::new();
        for (index, request) in requests.iter().enumerate() {
            for (id, run) in request.runs.iter().enumerate() {
                let changes = program.own_changes(index, RunId(id), &mut known);
                let base = match run.origin {
                    Origin::Base(base) => Some(program.offsets[index] + base.0),
                    Origin::Tokens(_) => None,
                };
                let tokens = match base {
                    Some(base) => program.runs[base].tokens,
                    None => request.tokens(RunId(id))?,
                };
                let name = &run.name;
                program.runs.push(ProgramRun { name, request: index, base, tokens, changes });
            }
        }
        Ok(program)
    }

    /// A run's own interventions; one that no run before it has gets a number.
    fn own_changes(
        &mut self,
        request: usize,
        run: RunId,
        known: &mut HashMap<Key<'a>, u32>,
    ) -> Vec<u32> {
        let (requests, offset) = (self.requests, self.offsets[request]);
        let interventions = &requests[request].runs[run.0].interventions;
        let mut changes = Vec::with_capacity(interventions.len());
        for (index, intervention) in interventions.iter().enumerate() {
            let next = self.changes.len() as u32;
            let change = *known.entry(key(intervention, offset)).or_insert(next);
            if change == next {
                let (place, reads) = prepare(intervention, offset);
                self.changes.push(Change { intervention, request, run, index, place, reads });
            }
            changes.push(change);
        }
        changes
    }

    /// Every intervention of a run, those of its bases first.
    pub(crate) fn chain(&self, run: usize, into: &mut Vec<u32>) {
        if let Some(base) = self.runs[run].base {
            self.chain(base, into);
        }
        into.extend_from_slice(&self.runs[run].changes);
    }

    /// The run's base and the runs that its own interventions read.
    pub(crate) fn needs(&self, run: usize) -> impl Iterator<Item = usize> {
        let ProgramRun { base, changes, .. } = &self.runs[run];
        let reads = changes.iter().flat_map(|change| &self.changes[*change as usize].reads);
        base.iter().copied().chain(reads.map(|read| read.run))
    }

    /// The most rows that a run can have beyond its base's: those from its first change on, and two
    /// for each row that it changes within a segment (the changed one and its sum with the stream).
    pub(crate) fn own_rows(&self, run: usize) -> usize {
        let ProgramRun { base, tokens, changes, .. } = &self.runs[run];
        let mut first = if base.is_some() { tokens.len() } else { 0 };
        let mut changed: BTreeMap<usize, usize> = BTreeMap::new();
        for change in changes {
            let change = &self.changes[*change as usize];
            let (from, count) = match &change.intervention.locus.positions {
                Selection::All => (0, tokens.len()),
                Selection::Only(rows) => (rows.first().copied().unwrap_or(0), rows.len()),
            };
            first = first.min(from);
            *changed.entry(self.place(change.place) / STAGES).or_default() += 2 * count;
        }
        tokens.len() - first + changed.into_values().max().unwrap_or(0)
    }

    /// These runs, their bases, and all that any of them reads, in rising order.
    pub(crate) fn closure(&self, runs: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut open: Vec<usize> = runs.into_iter().collect();
        let mut all = vec![false; self.runs.len()];
        while let Some(run) = open.pop() {
            if std::mem::replace(&mut all[run], true) {
                continue;
            }
            open.extend(self.needs(run));
        }
        (0..all.len()).filter(|run| all[*run]).collect()
    }

    /// Whether no run of as many tokens can have a row before this run's: it is the first and as its
    /// tokens make it.
    pub(crate) fn is_first(&self, run: usize) -> bool {
        run == 0 && self.runs[run].changes.is_empty()
    }

    /// The runs that a request's metrics compare with.
    pub(crate) fn clean_runs(&self, request: usize) -> BTreeSet<usize> {
        let measures = &self.requests[request].measures;
        let clean = measures.iter().filter_map(|measure| measure.metric.clean());
        clean.map(|run| self.offsets[request] + run.0).collect()
    }

    /// The place's number: places are computed in rising order.
    pub(crate) fn place(&self, site: Site) -> usize {
        place_of(site, self.architecture.n_layers)
    }
}

/// Stages of one segment, with room.
pub(crate) const STAGES: usize = 32;

pub(crate) fn place_of(site: Site, n_layers: usize) -> usize {
    let component = site.place().component;
    stage::segment(site, n_layers) * STAGES + usize::from(stage::rank(component))
}

impl<'a> Change<'a> {
    /// Whether it copies another row's columns into the same columns.
    pub(crate) fn copies(&self) -> bool {
        let columns = |l: &'a Locus| [&l.heads, &l.src_positions, &l.neurons];
        let operation = &self.intervention.operation;
        matches!(operation, Operation::Replace(Value::Source(_)))
            && self.reads.iter().all(|r| columns(r.locus) == columns(&self.intervention.locus))
    }

    /// Whether the outcome depends on the value that is changed.
    pub(crate) fn reads_input(&self) -> bool {
        !matches!(self.intervention.operation, Operation::Replace(_))
            || !whole(&self.intervention.locus)
    }
}

/// The place that an intervention changes, and what it reads.
fn prepare(intervention: &Intervention, offset: usize) -> (Site, Vec<Read<'_>>) {
    let read = |source: &'_ Source| -> (usize, State) { (offset + source.run.0, source.state) };
    let reads = intervention.sources().iter().map(|source| {
        let (run, state) = read(source);
        Read { run, locus: source.locus.as_ref().unwrap_or(&intervention.locus), state }
    });
    (intervention.locus.site.place(), reads.collect())
}

/// Whether a locus takes in whole rows.
pub(crate) fn whole(locus: &Locus) -> bool {
    let all = [&locus.heads, &locus.src_positions, &locus.neurons];
    all.into_iter().all(|selection| *selection == Selection::All)
}

fn key(intervention: &Intervention, offset: usize) -> Key<'_> {
    let (adds, value) = match &intervention.operation {
        Operation::Scale(factor) => {
            let operation = Kind::Scale(factor.to_bits());
            return Key { locus: &intervention.locus, operation };
        }
        Operation::Replace(value) => (false, value),
        Operation::Add(value) => (true, value),
    };
    let source = |source: &'_ Source| -> (usize, State) { (offset + source.run.0, source.state) };
    let operation = match value {
        Value::Constant(number) => Kind::Constant(adds, number.to_bits()),
        Value::Array(array) => Kind::Array(adds, std::sync::Arc::as_ptr(array)),
        Value::Source(_) | Value::Mean(_) => {
            let sources = value.sources().iter();
            let read = |s| {
                let (run, state) = source(s);
                (run, s.locus.as_ref(), state)
            };
            Kind::Sources(adds, sources.map(read).collect())
        }
    };
    Key { locus: &intervention.locus, operation }
}
