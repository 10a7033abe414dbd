//! Pairs of prompts, as a job runs them.

use std::ops::Range;

use serde_json::{Value, json};
use tracewright_engine::{EngineError, Execution, Progress};
use tracewright_ir::{Architecture, Sweep};
use tracewright_models::{Model, Tokenizer};
use tracewright_results::Part;

use super::answers::Answers;
use super::measures::PairMetric;
use super::numbers::Numbers;
use super::prompts::{FedPair, Feeding, Pair};
use super::settings::PairSettings;
use super::sweep::{PairSweep, pair_sweep, patch_pairs};
use crate::error::SweepError;
use crate::experiment::{Experiment, Prepared, identity, ready};
use crate::skip::{BadRecords, Skipped};
use crate::warning::Warning;
use crate::work::planned;

/// Pairs to patch, checked against the model: every pair under every corruption of the settings.
#[derive(Debug)]
pub struct Pairs<'a> {
    model: &'a Model,
    settings: PairSettings,
    numbers: Numbers,
    asked: Vec<Pair>,
    pairs: Vec<Ready>,
    skipped: Vec<Skipped>,
}

/// A pair and how many forward passes it takes.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) fed: FedPair,
    pub(crate) forwards: usize,
}

impl<'a> Pairs<'a> {
    /// Finds the tokens of all pairs, reads and computes what the settings name.
    ///
    /// # Errors
    ///
    /// Settings with nothing to patch or too much, sites and positions that aren't there, prompts that don't
    /// correspond, a logit difference of a token to itself, two pairs of one name, files that can't be read.
    pub fn new(
        model: &'a Model,
        settings: PairSettings,
        pairs: Vec<Pair>,
    ) -> Result<Self, SweepError> {
        Self::of(model, settings, (pairs, BadRecords::Refuse))
    }

    /// The same, with what becomes of pairs that don't fit.
    pub(crate) fn of(
        model: &'a Model,
        settings: PairSettings,
        (pairs, bad): (Vec<Pair>, BadRecords),
    ) -> Result<Self, SweepError> {
        let settings = settings.resolved(model.architecture())?;
        let numbers = Numbers::of(model, &settings)?;
        let (ready, skipped) = ready_pairs(
            &model.tokenizer,
            model.architecture(),
            &settings,
            &numbers,
            (pairs.clone(), bad),
        )?;
        // Of several pairs one whose answers are the same is a failed case, not a wrong request.
        if let [Ready { fed, .. }] = &ready[..] {
            // Where both are given they have been compared.
            let asks = fed.answers.is_empty() || fed.distractors.is_empty();
            if asks && settings.metrics(fed).contains(&PairMetric::LogitDiff) {
                check_answers(fed, model)?;
            }
        }
        Ok(Self { model, settings, numbers, asked: pairs, pairs: ready, skipped })
    }
}

impl Pairs<'_> {
    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// A case as the model's tokenizer sees it.
    ///
    /// # Panics
    ///
    /// Like the next two, for a case that there isn't ([`Pairs::len`]).
    pub fn fed(&self, case: usize) -> &FedPair {
        &self.pairs[case].fed
    }

    /// The runs and cells of a case, as an executor takes them.
    ///
    /// # Errors
    ///
    /// A failing device.
    pub fn sweep(&self, case: usize) -> Result<Sweep, SweepError> {
        let fed = self.fed(case);
        let answers = fed.answers(self.model, &Execution::default())?;
        Ok(pair_sweep(fed, &answers, self.architecture(), &self.settings, &self.numbers)?.sweep)
    }

    /// Patches a case: every cell under every metric.
    ///
    /// # Errors
    ///
    /// What [`tracewright_engine::execute`] gives.
    pub fn patch(
        &self,
        case: usize,
        execution: &Execution,
        progress: Progress<'_>,
    ) -> Result<Part, SweepError> {
        self.part(self.model, case..case + 1, execution, progress)
    }
}

/// Every pair under every corruption, with the rehearsal of its sweep: whatever is wrong with the request comes
/// out before anything is computed.
pub(crate) fn ready_pairs(
    tokenizer: &Tokenizer,
    architecture: &Architecture,
    settings: &PairSettings,
    numbers: &Numbers,
    (pairs, bad): (Vec<Pair>, BadRecords),
) -> Result<Prepared<Ready>, SweepError> {
    let several = settings.corruptions.len() > 1;
    let under = |pair: Pair| {
        let one = move |(index, corruption): (usize, &super::corruption::Corruption)| {
            let mut pair = pair.clone();
            if several {
                pair.name = format!("{}-{}", pair.name, corruption.name());
            }
            (index, pair)
        };
        settings.corruptions.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    let all: Vec<(usize, Pair)> = pairs.into_iter().flat_map(under).collect();
    let feed = |(index, pair): (usize, Pair)| {
        let (corruption, embeddings) = (&settings.corruptions[index], &numbers.embeddings[index]);
        let with = Feeding { tokenizer, architecture, settings, corruption, embeddings };
        let fed = pair.feed(&with)?;
        let rehearsal =
            pair_sweep(&fed, &Answers::stand_ins(&fed), architecture, settings, numbers)?;
        let forwards = rehearsal.forwards();
        Ok(Ready { fed, forwards })
    };
    ready(all, |(_, pair)| (pair.name.clone(), pair.place), bad, feed)
}

impl Ready {
    /// The pair's sweep with any tokens for the answers that only the model knows.
    pub(crate) fn rehearsal(
        &self,
        architecture: &Architecture,
        settings: &PairSettings,
        numbers: &Numbers,
    ) -> Result<Sweep, SweepError> {
        let answers = Answers::stand_ins(&self.fed);
        let PairSweep { sweep, .. } =
            pair_sweep(&self.fed, &answers, architecture, settings, numbers)?;
        Ok(sweep)
    }
}

impl Experiment for Pairs<'_> {
    fn request(&self) -> Value {
        let mut request = json!({
            "command": "pair",
            "model": identity(self.model),
            "settings": self.settings,
            "cases": self.asked,
        });
        if !self.numbers.files.is_empty() {
            request["files"] = json!(self.numbers.files);
        }
        request
    }

    fn names(&self) -> Vec<&str> {
        self.pairs.iter().map(|ready| ready.fed.pair.name.as_str()).collect()
    }

    fn forwards(&self, case: usize) -> usize {
        self.pairs[case].forwards
    }

    fn reads(&self) -> bool {
        !self.settings.read.is_empty()
    }

    fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    fn warnings(&self) -> Vec<Warning> {
        self.pairs.iter().flat_map(|ready| ready.fed.warnings()).collect()
    }

    fn rehearsal(&self, case: usize) -> Result<Sweep, SweepError> {
        self.pairs[case].rehearsal(self.architecture(), &self.settings, &self.numbers)
    }

    fn architecture(&self) -> &Architecture {
        self.model.architecture()
    }

    fn is_streamed(&self) -> bool {
        self.model.decoder.is_streamed()
    }

    /// What follows the first token in which prompts differ is different, so that the tokens after it hardly
    /// matter.
    fn shape(&self, case: usize) -> [usize; 4] {
        let Ready { fed, forwards } = &self.pairs[case];
        [fed.clean.len(), fed.subject.start, fed.subject.end, *forwards]
    }

    fn flops(&self, case: usize) -> Result<u64, SweepError> {
        planned(&self.rehearsal(case)?, self.architecture())
    }

    fn part(
        &self,
        model: &Model,
        cases: Range<usize>,
        execution: &Execution,
        progress: Progress<'_>,
    ) -> Result<Part, SweepError> {
        let fed: Vec<&FedPair> = self.pairs[cases].iter().map(|ready| &ready.fed).collect();
        let how = (&self.settings, &self.numbers);
        patch_pairs(&fed, model, how, execution, progress)
    }
}

/// Refuses a pair whose answer is its distractor.
fn check_answers(fed: &FedPair, model: &Model) -> Result<(), SweepError> {
    match fed.answers(model, &Execution::default()) {
        // It will be a failed case, not a wrong request.
        Err(SweepError::Engine(EngineError::NotFinite { .. })) => Ok(()),
        answers => answers?.check_differ(),
    }
}
