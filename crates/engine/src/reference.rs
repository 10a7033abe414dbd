//! The reference executor: a full forward pass for every run, the oracle of every test.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use burn::tensor::{Tensor, Transaction};
use tracewright_ir::plan::forward_flops;
use tracewright_ir::{
    Array, Component, Intervention, Measure, Operation, Reading, Request, RunId, Site,
};
use tracewright_models::{Batch, Decoder};

use crate::error::EngineError;
use crate::extensions::Extensions;
use crate::extensions::measure;
use crate::finite::{Place, is_sound, not_finite};
use crate::hooks::{Hooks, Kept, Shared};
use crate::outcome::{Cost, Outcome, Progress};
use crate::predict::{Candidate, top};
use crate::schedule::{Schedule, clean_runs, needed, wanted};

/// Sequences that go through the model together: enough for large matrix products, few enough
/// for their rows to stay in the processor's cache.
const BATCH: usize = 16;

/// Executes a request by one full forward pass for each run that it asks about.
///
/// Runs that others read come first, and just the values that are read are kept. A run's bases
/// aren't run for its sake: it repeats their interventions itself.
///
/// # Errors
///
/// A request that doesn't fit the model ([`Request::check`]), a metric that isn't a finite number,
/// a failing device, and [`EngineError::Stopped`] where `progress` says so.
pub fn execute(
    decoder: &Decoder,
    request: &Request,
    how: &crate::Execution,
    progress: Progress<'_>,
) -> Result<Outcome, EngineError> {
    request.check(decoder.architecture())?;
    how.extensions.check(request)?;
    let schedule = Schedule::new(request, BATCH)?;
    let mut execution = Execution::new(decoder, request, &how.extensions);
    let len = |run: &RunId| request.tokens(*run).map_or(0, <[u32]>::len);
    let runs = schedule.first.iter().chain(&schedule.then).flatten();
    let planned = runs.map(|run| forward_flops(decoder.architecture(), len(run))).sum();
    let mut waiting = Vec::new();
    for batch in &schedule.first {
        waiting.push(execution.forward(batch)?);
        execution.report((&schedule, planned), progress)?;
    }
    for logits in &waiting {
        execution.measure(logits)?;
    }
    for batch in &schedule.then {
        let logits = execution.forward(batch)?;
        execution.measure(&logits)?;
        execution.report((&schedule, planned), progress)?;
    }
    execution.finish()
}

/// The first number of a request's runs that isn't finite.
pub(crate) fn first_not_finite(
    decoder: &Decoder,
    request: &Request,
    extensions: &Extensions,
) -> Result<Option<Place>, EngineError> {
    let schedule = Schedule::new(request, BATCH)?;
    let mut execution = Execution::new(decoder, request, extensions);
    execution.shared.places = decoder.architecture().sites().into_iter().map(Site::place).collect();
    execution.shared.watched = true;
    for batch in schedule.first.iter().chain(&schedule.then) {
        execution.forward(batch)?;
        if execution.found.is_some() {
            break;
        }
    }
    Ok(execution.found)
}

struct Execution<'a> {
    shared: Shared<'a>,
    measured: BTreeSet<RunId>,
    /// The runs that metrics compare with.
    clean_runs: BTreeSet<RunId>,
    kept: Kept,
    /// The logits that metrics compare with, `[1, vocab]` by run and position.
    clean: BTreeMap<(RunId, usize), Tensor<2>>,
    /// One value for each measure.
    values: BTreeMap<RunId, Vec<f64>>,
    tops: BTreeMap<RunId, Vec<Candidate>>,
    cost: Cost,
    /// The first number that isn't finite, where one is looked for.
    found: Option<Place>,
}

/// The logits of those runs of a batch that metrics read, at the positions that they read.
struct BatchLogits {
    runs: Vec<RunId>,
    len: usize,
    positions: Vec<usize>,
    /// `[runs · positions, vocab]`
    logits: Tensor<2>,
}

impl<'a> Execution<'a> {
    fn new(decoder: &'a Decoder, request: &'a Request, extensions: &'a Extensions) -> Self {
        let runs = needed(request);
        let wanted = wanted(request, &runs);
        let changes = runs.iter().flat_map(|run| request.interventions(*run));
        let changed = changes.map(|intervention| intervention.locus.site.place());
        let read = wanted.values().flatten().map(|(locus, _)| locus.site.place());
        let places = changed.chain(read).collect();
        Self {
            shared: Shared { decoder, request, extensions, wanted, places, watched: false },
            measured: request.measured.iter().copied().collect(),
            clean_runs: clean_runs(request).collect(),
            kept: Kept::new(),
            clean: BTreeMap::new(),
            values: BTreeMap::new(),
            tops: BTreeMap::new(),
            cost: Cost::default(),
            found: None,
        }
    }

    fn report(
        &self,
        (schedule, planned): (&Schedule, u64),
        progress: Progress<'_>,
    ) -> Result<(), EngineError> {
        let (done, of) = (self.cost.forwards as u64, schedule.len().max(1) as u64);
        match progress(planned / of * done, planned) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(EngineError::Stopped),
        }
    }

    /// Runs a batch, keeps what others read of it, and returns its logits.
    fn forward(&mut self, runs: &[RunId]) -> Result<BatchLogits, EngineError> {
        let request = self.shared.request;
        let mut ids = Vec::new();
        for run in runs {
            ids.extend_from_slice(request.tokens(*run)?);
        }
        let batch = Batch { sequences: runs.len(), len: ids.len() / runs.len() };
        let read: Vec<usize> = (0..runs.len()).filter(|index| self.is_read(runs[*index])).collect();
        let positions: BTreeSet<usize> =
            request.measures.iter().map(|m| Request::position(m, batch.len)).collect();
        let mut rows: Vec<usize> = read
            .iter()
            .flat_map(|sequence| positions.iter().map(move |p| sequence * batch.len + p))
            .collect();
        if rows.is_empty() {
            // Not every backend takes an empty matrix.
            rows.push(0);
        }
        let mut hooks = Hooks::new(&self.shared, &self.kept, runs, batch.len);
        let logits = self.shared.decoder.forward(&ids, batch, &rows, &mut hooks)?;
        let Hooks { kept, found, .. } = hooks;
        self.kept.extend(kept);
        self.found = found;
        let architecture = self.shared.decoder.architecture();
        self.cost += Cost::of_forwards(architecture, runs.len(), batch.len, rows.len());
        let called = runs.iter().flat_map(|run| request.interventions(*run));
        self.cost.flops += called.map(|change| call_flops(change, batch.len)).sum::<u64>();
        let runs = read.into_iter().map(|index| runs[index]).collect();
        let positions = positions.into_iter().collect();
        let logits = BatchLogits { runs, len: batch.len, positions, logits };
        self.keep_clean(&logits);
        Ok(logits)
    }

    /// Whether the logits of a run are read, by a metric of its own or as the clean ones.
    fn is_read(&self, run: RunId) -> bool {
        self.measured.contains(&run) || self.clean_runs.contains(&run)
    }

    fn keep_clean(&mut self, batch: &BatchLogits) {
        let per_run = batch.positions.len();
        let is_clean = |(_, run): &(usize, &RunId)| self.clean_runs.contains(run);
        for (index, run) in batch.runs.iter().enumerate().filter(is_clean) {
            for (offset, position) in batch.positions.iter().enumerate() {
                let row = batch.logits.clone().narrow(0, index * per_run + offset, 1);
                self.clean.insert((*run, *position), row);
            }
        }
    }

    /// Reads every metric of the batch's measured runs, in one transfer from the device.
    fn measure(&mut self, batch: &BatchLogits) -> Result<(), EngineError> {
        let request = self.shared.request;
        let here: Vec<usize> = (0..batch.runs.len())
            .filter(|index| self.measured.contains(&batch.runs[*index]))
            .collect();
        if here.is_empty() || request.measures.is_empty() {
            return Ok(());
        }
        let mut transaction = Transaction::default();
        for one in &request.measures {
            transaction = transaction.register(self.metric(one, batch, &here)?);
        }
        if request.top_k > 0 {
            self.tops(batch, &here)?;
        }
        let columns = transaction.try_execute().map_err(EngineError::device)?;
        for (one, column) in request.measures.iter().zip(columns) {
            let column = column.try_into_vec_as::<f32>().map_err(EngineError::device)?;
            for (index, value) in here.iter().zip(column) {
                self.store(batch.runs[*index], one, f64::from(value))?;
            }
        }
        Ok(())
    }

    /// The logits that a metric reads of some of the batch's runs, `[runs, vocab]`.
    fn rows(&self, one: &Measure, batch: &BatchLogits, runs: &[usize]) -> Tensor<2> {
        let position = Request::position(one, batch.len);
        let offset = batch.positions.iter().position(|p| *p == position).unwrap_or_default();
        let rows: Vec<usize> = runs.iter().map(|i| i * batch.positions.len() + offset).collect();
        self.shared.decoder.select_rows(batch.logits.clone(), &rows)
    }

    fn tops(&mut self, batch: &BatchLogits, runs: &[usize]) -> Result<(), EngineError> {
        let Shared { request, .. } = self.shared;
        let logits = self.rows(&request.measures[0], batch, runs);
        let width = logits.dims()[1];
        let logits = logits.try_into_vec_as::<f32>().map_err(EngineError::device)?;
        for (index, row) in runs.iter().zip(logits.chunks_exact(width)) {
            self.tops.insert(batch.runs[*index], top(row, request.top_k));
        }
        Ok(())
    }

    /// One metric of some of the batch's runs, `[runs]`.
    fn metric(
        &self,
        one: &Measure,
        batch: &BatchLogits,
        runs: &[usize],
    ) -> Result<Tensor<1>, EngineError> {
        let Shared { request, extensions, .. } = self.shared;
        let rows = self.rows(one, batch, runs);
        let not_kept = || EngineError::NotKept { site: Site::outside(Component::Logits) };
        let clean = match one.metric.clean() {
            Some(run) => {
                let position = Request::position(one, request.tokens(run)?.len());
                Some(self.clean.get(&(run, position)).cloned().ok_or(not_kept())?)
            }
            None => None,
        };
        measure(&one.metric, rows, clean, extensions)?.ok_or(not_kept())
    }

    fn store(&mut self, run: RunId, one: &Measure, value: f64) -> Result<(), EngineError> {
        if !value.is_finite() {
            let Shared { decoder, request, extensions, .. } = self.shared;
            return Err(not_finite(decoder, request, extensions, (run, one.metric.name(), value)));
        }
        self.values.entry(run).or_default().push(value);
        Ok(())
    }

    fn finish(self) -> Result<Outcome, EngineError> {
        let request = self.shared.request;
        let site = Site::outside(Component::Logits);
        let column = |measure: usize| -> Result<Vec<f64>, EngineError> {
            let of_run = |run: &RunId| {
                let value = self.values.get(run).and_then(|values| values.get(measure));
                value.copied().ok_or(EngineError::NotKept { site })
            };
            request.measured.iter().map(of_run).collect()
        };
        let values = (0..request.measures.len()).map(column).collect::<Result<_, _>>()?;
        let readings =
            request.readings.iter().map(|r| self.reading(r)).collect::<Result<_, _>>()?;
        let top = |run| self.tops.get(run).cloned().unwrap_or_default();
        let topped = request.measured.iter().filter(|_| request.top_k > 0);
        let tops = topped.map(top).collect();
        Ok(Outcome { values, readings, tops, cost: self.cost })
    }

    fn reading(&self, reading: &Reading) -> Result<Array, EngineError> {
        let key = (reading.run, reading.locus.clone(), reading.state);
        let site = reading.locus.site;
        let kept = self.kept.get(&key).ok_or(EngineError::NotKept { site })?;
        let data = kept.clone().try_into_vec_as::<f32>().map_err(EngineError::device)?;
        if let Some(value) = data.iter().find(|value| !is_sound(site, **value)) {
            let Shared { decoder, request, extensions, .. } = self.shared;
            let what = (reading.run, site.component.name(), f64::from(*value));
            return Err(not_finite(decoder, request, extensions, what));
        }
        let len = self.shared.request.tokens(reading.run)?.len();
        let shape = reading.locus.shape(self.shared.decoder.architecture(), len);
        Ok(Array { shape, data: data.into_iter().map(f64::from).collect() })
    }
}

/// The operations that an intervention declares, on a run of `len` tokens.
fn call_flops(change: &Intervention, len: usize) -> u64 {
    match &change.operation {
        Operation::Call(call) => {
            call.flops.saturating_mul(change.locus.positions.indices(len).len() as u64)
        }
        _ => 0,
    }
}
