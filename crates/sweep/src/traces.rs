//! Causal traces of many cases, as a job runs them.

use std::ops::Range;

use serde_json::{Value, json};
use tracewright_corruption::Noise;
use tracewright_engine::{Execution, Progress};
use tracewright_ir::{Architecture, Sweep};
use tracewright_models::{Model, Tokenizer};
use tracewright_results::Part;

use crate::case::{Case, Fed};
use crate::error::SweepError;
use crate::experiment::{Experiment, MOST_FORWARDS, Prepared, identity, ready};
use crate::noise::identity as noise_identity;
use crate::settings::Settings;
use crate::skip::{BadRecords, Skipped};
use crate::trace::{draw, sweep, trace_all};
use crate::warning::Warning;
use crate::work::planned;

/// Cases to trace, checked against the model.
#[derive(Debug)]
pub(crate) struct Traces<'a> {
    model: &'a Model,
    settings: Settings,
    noise: Noise,
    /// Other facts, or another text, give another level under the same rule.
    noise_identity: Value,
    cases: Vec<Fed>,
    skipped: Vec<Skipped>,
}

impl<'a> Traces<'a> {
    pub(crate) fn new(
        model: &'a Model,
        settings: Settings,
        noise: Noise,
        (cases, bad): (Vec<Case>, BadRecords),
    ) -> Result<Self, SweepError> {
        let (cases, skipped) =
            feed(&model.tokenizer, model.architecture(), &settings, (cases, bad))?;
        // The longest subject's noise begins with that of all others.
        if let Some(fed) = cases.iter().max_by_key(|fed| fed.subject.len()) {
            draw(fed, model.architecture(), &settings, &noise)
                .map_err(|error| error.in_one_of(cases.len() > 1, &fed.case.name))?;
        }
        let noise_identity = noise_identity(&noise, model.architecture().d_model)?;
        Ok(Self { model, settings, noise, noise_identity, cases, skipped })
    }
}

impl Experiment for Traces<'_> {
    fn request(&self) -> Value {
        let cases: Vec<&Case> = self.cases.iter().map(|fed| &fed.case).collect();
        json!({
            "command": "trace",
            "model": identity(self.model),
            "settings": self.settings,
            "noise": self.noise_identity,
            "cases": cases,
        })
    }

    fn names(&self) -> Vec<&str> {
        self.cases.iter().map(|fed| fed.case.name.as_str()).collect()
    }

    fn forwards(&self, case: usize) -> usize {
        forwards(&self.settings, &self.cases[case], self.model.architecture())
    }

    fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    fn warnings(&self) -> Vec<Warning> {
        let of_settings = self.settings.warning(self.architecture().n_layers);
        of_settings.into_iter().chain(self.cases.iter().flat_map(Fed::warnings)).collect()
    }

    fn rehearsal(&self, case: usize) -> Result<Sweep, SweepError> {
        sweep(&self.cases[case], 0, self.architecture(), &self.settings, &self.noise)
    }

    fn architecture(&self) -> &Architecture {
        self.model.architecture()
    }

    fn is_streamed(&self) -> bool {
        self.model.decoder.is_streamed()
    }

    fn shape(&self, case: usize) -> [usize; 4] {
        let Fed { tokens, subject, .. } = &self.cases[case];
        [tokens.len(), subject.start, subject.end, 0]
    }

    /// A sample takes as much as another, so that one is planned for all.
    fn flops(&self, case: usize) -> Result<u64, SweepError> {
        let one = Settings { samples: 1, ..self.settings.clone() };
        let sweep = sweep(&self.cases[case], 0, self.architecture(), &one, &self.noise)?;
        Ok(planned(&sweep, self.architecture())? * self.settings.samples as u64)
    }

    fn part(
        &self,
        model: &Model,
        cases: Range<usize>,
        execution: &Execution,
        progress: Progress<'_>,
    ) -> Result<Part, SweepError> {
        let how = (&self.settings, &self.noise);
        trace_all(&self.cases[cases], model, how, execution, progress)
    }
}

/// Finds the tokens of all cases; no case may have more runs than fit in memory.
pub(crate) fn feed(
    tokenizer: &Tokenizer,
    architecture: &Architecture,
    settings: &Settings,
    (cases, bad): (Vec<Case>, BadRecords),
) -> Result<Prepared<Fed>, SweepError> {
    settings.check()?;
    let feed = |case: Case| {
        let fed = case.feed(tokenizer)?;
        check_size(settings, forwards(settings, &fed, architecture))?;
        Ok(fed)
    };
    ready(cases, |case| (case.name.clone(), case.place), bad, feed)
}

/// Full forward passes that a case takes.
pub(crate) fn forwards(settings: &Settings, fed: &Fed, architecture: &Architecture) -> usize {
    settings.forwards(fed.tokens.len(), architecture.n_layers)
}

/// Refuses a case whose runs wouldn't fit in memory.
fn check_size(settings: &Settings, forwards: usize) -> Result<(), SweepError> {
    let (samples, most) = (settings.samples, MOST_FORWARDS);
    match forwards <= most {
        true => Ok(()),
        false => Err(SweepError::TooManyForwards { forwards, samples, most }),
    }
}
