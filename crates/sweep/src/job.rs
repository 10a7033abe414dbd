//! An experiment of many cases into a results folder.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tracewright_corruption::Noise;
use tracewright_engine::{Cost, EngineError, Execution, Executor, Progress};
use tracewright_models::Model;
use tracewright_results::{CaseRecord, Part, ResultsFolder, RunFile};

use crate::case::Case;
use crate::error::SweepError;
use crate::experiment::Experiment;
use crate::pair::{Pair, PairSettings, Pairs};
use crate::settings::Settings;
use crate::traces::Traces;
use crate::units::units;
use crate::warning::Warning;

/// A request to run an experiment's cases, checked and ready.
///
/// The cases are checked all before any is run, so that a mistake in the last one costs nothing.
#[derive(Debug)]
pub struct Job<'a> {
    experiment: Box<dyn Experiment + 'a>,
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
    /// Causal traces: checks settings and cases against the model.
    ///
    /// # Errors
    ///
    /// Settings with nothing to trace or too much, noise that can't be drawn, two cases of one
    /// name, and what [`Case::feed`] gives.
    pub fn traces(
        model: &'a Model,
        settings: Settings,
        noise: Noise,
        cases: Vec<Case>,
    ) -> Result<Self, SweepError> {
        let experiment = Box::new(Traces::new(model, settings, noise, cases)?);
        Ok(Self { experiment })
    }

    /// Patches between the prompts of pairs: checks settings and pairs against the model.
    ///
    /// # Errors
    ///
    /// Settings with nothing to patch or too much, positions that a prompt hasn't got, a logit
    /// difference of a token to itself, two pairs of one name, and what [`Pairs::new`] gives.
    pub fn pairs(
        model: &'a Model,
        settings: PairSettings,
        pairs: Vec<Pair>,
    ) -> Result<Self, SweepError> {
        let experiment = Box::new(Pairs::new(model, settings, pairs)?);
        Ok(Self { experiment })
    }

    /// Full forward passes that all cases take.
    pub fn forwards(&self) -> usize {
        (0..self.experiment.names().len()).map(|case| self.experiment.forwards(case)).sum()
    }

    /// What is asked for, as it stands in `run.json`; two folders with the same one hold the same
    /// numbers.
    pub fn request(&self) -> Value {
        self.experiment.request()
    }

    /// What is odd about the request and can be done all the same.
    pub fn warnings(&self) -> Vec<Warning> {
        self.experiment.warnings()
    }

    /// Runs every case that the folder hasn't got yet and makes the folder's tables from the
    /// parts; `loaded` is how long it took to load the model, for the record. A case that fails is recorded with its reason, and the others go on.
    ///
    /// # Errors
    ///
    /// A budget that is too small, a folder that can't be used (see [`ResultsFolder::open`]) or
    /// written, and [`EngineError::Stopped`].
    pub fn run(
        &self,
        folder: &Path,
        environment: &Value,
        (execution, loaded): (&Execution, Duration),
        events: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Done, SweepError> {
        let started = Instant::now();
        let names = self.experiment.names();
        let units = self.units(folder, execution)?;
        let mut folder = ResultsFolder::open(folder, &self.request(), environment, units.len())?;
        folder.check_cases(|pass| {
            let unit = units.get(pass).cloned().unwrap_or_default();
            names[unit].iter().map(|name| (*name).to_owned()).collect()
        })?;
        // A part hasn't got its readings: without their files its cases are computed again.
        let failed = |case: &CaseRecord| case.failure.is_some().then(|| case.name.clone());
        let failed: BTreeSet<String> = match self.experiment.reads() {
            true => folder.cases()?.iter().filter_map(failed).collect(),
            false => BTreeSet::new(),
        };
        let earlier = RunFile::read(folder.path())?.and_then(|run| run.cost);
        let (mut before, mut resumed) = (0, 0);
        for (index, unit) in units.iter().enumerate() {
            let cases = &names[unit.clone()];
            let read =
                || cases.iter().all(|name| failed.contains(*name) || folder.has_readings(name));
            let finished =
                folder.finished().contains(&index) && (!self.experiment.reads() || read());
            resumed += if finished { cases.len() } else { 0 };
            for (name, index) in cases.iter().zip(unit.clone()) {
                let _ = events(Event::Case { name, index, finished });
            }
            let forwards = unit.clone().map(|case| self.experiment.forwards(case)).sum::<usize>();
            if !finished {
                let progress = &mut |done: usize, of: usize| {
                    events(Event::Forwards { done: before + forwards * done / of.max(1) })
                };
                folder.commit(index, &self.part(unit.clone(), cases, execution, progress)?)?;
            }
            before += forwards;
            let _ = events(Event::Forwards { done: before });
        }
        let cost = match earlier {
            // Nothing was computed, so nothing changes.
            Some(earlier) if resumed == names.len() => earlier,
            _ => {
                let Cost { forwards, rows, flops } = total(&folder.cases()?);
                let seconds = started.elapsed().as_secs_f64();
                json!({
                    "forwards": forwards,
                    "rows": rows,
                    "flops": flops,
                    "seconds": seconds,
                    "load_seconds": loaded.as_secs_f64(),
                    "peak_bytes": peak_bytes(),
                })
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

    /// The cases that share passes, as the folder's first start divides them, whatever budget and executor
    /// there are now. The reference executor shares nothing.
    fn units(&self, folder: &Path, execution: &Execution) -> Result<Vec<Range<usize>>, SweepError> {
        let begun = ResultsFolder::begun(folder);
        let recorded = |name: &str| begun.as_ref().map(|environment| environment[name].clone());
        let memory = recorded("memory").and_then(|memory| memory.as_u64());
        let memory = memory.unwrap_or(execution.memory);
        let executor = recorded("executor").and_then(|executor| executor.as_str()?.parse().ok());
        let cases = 0..self.experiment.names().len();
        let streamed = recorded("streamed").and_then(|streamed| streamed.as_bool());
        let streamed = streamed.unwrap_or(self.experiment.is_streamed());
        let shares = executor.unwrap_or(execution.executor) == Executor::Lockstep;
        // One case that has begun has nothing to share, and fits.
        if !shares || (cases.len() == 1 && begun.is_some()) {
            return Ok(cases.map(|case| case..case + 1).collect());
        }
        let forwards: Vec<usize> = cases.map(|case| self.experiment.forwards(case)).collect();
        let rehearsal = |case| self.experiment.rehearsal(case);
        units(&forwards, rehearsal, self.experiment.architecture(), (memory, streamed))
    }

    /// The part of some cases. One whose numbers overflow is a failed case, not a failed job: which one it is
    /// shows where halves of them are run, and halves of these.
    fn part(
        &self,
        unit: Range<usize>,
        names: &[&str],
        execution: &Execution,
        progress: Progress<'_>,
    ) -> Result<Part, SweepError> {
        match (self.experiment.part(unit.clone(), execution, progress), names) {
            (Err(SweepError::Engine(error @ EngineError::NotFinite { .. })), [name]) => {
                let case = CaseRecord::failed(*name, error.to_string());
                Ok(Part { cases: vec![case], ..Part::default() })
            }
            (Err(SweepError::Engine(EngineError::NotFinite { .. })), names) => {
                let (first, second) = names.split_at(names.len() / 2);
                let middle = unit.start + first.len();
                let mut part = self.part(unit.start..middle, first, execution, progress)?;
                let others = self.part(middle..unit.end, second, execution, progress)?;
                part.cases.extend(others.cases);
                part.rows.extend(others.rows);
                part.readings.extend(others.readings);
                Ok(part)
            }
            (outcome, _) => outcome,
        }
    }
}

/// The most memory that the process has had, where the system tells.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// What all cases took together, whichever start computed them.
fn total(cases: &[CaseRecord]) -> Cost {
    let mut total = Cost::default();
    for cost in cases.iter().filter_map(|case| Cost::deserialize(&case.cost).ok()) {
        total += cost;
    }
    total
}
