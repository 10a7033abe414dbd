//! An experiment of many cases into a results folder.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tracewright_corruption::Noise;
use tracewright_engine::{Cost, Execution, Executor};
use tracewright_models::Model;
use tracewright_results::{CaseRecord, Mirror, ResultsFolder, RunFile, SHARD};

use crate::case::Case;
use crate::error::SweepError;
use crate::experiment::Experiment;
use crate::pair::{Pair, PairSettings, Pairs};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::skip::{BadRecords, Skipped};
use crate::standing::{Count, Standing};
use crate::traces::Traces;
use crate::units::units;
use crate::warning::Warning;
use crate::work::Work;
use crate::workers::{Told, Workers};

/// A request to run an experiment's cases, checked and ready.
///
/// The cases are checked all before any is run, so that a mistake in the last one costs nothing.
#[derive(Debug)]
pub struct Job<'a> {
    pub(crate) experiment: Box<dyn Experiment + 'a>,
    pub(crate) shard: Shard,
}

/// What a job runs on.
#[derive(Clone, Copy, Debug)]
pub struct Resources<'a> {
    /// The model, once on each device; units of work are spread over them.
    pub models: &'a [&'a Model],
    /// By which executor, in how much memory on each device.
    pub execution: &'a Execution,
    /// What numbers depend on beside the request, for the record.
    pub environment: &'a Value,
    /// How long it took to load the model, for the record.
    pub loaded: Duration,
    /// The object store that is kept equal to the folder.
    pub mirror: Option<&'a Mirror>,
}

/// What became of a job.
#[derive(Clone, Debug)]
pub struct Done {
    /// Parts of an earlier start that were damaged and made again.
    pub damaged: Vec<PathBuf>,
    /// Cases that an earlier start had finished.
    pub resumed: usize,
    /// Cases that are done now.
    pub cases: usize,
    /// Cases that aren't: somebody asked to stop, or a device failed.
    pub left: usize,
    /// The environment on record: that of the start which computed the first case.
    pub environment: Value,
    /// The files that were written.
    pub files: Vec<PathBuf>,
    /// Why the object store hasn't got all parts; what it lacks is brought at the end.
    pub not_stored: Option<String>,
}

/// What became of the units of a queue.
#[derive(Default)]
struct Computed {
    /// The units that became parts.
    committed: Vec<usize>,
    not_stored: Option<String>,
    /// What is wrong with more than one unit.
    stopped_by: Option<SweepError>,
}

impl<'a> Job<'a> {
    /// Causal traces: checks settings and cases against the model; of those that don't fit it says what becomes.
    ///
    /// # Errors
    ///
    /// Settings with nothing to trace or too much, noise that can't be drawn, two cases of one
    /// name, and what [`Case::feed`] gives.
    pub fn traces(
        model: &'a Model,
        settings: Settings,
        noise: Noise,
        cases: (Vec<Case>, BadRecords),
    ) -> Result<Self, SweepError> {
        let experiment = Box::new(Traces::new(model, settings, noise, cases)?);
        Ok(Self { experiment, shard: Shard::WHOLE })
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
        pairs: (Vec<Pair>, BadRecords),
    ) -> Result<Self, SweepError> {
        let experiment = Box::new(Pairs::of(model, settings, pairs)?);
        Ok(Self { experiment, shard: Shard::WHOLE })
    }

    /// A share of this job, into a folder of its own; [`merge`](tracewright_results::merge) joins the folders.
    pub fn shard(self, shard: Shard) -> Self {
        Self { shard, ..self }
    }

    /// What is asked for, as it stands in `run.json`; two folders with the same one hold the same
    /// numbers.
    pub fn request(&self) -> Value {
        let mut request = self.experiment.request();
        if self.shard != Shard::WHOLE {
            request[SHARD] = self.shard.to_string().into();
        }
        request
    }

    /// Cases that don't fit the model and were skipped.
    pub fn skipped(&self) -> &[Skipped] {
        self.experiment.skipped()
    }

    /// What is odd about the request and can be done all the same.
    pub fn warnings(&self) -> Vec<Warning> {
        self.experiment.warnings()
    }

    /// Runs every case that the folder hasn't got yet, the costliest first, and makes the folder's tables from the
    /// parts. `hear` is told how far it is now and then, and says whether to go on: if not, what is under way is
    /// finished and nothing else begun.
    ///
    /// A case that fails is recorded with its reason, and the others go on.
    ///
    /// # Errors
    ///
    /// A budget that is too small, and a folder that can't be used (see [`ResultsFolder::open`]) or
    /// written.
    pub fn run(
        &self,
        folder: &Path,
        resources: Resources<'_>,
        hear: &mut dyn FnMut(Standing<'_>) -> ControlFlow<()>,
    ) -> Result<Done, SweepError> {
        let started = Instant::now();
        let names = self.experiment.names();
        let units = self.units(folder, resources.execution)?;
        let environment = resources.environment;
        let work = Work::of(&*self.experiment, units)?;
        let mine = self.shard.share(&work.order());
        if mine.is_empty() {
            let units = work.units.len();
            return Err(SweepError::EmptyShard { shard: self.shard, units });
        }
        let mut folder =
            ResultsFolder::open(folder, &self.request(), environment, work.units.len())?;
        folder.check_cases(|pass| {
            let unit = work.units.get(pass).cloned().unwrap_or_default();
            names[unit].iter().map(|name| (*name).to_owned()).collect()
        })?;
        let finished = self.finished(&folder, &work.units)?;
        let cases = |units: &[usize]| -> usize { units.iter().map(|&u| work.units[u].len()).sum() };
        let (before, queue): (Vec<usize>, Vec<usize>) =
            mine.iter().partition(|unit| finished.contains(unit));
        let earlier = RunFile::read(folder.path())?.and_then(|run| run.cost);
        if let Some(mirror) = resources.mirror {
            mirror.begin(folder.path())?;
        }
        let Computed { committed, not_stored, stopped_by } =
            self.compute((&work, &before, &queue), &mut folder, resources, hear)?;
        if let Some(error) = stopped_by {
            return Err(error);
        }
        let cost = match earlier {
            // Nothing was computed, so nothing changes.
            Some(earlier) if committed.is_empty() => earlier,
            earlier => cost(&folder, earlier, started.elapsed(), resources.loaded)?,
        };
        let written = folder.finish(&cost)?;
        let done = cases(&before) + cases(&committed);
        Ok(Done {
            damaged: folder.damaged().to_vec(),
            resumed: cases(&before),
            cases: done,
            left: cases(&mine) - done,
            environment: folder.environment().clone(),
            files: written.files,
            not_stored,
        })
    }

    /// Does the units of a queue and makes each durable.
    fn compute(
        &self,
        (work, before, queue): (&Work, &[usize], &[usize]),
        folder: &mut ResultsFolder,
        Resources { models, execution, mirror, .. }: Resources<'_>,
        hear: &mut dyn FnMut(Standing<'_>) -> ControlFlow<()>,
    ) -> Result<Computed, SweepError> {
        let names = self.experiment.names();
        let all = || before.iter().chain(queue).copied();
        let of_cases = all().map(|unit| work.units[unit].len()).sum();
        let mut planned = vec![0; work.units.len()];
        all().for_each(|unit| planned[unit] = work.flops[unit]);
        let mut count = Count::new(planned);
        for unit in before {
            count.earlier(*unit, work.units[*unit].len());
        }
        let Computed { mut committed, mut not_stored, mut stopped_by } = Computed::default();
        // Somebody who doesn't want anything to begin is asked before it does.
        let first = all().next().map_or("", |unit| names[work.units[unit].start]);
        if hear(count.standing(first, of_cases)).is_break() {
            return Ok(Computed::default());
        }
        let workers = Workers::new(&*self.experiment, &names, &work.units, queue);
        workers.work((models, execution), |told| {
            let unit = match told {
                Told::Progress { unit, done, of } => {
                    count.progress(unit, done, of);
                    unit
                }
                Told::Ended { unit, outcome: Ok(part) } => {
                    folder.commit(unit, &part)?;
                    // The part is safe in the folder: a store that can't be reached stops nothing.
                    if let (Some(mirror), None) = (mirror, &not_stored) {
                        let stored = mirror.commit(folder.path(), unit, &part);
                        not_stored = stored.err().map(|error| error.to_string());
                    }
                    committed.push(unit);
                    count.end(unit, work.units[unit].len());
                    unit
                }
                Told::Ended { outcome: Err(error), .. } => {
                    stopped_by.get_or_insert(error);
                    return Ok(ControlFlow::Break(()));
                }
            };
            Ok(hear(count.standing(names[work.units[unit].start], of_cases)))
        })?;
        Ok(Computed { committed, not_stored, stopped_by })
    }

    /// The units whose parts are there, with nothing to be done again, and their readings, which parts haven't
    /// got.
    fn finished(
        &self,
        folder: &ResultsFolder,
        units: &[Range<usize>],
    ) -> Result<BTreeSet<usize>, SweepError> {
        let sound = |case: &CaseRecord| {
            let read = || case.failure.is_some() || folder.has_readings(case);
            !case.again && (!self.experiment.reads() || read())
        };
        let cases = folder.cases()?;
        let wanting: BTreeSet<&str> =
            cases.iter().filter(|case| !sound(case)).map(|case| case.name.as_str()).collect();
        let names = self.experiment.names();
        let is_done =
            |unit: &&usize| !names[units[**unit].clone()].iter().any(|name| wanting.contains(name));
        Ok(folder.finished().iter().filter(is_done).copied().collect())
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
}

/// What all cases took, and how long the starts did that came to an end.
fn cost(
    folder: &ResultsFolder,
    earlier: Option<Value>,
    elapsed: Duration,
    loaded: Duration,
) -> Result<Value, SweepError> {
    let before = earlier.and_then(|cost| cost["seconds"].as_f64()).unwrap_or(0.0);
    let Cost { forwards, rows, flops } = total(&folder.cases()?);
    Ok(json!({
        "forwards": forwards,
        "rows": rows,
        "flops": flops,
        "seconds": before + elapsed.as_secs_f64(),
        "load_seconds": loaded.as_secs_f64(),
        "peak_bytes": peak_bytes(),
    }))
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
