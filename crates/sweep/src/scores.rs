//! From the metrics of every run to the rows of the table: averages over noise samples.

use std::ops::Range;

use tracewright_engine::Outcome;
use tracewright_ir::{Cell, Metric, Role, RunId, Sweep, effect};
use tracewright_results::{Baseline, Resamples, Row, Summary};

use crate::pair::Reported;

/// What a row says of its prompt.
pub(crate) struct Prompt<'a> {
    pub(crate) case: &'a str,
    pub(crate) corruption: Option<&'a str>,
    pub(crate) tokens: &'a [String],
    /// None where nobody knows it: then tokens have no roles.
    pub(crate) subject: Option<&'a Range<usize>>,
}

/// One reported number of every run, and the averages that cells are compared with.
pub(crate) struct Scores<'a> {
    sweep: &'a Sweep,
    reported: &'a Reported,
    metric: &'a Metric,
    /// One for each measured run.
    values: Vec<f64>,
    pub(crate) clean: f64,
    pub(crate) corrupted: f64,
    source: f64,
    /// For the intervals over as many samples.
    resamples: Resamples,
}

impl<'a> Scores<'a> {
    pub(crate) fn new(sweep: &'a Sweep, outcome: &'a Outcome, reported: &'a Reported) -> Self {
        let runs = 0..sweep.request.measured.len();
        let value = |run| reported.value(|measure| outcome.values[measure][run]);
        let values: Vec<f64> = runs.map(value).collect();
        let metric = &sweep.request.measures[reported.of[0]].metric;
        let mean = |runs: &[RunId]| summary(sweep, &values, runs).map_or(f64::NAN, |s| s.mean);
        let [clean, corrupted, source] =
            [&sweep.clean, &sweep.corrupted, &sweep.sources].map(|runs| mean(runs));
        let samples = sweep.cells.iter().map(|cell| cell.runs.len()).max().unwrap_or(0);
        let resamples = Resamples::of(samples);
        Self { sweep, reported, metric, values, clean, corrupted, source, resamples }
    }

    pub(crate) fn baseline(&self) -> Baseline {
        let metric = self.reported.label();
        Baseline { metric, clean: self.clean, corrupted: self.corrupted }
    }

    pub(crate) fn row(&self, cell: &Cell, prompt: &Prompt<'_>) -> Row {
        // A cell without a run is one that no path leads to.
        let own = Summary::with(&of_runs(self.sweep, &self.values, &cell.runs), &self.resamples);
        let interval = own.and_then(|own| own.interval);
        let bases: Vec<RunId> =
            cell.runs.iter().filter_map(|run| self.sweep.request.base(*run)).collect();
        let base = summary(self.sweep, &self.values, &bases).map(|base| base.mean);
        let value = own.map(|own| own.mean);
        let len = prompt.tokens.len();
        let role = |p| Some(Role::of(p, prompt.subject?, len).name().to_owned());
        let index = |index: Option<usize>| index.map(|index| index as u32);
        Row {
            case: prompt.case.to_owned(),
            corruption: prompt.corruption.map(str::to_owned),
            kind: cell.at.kind.clone(),
            site: cell.at.site.clone(),
            layer: index(cell.at.layer),
            position: index(cell.at.position),
            src_position: index(cell.at.src_position),
            head: index(cell.at.head),
            kv_head: index(cell.at.kv_head),
            neuron: index(cell.at.neuron),
            token: cell.at.position.and_then(|position| prompt.tokens.get(position).cloned()),
            role: cell.at.position.and_then(role),
            metric: self.reported.name.to_owned(),
            metric_position: index(self.reported.at),
            sender: cell.at.sender.clone(),
            receiver: cell.at.receiver.clone(),
            value,
            clean: Some(self.clean),
            corrupted: Some(self.corrupted),
            base,
            source: Some(self.source),
            recovery: value.and_then(|v| self.metric.recovery(v, self.clean, self.corrupted)),
            effect: value.zip(base).and_then(|(value, base)| effect(value, base, self.source)),
            std: own.and_then(|own| own.std),
            stderr: own.and_then(|own| own.stderr),
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            n: own.map_or(0, |own| own.n) as u32,
        }
    }
}

fn summary(sweep: &Sweep, values: &[f64], runs: &[RunId]) -> Option<Summary> {
    Summary::without_interval(&of_runs(sweep, values, runs))
}

/// The values of runs that are among the measured ones, which stand in the order of their ids.
fn of_runs(sweep: &Sweep, values: &[f64], runs: &[RunId]) -> Vec<f64> {
    let value = |run: &RunId| Some(values[sweep.request.measured.binary_search(run).ok()?]);
    runs.iter().filter_map(value).collect()
}
