//! Pairs of prompts, as a job runs them.

use serde_json::{Value, json};
use tracewright_engine::{EngineError, Execution, Progress};
use tracewright_ir::{Architecture, Sweep};
use tracewright_models::Model;
use tracewright_results::Part;

use super::answers::Answers;
use super::prompts::{FedPair, Pair};
use super::settings::{PairMetric, PairSettings};
use super::{pair_sweep, patch_pair};
use crate::error::SweepError;
use crate::experiment::{Experiment, ready};
use crate::warning::Warning;

/// Pairs to patch, checked against the model.
#[derive(Debug)]
pub(crate) struct Pairs<'a> {
    model: &'a Model,
    settings: PairSettings,
    pairs: Vec<Ready>,
}

/// A pair and how many forward passes it takes.
#[derive(Debug)]
struct Ready {
    fed: FedPair,
    forwards: usize,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(
        model: &'a Model,
        settings: PairSettings,
        pairs: Vec<Pair>,
    ) -> Result<Self, SweepError> {
        settings.check()?;
        let feed = |pair: Pair| {
            let fed = pair.feed(&model.tokenizer)?;
            if settings.metrics.contains(&PairMetric::LogitDiff) {
                check_answers(&fed, model)?;
            }
            // Whatever else is wrong with the request, before anything is computed.
            let answers = Answers::stand_ins(&fed);
            let rehearsal = pair_sweep(&fed, &answers, model.architecture(), &settings)?;
            let forwards = rehearsal.request.runs.len();
            Ok(Ready { fed, forwards })
        };
        let pairs = ready(pairs, |pair| &pair.name, feed)?;
        Ok(Self { model, settings, pairs })
    }
}

impl Experiment for Pairs<'_> {
    fn request(&self) -> Value {
        let pairs: Vec<&Pair> = self.pairs.iter().map(|ready| &ready.fed.pair).collect();
        json!({
            "command": "pair",
            "model": { "sha256": self.model.sha256, "dtype": self.model.dtype.name() },
            "settings": self.settings,
            "cases": pairs,
        })
    }

    fn names(&self) -> Vec<&str> {
        self.pairs.iter().map(|ready| ready.fed.pair.name.as_str()).collect()
    }

    fn forwards(&self, case: usize) -> usize {
        self.pairs[case].forwards
    }

    fn warnings(&self) -> Vec<Warning> {
        self.pairs.iter().flat_map(|ready| ready.fed.warnings()).collect()
    }

    fn rehearsal(&self, case: usize) -> Result<Sweep, SweepError> {
        let fed = &self.pairs[case].fed;
        pair_sweep(fed, &Answers::stand_ins(fed), self.architecture(), &self.settings)
    }

    fn architecture(&self) -> &Architecture {
        self.model.architecture()
    }

    fn part(
        &self,
        case: usize,
        execution: &Execution,
        progress: Progress<'_>,
    ) -> Result<Part, SweepError> {
        patch_pair(&self.pairs[case].fed, self.model, &self.settings, execution, progress)
    }
}

/// Refuses a pair whose answer is its distractor.
fn check_answers(fed: &FedPair, model: &Model) -> Result<(), SweepError> {
    match fed.answers(model) {
        // It will be a failed case, not a wrong request.
        Err(SweepError::Engine(EngineError::NotFinite { .. })) => Ok(()),
        answers => answers?.check_differ(),
    }
}
