//! Requests laid side by side: runs numbered through, equal interventions found.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use crate::architecture::Architecture;
use crate::intervention::{Call, Intervention, Operation, Source, State, Value};
use crate::locus::{Locus, Selection};
use crate::plan::carried::Carried;
use crate::plan::known::Known;
use crate::plan::scope::Scope;
use crate::plan::stage::Layout;
use crate::request::Request;
use crate::run::{Origin, Run, RunId};
use crate::site::Site;

/// The runs of several requests under one numbering.
pub(crate) struct Program<'a> {
    /// The model as its passes compute it.
    pub(crate) architecture: Architecture,
    /// The order of its stages.
    pub(crate) layout: Layout,
    pub(crate) requests: &'a [&'a Request],
    pub(crate) runs: Vec<ProgramRun<'a>>,
    /// Different interventions, each once.
    pub(crate) changes: Vec<Change<'a>>,
    /// Different lists of them that act at one place.
    pub(crate) acts: Vec<Act>,
    /// The number of each request's first run.
    pub(crate) offsets: Vec<usize>,
    /// The runs that each request's metrics compare with.
    pub(crate) clean: Vec<Vec<usize>>,
    pub(crate) scope: Scope,
    /// What passes hand to later ones.
    pub(crate) carried: Carried,
}

/// A run and what it is made of.
pub(crate) struct ProgramRun<'a> {
    pub(crate) name: &'a str,
    pub(crate) request: usize,
    pub(crate) base: Option<usize>,
    pub(crate) tokens: &'a [u32],
    /// Its own interventions, by their index in [`Program::changes`].
    pub(crate) changes: Vec<u32>,
    /// How many passes must have come before the one that it is in.
    pub(crate) level: usize,
    /// All that acts on it, its bases' interventions too: places in rising order, each with an index
    /// in [`Program::acts`].
    pub(crate) acts: Vec<(u32, u32)>,
}

/// Interventions at one place, one after the other: an act of a base and one more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    pub(crate) before: Option<u32>,
    pub(crate) change: u32,
    /// How many rows they change, one counted as often as it is changed.
    rows: u32,
}

/// An intervention, prepared.
pub(crate) struct Change<'a> {
    pub(crate) intervention: &'a Intervention,
    /// The first run that has it, in its request, and its index there.
    pub(crate) request: usize,
    pub(crate) run: RunId,
    pub(crate) index: usize,
    /// The place that it changes, and that place's number.
    pub(crate) place: Site,
    pub(crate) at: u32,
    /// What it does to a row; interventions with equal effects differ in the positions that they
    /// change or read.
    pub(crate) effect: u32,
    /// Its sources.
    pub(crate) reads: Vec<Read<'a>>,
}

/// A source, prepared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    pub(crate) run: usize,
    pub(crate) locus: &'a Locus,
    pub(crate) state: State,
    /// Whether it lies above its reader, so that an earlier pass must have carried it over.
    pub(crate) above: bool,
}

impl<'a> Program<'a> {
    /// Numbers the runs; the requests must fit the architecture ([`Request::check`]).
    pub(crate) fn new(requests: &'a [&'a Request], architecture: &Architecture) -> Self {
        let mut next = 0;
        let offsets = requests.iter().map(|request| {
            next += request.runs.len();
            next - request.runs.len()
        });
        let offsets: Vec<usize> = offsets.collect();
        let clean = |(request, offset): (&&Request, &usize)| {
            let clean = request.measures.iter().filter_map(|measure| measure.metric.clean());
            let clean: BTreeSet<usize> = clean.map(|run| offset + run.0).collect();
            clean.into_iter().collect()
        };
        let clean = requests.iter().zip(&offsets).map(clean).collect();
        let scope = Scope::of(requests, architecture.vocab);
        let mut program = Self {
            architecture: scope.narrowed(architecture),
            layout: Layout::of(architecture),
            requests,
            runs: Vec::new(),
            changes: Vec::new(),
            acts: Vec::new(),
            offsets,
            clean,
            scope,
            carried: Carried::default(),
        };
        let mut known = Known::default();
        for (index, request) in requests.iter().enumerate() {
            for id in 0..request.runs.len() {
                let run = program.run(index, RunId(id), &mut known);
                program.runs.push(run);
            }
        }
        program.carried = Carried::of(&program);
        program
    }

    fn run(&mut self, request: usize, id: RunId, known: &mut Known<'a>) -> ProgramRun<'a> {
        let (requests, offset) = (self.requests, self.offsets[request]);
        let Run { name, origin, interventions } = &requests[request].runs[id.0];
        let (base, tokens, mut acts) = match origin {
            Origin::Tokens(tokens) => (None, tokens.as_slice(), Vec::new()),
            Origin::Base(base) => {
                let base = offset + base.0;
                (Some(base), self.runs[base].tokens, self.runs[base].acts.clone())
            }
        };
        let mut changes = Vec::with_capacity(interventions.len());
        for (index, intervention) in interventions.iter().enumerate() {
            let next = self.changes.len() as u32;
            let change = known.change(intervention, offset, tokens.len(), next);
            if change == next {
                let place = intervention.locus.site.place();
                let at = self.place(place) as u32;
                let effect = known.effect(intervention, change);
                let reads = self.reads(intervention, offset);
                let run = id;
                let change = Change { intervention, request, run, index, place, at, effect, reads };
                self.changes.push(change);
            }
            changes.push(change);
            self.act(&mut acts, change, tokens.len(), known);
        }
        let reads = changes.iter().flat_map(|change| &self.changes[*change as usize].reads);
        let after = |read: &Read<'_>| self.runs[read.run].level + usize::from(read.above);
        let level = reads.map(after).chain(base.map(|base| self.runs[base].level)).max();
        let level = level.unwrap_or(0);
        ProgramRun { name, request, base, tokens, changes, level, acts }
    }

    /// What an intervention reads.
    fn reads(&self, intervention: &'a Intervention, offset: usize) -> Vec<Read<'a>> {
        let at = self.place(intervention.locus.site);
        let read = |source: &'a Source| {
            let locus = source.locus.as_ref().unwrap_or(&intervention.locus);
            let above = self.place(locus.site) > at;
            Read { run: offset + source.run.0, locus, state: source.state, above }
        };
        intervention.sources().iter().map(read).collect()
    }

    /// Lets a change act after all that acts at its place.
    fn act(&mut self, acts: &mut Vec<(u32, u32)>, change: u32, len: usize, known: &mut Known<'a>) {
        let Change { at, intervention, .. } = &self.changes[change as usize];
        let found = acts.binary_search_by_key(at, |(place, _)| *place);
        let before = found.ok().map(|index| acts[index].1);
        let next = self.acts.len() as u32;
        let act = *known.acts.entry((before, change)).or_insert(next);
        if act == next {
            let earlier = before.map_or(0, |before| self.acts[before as usize].rows);
            let rows = earlier.saturating_add(intervention.locus.positions.len(len) as u32);
            self.acts.push(Act { before, change, rows });
        }
        match found {
            Ok(index) => acts[index].1 = act,
            Err(index) => acts.insert(index, (*at, act)),
        }
    }

    /// What the run's own interventions read.
    pub(crate) fn own_reads(&self, run: usize) -> impl Iterator<Item = &Read<'a>> {
        let changes = self.runs[run].changes.iter();
        changes.flat_map(|change| &self.changes[*change as usize].reads)
    }

    /// The run's base and the runs that its own interventions read in the same pass.
    pub(crate) fn needs(&self, run: usize) -> impl Iterator<Item = usize> {
        let reads = self.own_reads(run).filter(|read| !read.above);
        self.runs[run].base.into_iter().chain(reads.map(|read| read.run))
    }

    /// About as many rows as a run has beyond its base's: those from its first change on, and two for
    /// each row that is changed within a segment from that change on, by the run or a base (the changed
    /// one and its sum with the stream).
    pub(crate) fn own_rows(&self, run: usize) -> usize {
        let ProgramRun { base, tokens, changes, acts, .. } = &self.runs[run];
        let own = || changes.iter().map(|change| &self.changes[*change as usize]);
        let first = match base {
            Some(_) => own().map(|change| change.intervention.locus.positions.first()).min(),
            None => Some(0),
        };
        let Some(first) = first else { return 0 };
        let from = own().map(|change| change.at).min().unwrap_or(0);
        let segment = |(place, _): &(u32, u32)| *place as usize / STAGES;
        let acts = &acts[acts.partition_point(|(place, _)| *place < from)..];
        let changed = |of_segment: &[(u32, u32)]| {
            let rows = of_segment.iter().map(|(_, act)| self.acts[*act as usize].rows as usize);
            rows.map(|rows| 2 * rows.min(tokens.len())).sum()
        };
        let most = acts.chunk_by(|a, b| segment(a) == segment(b)).map(changed).max();
        tokens.len() - first + most.unwrap_or(0)
    }

    /// These runs, their bases, and all that any of them reads, in rising order.
    pub(crate) fn closure(&self, runs: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut open: Vec<usize> = runs.into_iter().collect();
        let mut all = HashSet::new();
        while let Some(run) = open.pop() {
            if all.insert(run) {
                open.extend(self.needs(run));
            }
        }
        let mut all: Vec<usize> = all.into_iter().collect();
        all.sort_unstable();
        all
    }

    /// Whether no run of as many tokens can have a row before this run's: it is the first and as its
    /// tokens make it.
    pub(crate) fn is_first(&self, run: usize) -> bool {
        run == 0 && self.runs[run].changes.is_empty()
    }

    /// The segment that carried rows are said to be of: the one after the last.
    pub(crate) fn carried_segment(&self) -> u32 {
        self.architecture.n_layers as u32 + 1
    }

    /// The positions of the keys that the attention at the bottom of a segment sees from a position; none
    /// in the first segment, which has no attention.
    pub(crate) fn keys(&self, segment: usize, position: u32) -> Range<usize> {
        let keys = |layer| self.architecture.keys(layer, position as usize);
        segment.checked_sub(1).map_or(0..0, keys)
    }

    /// Whether some queries of a segment's attention see only the last keys.
    pub(crate) fn is_windowed(&self, segment: usize) -> bool {
        segment.checked_sub(1).is_some_and(|layer| self.architecture.window(layer).is_some())
    }

    /// The place's number: places are computed in rising order.
    pub(crate) fn place(&self, site: Site) -> usize {
        let component = site.place().component;
        self.layout.segment(site) * STAGES + usize::from(self.layout.rank(component))
    }
}

/// Stages of one segment, with room.
pub(crate) const STAGES: usize = 64;

impl<'a> Change<'a> {
    /// Whether it copies another row's columns into the same columns.
    pub(crate) fn copies(&self) -> bool {
        let operation = &self.intervention.operation;
        matches!(operation, Operation::Replace(Value::Source(_)))
            && self.reads.iter().all(|r| columns(r.locus) == columns(&self.intervention.locus))
    }

    /// The function that it calls, if it does.
    pub(crate) fn call(&self) -> Option<&'a Call> {
        match &self.intervention.operation {
            Operation::Call(call) => Some(call),
            _ => None,
        }
    }

    /// Whether the outcome depends on the value that is changed.
    pub(crate) fn reads_input(&self) -> bool {
        !matches!(self.intervention.operation, Operation::Replace(_))
            || !whole(&self.intervention.locus)
    }
}

/// Whether a locus takes in whole rows.
pub(crate) fn whole(locus: &Locus) -> bool {
    columns(locus).into_iter().all(|selection| *selection == Selection::All)
}

/// What narrows a locus within its rows.
pub(crate) fn columns(locus: &Locus) -> [&Selection; 3] {
    [&locus.heads, &locus.src_positions, &locus.neurons]
}
