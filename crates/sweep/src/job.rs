//! A trace of many cases into a results folder.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};
use tracewright_corruption::Noise;
use tracewright_engine::{Cost, EngineError, Progress};
use tracewright_models::Model;
use tracewright_results::{CaseRecord, Part, ResultsFolder, RunFile};

use crate::case::{Case, Fed};
use crate::error::SweepError;
use crate::settings::Settings;
use crate::trace::{draw, trace};

/// A case's runs are all in memory, at about 2 kB each.
const MOST_FORWARDS: usize = 200_000;

/// A request to trace cases, checked and ready to run.
///
/// The cases are checked all before any is run, so that a mistake in the last one costs nothing.
#[derive(Debug)]
pub struct Job<'a> {
    model: &'a Model,
    settings: Settings,
    noise: Noise,
    cases: Vec<Fed>,
}

/// Told what a job does.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A case begins or was finished by an earlier start.
    Case {
        /// Its name.
        name: &'a str,
        /// Its index.
        index: usize,
        /// True where its part is there already.
        finished: bool,
    },
    /// Work was done.
    Forwards {
        /// Forward passes over all cases (see [`Job::forwards`]), those of finished ones included.
        done: usize,
    },
}

/// What became of a job.
#[derive(Clone, Debug)]
pub struct Done {
    /// Parts of an earlier start that were damaged and made again.
    pub damaged: Vec<PathBuf>,
    /// Cases that an earlier start had finished.
    pub resumed: usize,
    /// The environment on record: that of the start which computed the first case.
    pub environment: Value,
    /// The files that were written.
    pub files: Vec<PathBuf>,
}

impl<'a> Job<'a> {
    /// Checks settings and cases against the model.
    ///
    /// # Errors
    ///
    /// Settings with nothing to trace or too much, noise that can't be drawn, two cases of one
    /// name, and what [`Case::feed`] gives.
    pub fn new(
        model: &'a Model,
        settings: Settings,
        noise: Noise,
        cases: Vec<Case>,
    ) -> Result<Self, SweepError> {
        settings.check()?;
        let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SweepError::SameName { name: pair[0].to_owned() });
        }
        // The only case needs no name to be found.
        let several = cases.len() > 1;
        let in_case = |name: &str, error: SweepError| {
            if several { error.in_case(name) } else { error }
        };
        let feed = |case: Case| {
            let name = case.name.clone();
            case.feed(&model.tokenizer).map_err(|error| in_case(&name, error))
        };
        let cases = cases.into_iter().map(feed).collect::<Result<_, _>>()?;
        let job = Self { model, settings, noise, cases };
        for fed in &job.cases {
            job.check_size(fed).map_err(|error| in_case(&fed.case.name, error))?;
        }
        // The longest subject's noise begins with that of all others.
        if let Some(fed) = job.cases.iter().max_by_key(|fed| fed.subject.len()) {
            let drawn = draw(fed, model, &job.settings, &job.noise);
            drawn.map_err(|error| in_case(&fed.case.name, error))?;
        }
        Ok(job)
    }

    /// Full forward passes that all cases take.
    pub fn forwards(&self) -> usize {
        self.cases.iter().map(|fed| self.forwards_of(fed)).sum()
    }

    fn forwards_of(&self, fed: &Fed) -> usize {
        self.settings.forwards(fed.tokens.len(), self.model.architecture().n_layers)
    }

    /// Refuses a case whose runs wouldn't fit in memory.
    fn check_size(&self, fed: &Fed) -> Result<(), SweepError> {
        let forwards = self.forwards_of(fed);
        let (samples, most) = (self.settings.samples, MOST_FORWARDS);
        match forwards <= most {
            true => Ok(()),
            false => Err(SweepError::TooManyForwards { forwards, samples, most }),
        }
    }

    /// What is asked for, as it stands in `run.json`; two folders with the same one hold the same
    /// numbers.
    pub fn request(&self) -> Value {
        let cases: Vec<&Case> = self.cases.iter().map(|fed| &fed.case).collect();
        json!({
            "command": "trace",
            "model": { "sha256": self.model.sha256 },
            "settings": self.settings,
            "cases": cases,
        })
    }

    /// Runs every case that the folder hasn't got yet and makes the folder's tables from the
    /// parts. A case that fails is recorded with its reason, and the others go on.
    ///
    /// # Errors
    ///
    /// A folder that can't be used (see [`ResultsFolder::open`]) or written, and
    /// [`EngineError::Stopped`].
    pub fn run(
        &self,
        folder: &Path,
        environment: &Value,
        events: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Done, SweepError> {
        let started = Instant::now();
        let mut folder =
            ResultsFolder::open(folder, &self.request(), environment, self.cases.len())?;
        let resumed = folder.finished().len();
        let earlier = RunFile::read(folder.path())?.and_then(|run| run.cost);
        let mut before = 0;
        for (index, fed) in self.cases.iter().enumerate() {
            let finished = folder.finished().contains(&index);
            let _ = events(Event::Case { name: &fed.case.name, index, finished });
            if !finished {
                let progress = &mut |done, _| events(Event::Forwards { done: before + done });
                folder.commit(index, &self.part(fed, progress)?)?;
            }
            before += self.forwards_of(fed);
            let _ = events(Event::Forwards { done: before });
        }
        let cost = match earlier {
            // Nothing was computed, so nothing changes.
            Some(earlier) if resumed == self.cases.len() => earlier,
            _ => {
                let Cost { forwards, rows, flops } = total(&folder.cases()?);
                let seconds = started.elapsed().as_secs_f64();
                json!({ "forwards": forwards, "rows": rows, "flops": flops, "seconds": seconds })
            }
        };
        let written = folder.finish(&cost)?;
        Ok(Done {
            damaged: folder.damaged().to_vec(),
            resumed,
            environment: folder.environment().clone(),
            files: written.files,
        })
    }

    /// One case's part; a case whose numbers overflow is a failed case, not a failed job.
    fn part(&self, fed: &Fed, progress: Progress<'_>) -> Result<Part, SweepError> {
        match trace(fed, self.model, &self.settings, &self.noise, progress) {
            Err(SweepError::Engine(error @ EngineError::NotFinite { .. })) => {
                let case = CaseRecord::failed(fed.case.name.clone(), error.to_string());
                Ok(Part { cases: vec![case], rows: Vec::new() })
            }
            outcome => outcome,
        }
    }
}

/// What all cases took together, whichever start computed them.
fn total(cases: &[CaseRecord]) -> Cost {
    let mut total = Cost::default();
    for cost in cases.iter().filter_map(|case| Cost::deserialize(&case.cost).ok()) {
        total += cost;
    }
    total
}
