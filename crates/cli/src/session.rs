//! The flags that every command shares: which model, where it runs, how many threads.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};
use tracewright_models::{Checkpoint, DeviceName, Model, cached};

use crate::console::Console;
use crate::error::Failure;

#[derive(Debug, ClapArgs)]
pub(crate) struct Session {
    /// A checkpoint's folder, or the name of one in the local hub cache [default: the built-in
    /// model]
    #[arg(long, global = true, help_heading = "Common options", value_name = "PATH|ID")]
    model: Option<String>,
    /// Where to compute: cpu, ndarray, cuda[:i], vulkan[:i]
    #[arg(long, global = true, help_heading = "Common options", default_value = "cpu")]
    device: String,
    /// Threads to use [default: one for each core]
    #[arg(long, global = true, help_heading = "Common options", value_name = "N")]
    threads: Option<usize>,
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
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| Failure::Usage(format!("can't start {threads} threads: {error}")))
    }

    pub(crate) fn device(&self) -> Result<DeviceName, Failure> {
        Ok(self.device.parse()?)
    }

    /// The model's config and tokenizer; its warnings are shown.
    pub(crate) fn checkpoint(&self, console: &Console) -> Result<Checkpoint, Failure> {
        let checkpoint = match &self.model {
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

    pub(crate) fn load(&self, console: &Console) -> Result<Model, Failure> {
        let device = self.device()?;
        Ok(self.checkpoint(console)?.load(device)?)
    }

    /// What numbers depend on beside the request, as `run.json` records it.
    pub(crate) fn environment(&self, model: &Model) -> Result<Value, Failure> {
        Ok(json!({
            "tracewright": env!("CARGO_PKG_VERSION"),
            "burn": BURN,
            "model": model.name,
            "device": self.device()?.to_string(),
            "threads": rayon::current_num_threads(),
            "dtype": "f32",
        }))
    }
}

/// More threads would only take the machine's last.
const MOST_THREADS: usize = 1024;

/// The version of Burn that the workspace depends on; a test compares it with Cargo.lock.
pub(crate) const BURN: &str = "0.22.1";
