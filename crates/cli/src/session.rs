//! The flags that every command shares: which model, where it runs, how many threads.

use std::path::Path;

use bytesize::ByteSize;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};
use tracewright_engine::{Execution, Executor};
use tracewright_models::{Bos, Checkpoint, DeviceName, Dtype, Model};
use tracewright_results::RunFile;
use tracewright_sweep::{Shard, SweepError};

use crate::console::Console;
use crate::error::Failure;
use crate::place::place;

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Session {
    /// A checkpoint's folder, or a model's name on the Hugging Face hub, which is downloaded unless it is
    /// in the local cache; NAME@REVISION asks the hub for a branch, tag or commit [default: the
    /// built-in model]
    #[arg(long, global = true, help_heading = "Common options", value_name = "PATH|ID")]
    model: Option<String>,
    /// Whether prompts begin with the model's BOS token: own (the tokenizer's rule), on or off
    #[arg(
        long,
        global = true,
        help_heading = "Common options",
        value_name = "own|on|off",
        default_value = "own"
    )]
    bos: String,
    /// Write each prompt as a message in the checkpoint's own chat format
    #[arg(long, global = true, help_heading = "Common options")]
    chat: bool,
    /// Where to compute: cpu, ndarray, cuda[:i], vulkan[:i], wgpu[:i]; cases are spread over several, such
    /// as cuda:0,cuda:1
    #[arg(
        long,
        global = true,
        help_heading = "Common options",
        value_delimiter = ',',
        default_value = "cpu"
    )]
    device: Vec<String>,
    /// What weights are kept and multiplied in: f32 is exact, bf16 and f16 are for GPUs
    #[arg(
        long,
        global = true,
        help_heading = "Common options",
        value_name = "f32|bf16|f16",
        default_value = "f32"
    )]
    dtype: String,
    /// Threads to use [default: one for each core]
    #[arg(long, global = true, help_heading = "Common options", value_name = "N")]
    threads: Option<usize>,
    /// Memory that a pass may take, weights apart, as 768MiB or 2GiB [default: a thirty-second of
    /// this machine's]
    #[arg(long, global = true, help_heading = "Common options", value_name = "SIZE")]
    memory: Option<String>,
    /// Leave the weights in their files and read each layer when a pass needs it [default: where they and
    /// a pass don't fit in the machine's memory]
    #[arg(long, global = true, help_heading = "Common options")]
    stream: bool,
    /// How to compute: all runs in one walk through the layers, or one forward pass for each
    #[arg(
        long,
        global = true,
        help_heading = "Common options",
        value_name = "lockstep|reference",
        default_value = "lockstep"
    )]
    executor: String,
}

impl Session {
    /// Sets up what holds for the whole process.
    pub(crate) fn start(&self) -> Result<(), Failure> {
        let threads = self.threads.unwrap_or(0);
        if self.threads == Some(0) || threads > MOST_THREADS {
            let problem = format!("--threads is {threads}: give a number from 1 to {MOST_THREADS}");
            return Err(Failure::Usage(problem));
        }
        self.device()?;
        self.dtype()?;
        self.bos()?;
        self.execution()?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| Failure::Usage(format!("can't start {threads} threads: {error}")))
    }

    /// The devices; on the first of them everything runs that isn't spread over cases.
    fn devices(&self) -> Result<Vec<DeviceName>, Failure> {
        Ok(self.device.iter().map(|device| device.parse()).collect::<Result<_, _>>()?)
    }

    pub(crate) fn device(&self) -> Result<DeviceName, Failure> {
        let none = || Failure::Usage("give --device at least one device, such as cpu".to_owned());
        self.devices()?.first().copied().ok_or_else(none)
    }

    fn bos(&self) -> Result<Bos, Failure> {
        Ok(self.bos.parse()?)
    }

    fn dtype(&self) -> Result<Dtype, Failure> {
        Ok(self.dtype.parse()?)
    }

    /// Which executor, in how much memory. The default is a part of the machine's memory, never of
    /// what happens to be free, so that the same command makes the same passes.
    pub(crate) fn execution(&self) -> Result<Execution, Failure> {
        let executor: Executor = self.executor.parse().map_err(SweepError::from)?;
        let memory = match &self.memory {
            None => total_memory() / 32,
            Some(given) => bytes(given).ok_or_else(|| {
                Failure::Usage(format!("--memory is '{given}': give a size such as 768MiB or 2GiB"))
            })?,
        };
        Ok(Execution { executor, memory, ..Execution::default() })
    }

    /// The same for a folder: a sweep that goes on keeps the budget that it began with, and so its
    /// passes, unless another one is given.
    pub(crate) fn execution_in(&self, folder: &Path) -> Result<Execution, Failure> {
        let execution = self.execution()?;
        // A folder that can't be read is refused when it is opened.
        let begun = RunFile::read(folder).ok().flatten().filter(|_| self.memory.is_none());
        let memory = begun.and_then(|run| run.environment["memory"].as_u64());
        Ok(Execution { memory: memory.unwrap_or(execution.memory), ..execution })
    }

    /// The flags of a run on record, where none of these say otherwise.
    pub(crate) fn recorded(&self, run: &RunFile) -> Self {
        let (model, environment) = (&run.request["model"], &run.environment);
        let word = |given: &str, default: &str, recorded: &Value| match recorded.as_str() {
            Some(recorded) if given == default => recorded.to_owned(),
            _ => given.to_owned(),
        };
        let memory = environment["memory"].as_u64().map(|bytes| format!("{bytes}B"));
        Self {
            model: self.model.clone(),
            device: self.device.clone(),
            threads: self.threads,
            bos: word(&self.bos, "own", &model["bos"]),
            chat: self.chat || model["chat"] == true,
            dtype: word(&self.dtype, "f32", &model["dtype"]),
            memory: self.memory.clone().or(memory),
            stream: self.stream || environment["streamed"] == true,
            executor: word(&self.executor, "lockstep", &environment["executor"]),
        }
    }

    /// Refuses to print a sweep file that wouldn't ask for the same: how prompts are fed stands beside a file.
    pub(crate) fn can_print(&self) -> Result<(), Failure> {
        if self.chat || self.bos()? != Bos::Own {
            let problem = "--chat and --bos aren't part of a sweep file: leave them out with --print, and give \
                           them to `tracewright sweep`";
            return Err(Failure::Usage(problem.to_owned()));
        }
        Ok(())
    }

    /// Refuses a shard in a budget that another machine wouldn't have.
    pub(crate) fn check_shard(&self, shard: Shard) -> Result<(), Failure> {
        match shard != Shard::WHOLE && self.memory.is_none() {
            true => Err(Failure::Usage(
                "give --memory beside --shard, the same to all shards: it decides which cases share a pass, and its \
                 default depends on the machine"
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// The model that the flags name.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The config and tokenizer of the flags' model, or of the one that a file names; its warnings are shown.
    /// `weights` says whether these are wanted, too, where the model has to be downloaded.
    pub(crate) fn checkpoint(
        &self,
        named: Option<&str>,
        weights: bool,
        console: &Console,
    ) -> Result<Checkpoint, Failure> {
        let checkpoint = match self.model().or(named) {
            None => Checkpoint::built_in()?,
            Some(given) => Checkpoint::open(&place(given, weights, console)?)?.named(given),
        };
        self.feeding(checkpoint, console)
    }

    /// A checkpoint that is fed as the flags say; its warnings are shown.
    pub(crate) fn feeding(
        &self,
        checkpoint: Checkpoint,
        console: &Console,
    ) -> Result<Checkpoint, Failure> {
        checkpoint.warnings().iter().for_each(|warning| console.warn(warning));
        let checkpoint = checkpoint.with_bos(self.bos()?)?;
        Ok(if self.chat { checkpoint.with_chat()? } else { checkpoint })
    }

    /// The weights: on the device where they fit, otherwise left in their files.
    pub(crate) fn load(&self, checkpoint: Checkpoint, console: &Console) -> Result<Model, Failure> {
        let checkpoint = self.placed(checkpoint)?;
        if checkpoint.is_streamed() && !self.stream {
            let fit = Fit::of(&checkpoint, self.execution()?.memory, total_memory());
            let held = ByteSize(checkpoint.footprint().held).display().iec();
            let name = checkpoint.name();
            let more = match fit {
                Fit::No => {
                    ", two layers at a time, which doesn't fit beside a pass either: it may fail"
                }
                _ => "",
            };
            console.warn(&format!(
                "{name}: the weights take {held} and don't fit in this machine's memory: they are streamed{more}"
            ));
        }
        Ok(checkpoint.load(self.device()?)?)
    }

    /// The weights on each device.
    pub(crate) fn load_all(
        &self,
        checkpoint: Checkpoint,
        console: &Console,
    ) -> Result<Models, Failure> {
        let others = self.devices()?.split_off(1);
        let others =
            others.into_iter().map(|device| Ok(self.placed(checkpoint.clone())?.load(device)?));
        let others = others.collect::<Result<Vec<Model>, Failure>>()?;
        let pass = self.execution()?.memory;
        let two_passes = Fit::of(&checkpoint, pass.saturating_mul(2), total_memory()) == Fit::Held;
        let first = self.load(checkpoint, console)?;
        let on_cpu = others.is_empty() && self.device()? == DeviceName::Cpu;
        let held = !first.decoder.is_streamed();
        let twice = on_cpu && held && two_passes && rayon::current_num_threads() > 1;
        Ok(Models { first, others, twice })
    }

    /// A checkpoint with its weights' type and place: streamed where that is asked for, or where they don't fit
    /// in the host's memory.
    pub(crate) fn placed(&self, checkpoint: Checkpoint) -> Result<Checkpoint, Failure> {
        let checkpoint = checkpoint.with_dtype(self.dtype()?);
        let on_host = self.device()? == DeviceName::Cpu;
        let pass = self.execution()?.memory;
        let fits = !on_host || Fit::of(&checkpoint, pass, total_memory()) == Fit::Held;
        Ok(checkpoint.streamed(self.stream || !fits))
    }

    /// What numbers depend on beside the request, as `run.json` records it. That a device multiplies
    /// f32 with fewer bits is told as well.
    pub(crate) fn environment(
        &self,
        model: &Model,
        execution: &Execution,
        console: &Console,
    ) -> Result<Value, Failure> {
        let Execution { executor, memory, .. } = execution;
        let product_error = model.decoder.product_error();
        let devices: Vec<String> = self.devices()?.iter().map(DeviceName::to_string).collect();
        // Numbers that overflow say nothing about the device.
        if model.dtype == Dtype::F32 && product_error > EXACT && product_error.is_finite() {
            console.warn(&format!(
                "{} rounds what it multiplies, though it is f32: products are off by up to \
                 {product_error:.0e} of their largest number, which run.json records; --device cpu \
                 is exact",
                devices.join(",")
            ));
        }
        Ok(json!({
            "tracewright": env!("CARGO_PKG_VERSION"),
            "burn": BURN,
            "model": model.name,
            "device": devices.join(","),
            "threads": rayon::current_num_threads(),
            "product_error": product_error,
            "executor": executor,
            "memory": memory,
            "streamed": model.decoder.is_streamed(),
        }))
    }
}

/// A model, once on each device.
#[derive(Debug)]
pub(crate) struct Models {
    /// On the first one.
    pub(crate) first: Model,
    pub(crate) others: Vec<Model>,
    /// Whether two passes at once share the first one.
    twice: bool,
}

impl Models {
    /// One for each pass that may run at a time. On a CPU these are two: what a pass does on one thread (planning,
    /// copying rows) leaves the other cores to the other pass. docs/performance.md has what that is worth.
    pub(crate) fn all(&self) -> Vec<&Model> {
        let again = self.twice.then_some(&self.first);
        std::iter::once(&self.first).chain(again).chain(&self.others).collect()
    }
}

/// Whether a model's weights fit in a machine's memory beside a pass, with an eighth of it left to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// All of them.
    Held,
    /// Two layers at a time.
    Streamed,
    /// Not even that.
    No,
}

impl Fit {
    pub(crate) fn of(checkpoint: &Checkpoint, pass: u64, memory: u64) -> Self {
        let footprint = checkpoint.footprint();
        let fits = |weights: u64| weights.saturating_add(pass) <= memory / 8 * 7;
        match (fits(footprint.held), fits(footprint.streamed)) {
            (true, _) => Self::Held,
            (false, true) => Self::Streamed,
            (false, false) => Self::No,
        }
    }
}

/// The machine's memory in bytes, or what a container may have of it.
pub(crate) fn total_memory() -> u64 {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
    let system = System::new_with_specifics(memory);
    let total = system.total_memory();
    system.cgroup_limits().map_or(total, |limits| total.min(limits.total_memory))
}

/// A size with its unit: `256MiB`, `2 GB`, `1000000`.
fn bytes(given: &str) -> Option<u64> {
    Some(given.parse::<bytesize::ByteSize>().ok()?.as_u64()).filter(|bytes| *bytes > 0)
}

/// What products of f32 may be off by, as a part of the largest number in them.
const EXACT: f64 = 1e-5;

/// More threads would only take the machine's last.
const MOST_THREADS: usize = 1024;

/// The version of Burn that the workspace depends on; a test compares it with Cargo.lock.
pub(crate) const BURN: &str = "0.22.1";
