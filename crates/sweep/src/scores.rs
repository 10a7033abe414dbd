//! From the metrics of every run to the rows of the table: averages over noise samples.

use std::ops::Range;

use tracewright_engine::Outcome;
use tracewright_ir::{Cell, Metric, Role, RunId, Sweep, effect};
use tracewright_results::{Baseline, Row};

/// An average over noise samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Average {
    pub(crate) mean: f64,
    /// With n − 1; none for a single sample.
    pub(crate) std: Option<f64>,
    pub(crate) n: usize,
}

impl Average {
    fn of(values: &[f64]) -> Self {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, std: (n > 1).then(|| (squares / (n as f64 - 1.0)).sqrt()), n }
    }
}

/// What a row says of its prompt.
pub(crate) struct Prompt<'a> {
    pub(crate) case: &'a str,
    pub(crate) tokens: &'a [String],
    pub(crate) subject: &'a Range<usize>,
}

/// One metric of every run, and the averages that cells are compared with.
pub(crate) struct Scores<'a> {
    sweep: &'a Sweep,
    values: &'a [f64],
    metric: &'a Metric,
    pub(crate) clean: Average,
    pub(crate) corrupted: Average,
    source: Average,
}

impl<'a> Scores<'a> {
    /// Of the sweep's measure with this index.
    pub(crate) fn new(sweep: &'a Sweep, outcome: &'a Outcome, measure: usize) -> Self {
        let values = &outcome.values[measure];
        let measured = &sweep.request.measured;
        let average = |runs: &[RunId]| average(measured, values, runs);
        Self {
            sweep,
            values,
            metric: &sweep.request.measures[measure].metric,
            clean: average(&sweep.clean),
            corrupted: average(&sweep.corrupted),
            source: average(&sweep.sources),
        }
    }

    pub(crate) fn baseline(&self) -> Baseline {
        Baseline {
            metric: self.metric.name().to_owned(),
            clean: self.clean.mean,
            corrupted: self.corrupted.mean,
        }
    }

    pub(crate) fn row(&self, cell: &Cell, prompt: &Prompt<'_>) -> Row {
        let measured = &self.sweep.request.measured;
        let Average { mean: value, std, n } = average(measured, self.values, &cell.runs);
        let (clean, corrupted) = (self.clean.mean, self.corrupted.mean);
        let bases: Vec<RunId> =
            cell.runs.iter().filter_map(|run| self.sweep.request.base(*run)).collect();
        let (base, source) = (average(measured, self.values, &bases).mean, self.source.mean);
        // A cell without a run is one that no path leads to.
        let known = |number: f64| (!cell.runs.is_empty()).then_some(number);
        let role = |p| Role::of(p, prompt.subject, prompt.tokens.len()).name().to_owned();
        Row {
            case: prompt.case.to_owned(),
            kind: cell.at.kind.clone(),
            site: cell.at.site.clone(),
            layer: cell.at.layer.map(|layer| layer as u32),
            position: cell.at.position.map(|position| position as u32),
            src_position: cell.at.src_position.map(|position| position as u32),
            head: cell.at.head.map(|head| head as u32),
            kv_head: cell.at.kv_head.map(|head| head as u32),
            neuron: cell.at.neuron.map(|neuron| neuron as u32),
            token: cell.at.position.and_then(|position| prompt.tokens.get(position).cloned()),
            role: cell.at.position.map(role),
            metric: self.metric.name().to_owned(),
            sender: cell.at.sender.clone(),
            receiver: cell.at.receiver.clone(),
            value: known(value),
            clean: Some(clean),
            corrupted: Some(corrupted),
            base: known(base),
            source: Some(source),
            recovery: known(value).and_then(|v| self.metric.recovery(v, clean, corrupted)),
            effect: effect(value, base, source),
            std,
            n: n as u32,
        }
    }
}

/// Over runs that are among the measured ones, which stand in the order of their ids.
fn average(measured: &[RunId], values: &[f64], runs: &[RunId]) -> Average {
    let value = |run: &RunId| Some(values[measured.binary_search(run).ok()?]);
    let values: Vec<f64> = runs.iter().filter_map(value).collect();
    Average::of(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_over_samples_has_n_minus_1() {
        let average = Average::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((average.mean, average.n), (2.5, 4));
        assert!((average.std.unwrap_or_default() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(Average::of(&[7.0]), Average { mean: 7.0, std: None, n: 1 });
    }
}
