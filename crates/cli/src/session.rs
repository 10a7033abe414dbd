//! The flags that every command shares: which model, where it runs, how many threads.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::{Value, json};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};
use tracewright_engine::{Execution, Executor};
use tracewright_models::{Checkpoint, DeviceName, Dtype, Model, cached};
use tracewright_results::RunFile;
use tracewright_sweep::SweepError;

use crate::console::Console;
use crate::error::Failure;

#[derive(Debug, ClapArgs)]
pub(crate) struct Session {
    /// A checkpoint's folder, or the name of one in the local hub cache [default: the built-in
    /// model]
    #[arg(long, global = true, help_heading = "Common options", value_name = "PATH|ID")]
    model: Option<String>,
    /// Where to compute: cpu, ndarray, cuda[:i], vulkan[:i], wgpu[:i]
    #[arg(long, global = true, help_heading = "Common options", default_value = "cpu")]
    device: String,
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
        self.execution()?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| Failure::Usage(format!("can't start {threads} threads: {error}")))
    }

    pub(crate) fn device(&self) -> Result<DeviceName, Failure> {
        Ok(self.device.parse()?)
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

    /// The model that the flags name.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The config and tokenizer of the flags' model, or of the one that a file names; its warnings are shown.
    pub(crate) fn checkpoint(
        &self,
        named: Option<&str>,
        console: &Console,
    ) -> Result<Checkpoint, Failure> {
        let checkpoint = match self.model().or(named) {
            None => Checkpoint::built_in()?,
            Some(name) => {
                let folder = PathBuf::from(name);
                let in_cache = || cached().into_iter().find(|cached| cached.id == *name);
                match (folder.is_dir(), in_cache()) {
                    (false, Some(cached)) => Checkpoint::open(&cached.folder)?,
                    _ => Checkpoint::open(&folder)?,
                }
            }
        };
        checkpoint.warnings().iter().for_each(|warning| console.warn(warning));
        Ok(checkpoint)
    }

    pub(crate) fn load(&self, checkpoint: Checkpoint) -> Result<Model, Failure> {
        Ok(checkpoint.with_dtype(self.dtype()?).load(self.device()?)?)
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
        if model.dtype == Dtype::F32 && product_error > EXACT {
            console.warn(&format!(
                "{} rounds what it multiplies, though it is f32: products are off by up to \
                 {product_error:.0e} of their largest number, which run.json records; --device cpu \
                 is exact",
                self.device
            ));
        }
        Ok(json!({
            "tracewright": env!("CARGO_PKG_VERSION"),
            "burn": BURN,
            "model": model.name,
            "device": self.device()?.to_string(),
            "threads": rayon::current_num_threads(),
            "product_error": product_error,
            "executor": executor,
            "memory": memory,
        }))
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
