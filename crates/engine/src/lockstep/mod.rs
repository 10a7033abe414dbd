//! The lockstep executor: all runs in one walk through the layers, each with just the rows in which
//! it differs.
//!
//! It does what a [`Pass`](tracewright_ir::plan::Pass) says and decides nothing itself. A segment
//! (what lies between two attentions) is walked through in blocks of rows: attention and everything
//! up to `resid_post` in one go, then q, k and v for the attention above.

mod birth;
mod call;
mod inside;
mod kept;
mod logits;
mod operate;
mod part;
mod walk;

use std::ops::ControlFlow;

use tracewright_ir::plan::Planner;
use tracewright_ir::{Array, Request, RunId};
use tracewright_models::Decoder;

use crate::error::EngineError;
use crate::execute::Execution;
use crate::finite::not_finite;
use crate::outcome::{Cost, Outcome, Progress};
use crate::predict::Candidate;
use walk::Walk;

/// Executes requests in as few passes as fit into the execution's memory, weights apart.
///
/// # Errors
///
/// A request that doesn't fit the model or the budget ([`PlanError`](tracewright_ir::plan::PlanError)),
/// a metric or reading that isn't finite, a failing device, and [`EngineError::Stopped`] where
/// `progress` says so.
pub fn execute(
    decoder: &Decoder,
    requests: &[&Request],
    execution: &Execution,
    progress: Progress<'_>,
) -> Result<Vec<Outcome>, EngineError> {
    for request in requests {
        execution.extensions.check(request)?;
    }
    let planner = Planner::new(requests, decoder.architecture())?;
    let chunks = planner.passes(execution.memory)?;
    let mut outcomes = Outcomes::new(requests);
    let mut carried = None;
    let steps = decoder.architecture().n_layers as u64 + 1;
    let (mut before, of) = (0, planner.cost(&chunks).flops);
    for chunk in &chunks {
        let flops = chunk.cost().flops;
        let pass = planner.pass(chunk);
        let mut walk = Walk::new(decoder, requests, execution, &pass, carried.take());
        for step in 1..=steps {
            walk.segment(step as usize - 1)?;
            if let ControlFlow::Break(()) = progress(before + flops / steps * step, of) {
                return Err(EngineError::Stopped);
            }
        }
        before += flops;
        let (found, kept) = walk.finish()?;
        carried = Some(kept);
        outcomes.take((decoder, execution), requests, found)?;
    }
    Ok(outcomes.finish())
}

/// What a pass has found.
pub(crate) struct Found {
    /// The metrics of each measured run: request, run, one value for each measure.
    pub(crate) values: Vec<(usize, usize, Vec<f64>)>,
    /// The likeliest tokens of each measured run: request, run, tokens.
    pub(crate) tops: Vec<(usize, usize, Vec<Candidate>)>,
    /// Readings: request, index, value.
    pub(crate) readings: Vec<(usize, usize, Array)>,
    pub(crate) cost: Cost,
}

/// The outcomes of several requests, filled pass by pass.
struct Outcomes {
    outcomes: Vec<Outcome>,
    /// The place of each run among the measured ones, by request.
    places: Vec<Vec<Vec<usize>>>,
}

impl Outcomes {
    fn new(requests: &[&Request]) -> Self {
        let empty = |request: &&Request| Outcome {
            values: vec![vec![f64::NAN; request.measured.len()]; request.measures.len()],
            readings: vec![Array { shape: Vec::new(), data: Vec::new() }; request.readings.len()],
            tops: match request.top_k {
                0 => Vec::new(),
                _ => vec![Vec::new(); request.measured.len()],
            },
            cost: Cost::default(),
        };
        let places = |request: &&Request| {
            let mut places = vec![Vec::new(); request.runs.len()];
            for (place, run) in request.measured.iter().enumerate() {
                places[run.0].push(place);
            }
            places
        };
        Self {
            outcomes: requests.iter().map(empty).collect(),
            places: requests.iter().map(places).collect(),
        }
    }

    fn take(
        &mut self,
        (decoder, execution): (&Decoder, &Execution),
        requests: &[&Request],
        found: Found,
    ) -> Result<(), EngineError> {
        for (request, run, values) in found.values {
            for (measure, value) in values.into_iter().enumerate() {
                if !value.is_finite() {
                    let request = requests[request];
                    let what = (RunId(run), request.measures[measure].metric.name(), value);
                    return Err(not_finite(decoder, request, &execution.extensions, what));
                }
                for place in &self.places[request][run] {
                    self.outcomes[request].values[measure][*place] = value;
                }
            }
        }
        for (request, run, tops) in found.tops {
            for place in &self.places[request][run] {
                self.outcomes[request].tops[*place].clone_from(&tops);
            }
        }
        for (request, index, array) in found.readings {
            self.outcomes[request].readings[index] = array;
        }
        // A pass belongs to all its requests together; the first one carries the cost.
        if let Some(first) = self.outcomes.first_mut() {
            first.cost += found.cost;
        }
        Ok(())
    }

    fn finish(self) -> Vec<Outcome> {
        self.outcomes
    }
}
