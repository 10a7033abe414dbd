//! Which runs a request needs, and in which order.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tracewright_ir::{Intervention, IrError, Locus, Request, RunId, Source, State};

/// What is to be kept of each run: loci, before or after its own interventions there.
pub(crate) type Wanted = BTreeMap<RunId, Vec<(Locus, State)>>;

/// Runs in batches of equal length, each after everything that it reads.
pub(crate) struct Schedule {
    /// The runs that metrics compare with, and all that those read: nothing can be measured
    /// before they are done.
    pub(crate) first: Vec<Vec<RunId>>,
    /// All others.
    pub(crate) then: Vec<Vec<RunId>>,
}

impl Schedule {
    /// Batches of at most `size` sequences.
    pub(crate) fn new(request: &Request, size: usize) -> Result<Self, IrError> {
        let first = closure(request, clean_runs(request));
        let mut depths: BTreeMap<RunId, usize> = BTreeMap::new();
        let mut groups: BTreeMap<(bool, usize, usize), Vec<RunId>> = BTreeMap::new();
        for run in needed(request) {
            let of_sources = sources(request, run).into_iter().filter_map(|s| depths.get(&s)).max();
            let depth = of_sources.map_or(0, |depth| depth + 1);
            depths.insert(run, depth);
            let len = request.tokens(run)?.len();
            groups.entry((!first.contains(&run), depth, len)).or_default().push(run);
        }
        let chunks = |late: bool| {
            let here = groups.iter().filter(move |((is_late, ..), _)| *is_late == late);
            here.flat_map(|(_, runs)| runs.chunks(size).map(<[RunId]>::to_vec)).collect()
        };
        Ok(Self { first: chunks(false), then: chunks(true) })
    }

    /// Number of forward passes.
    pub(crate) fn len(&self) -> usize {
        self.first.iter().chain(&self.then).map(Vec::len).sum()
    }
}

/// What other runs and readings read of each run.
pub(crate) fn wanted(request: &Request, needed: &BTreeSet<RunId>) -> Wanted {
    let mut wanted = Wanted::new();
    let mut known = HashSet::new();
    let mut want = |run: RunId, locus: &Locus, state: State| {
        if known.insert((run, locus.clone(), state)) {
            wanted.entry(run).or_default().push((locus.clone(), state));
        }
    };
    for run in needed {
        for intervention in request.interventions(*run) {
            for source in intervention.sources() {
                want(source.run, source_locus(source, intervention), source.state);
            }
        }
    }
    for reading in &request.readings {
        want(reading.run, &reading.locus, reading.state);
    }
    wanted
}

/// Where a source is read.
pub(crate) fn source_locus<'a>(source: &'a Source, intervention: &'a Intervention) -> &'a Locus {
    source.locus.as_ref().unwrap_or(&intervention.locus)
}

/// The runs that metrics compare with.
pub(crate) fn clean_runs(request: &Request) -> impl Iterator<Item = RunId> {
    request.measures.iter().filter_map(|measure| measure.metric.clean())
}

/// The runs that are asked about, and all that those read.
pub(crate) fn needed(request: &Request) -> BTreeSet<RunId> {
    let measured = request.measured.iter().copied();
    let read = request.readings.iter().map(|reading| reading.run);
    closure(request, measured.chain(read).chain(clean_runs(request)))
}

fn sources(request: &Request, run: RunId) -> Vec<RunId> {
    let changes = request.interventions(run);
    changes.iter().flat_map(|change| change.sources()).map(|source| source.run).collect()
}

fn closure(request: &Request, runs: impl Iterator<Item = RunId>) -> BTreeSet<RunId> {
    let mut open: Vec<RunId> = runs.collect();
    let mut all = BTreeSet::new();
    while let Some(run) = open.pop() {
        if all.insert(run) {
            open.extend(sources(request, run));
        }
    }
    all
}
