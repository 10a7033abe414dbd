//! `cargo xtask bench`: our times beside those of others, on one machine in one run.
//!
//! Each comparison is one sweep, computed by us in this process and by a peer in a Python process
//! (`xtask/bench`), both with two threads, in f32, with the model loaded and warm. The sides take
//! turns; the numbers that they compute are compared every time.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tracewright_models::{Checkpoint, DeviceName, Model};

mod agreement;
mod cells;
mod list;
mod machine;
mod operations;
mod others;
mod ours;
mod peak;
mod peer;
mod range;
mod rounds;
mod run;
mod side;
mod table;
mod task;

pub use list::Figure;
pub use machine::Machine;
pub use peak::Peak;
pub use range::Range;
pub use run::Timing;
pub use table::table;

use crate::python;
use list::{Comparison, ModelName};
use others::Since;
use peak::Products;
use run::Setting;

/// Threads of either side.
const THREADS: usize = 2;

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Repetitions of each comparison.
    pub repeat: usize,
    /// Names of comparisons, or how they begin; none: all.
    pub only: Vec<String>,
    /// Time every cell of slow peers, too.
    pub full: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// The matrix product's speed.
    pub peak: Peak,
    /// Every comparison that was picked.
    pub comparisons: Vec<Compared>,
}

/// A comparison and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The comparison's name.
    pub name: String,
    /// What Burn's matrix product reached before and after it, in GFLOP/s, on average.
    pub peak: f64,
    /// The cores that other processes kept busy meanwhile; `None` where that isn't known.
    pub others: Option<f64>,
    /// Its times; `None` where it failed.
    pub timing: Option<Timing>,
    /// Why it failed.
    pub error: Option<String>,
}

impl Report {
    /// Whether every comparison could be made.
    pub fn is_whole(&self) -> bool {
        self.comparisons.iter().all(|compared| compared.timing.is_some())
    }
}

/// Both models, and where peers find them.
struct Models {
    random: Model,
    built_in: Model,
    folder: PathBuf,
}

impl Models {
    fn load(python: &Path, parent: &Path, built_in: Model) -> Result<Self> {
        let folder = checkpoint(python, parent)?;
        let random = Checkpoint::open(&folder)?.load(DeviceName::Cpu)?;
        Ok(Self { random, built_in, folder })
    }

    fn of(&self, comparison: &Comparison) -> (&Model, String) {
        let (model, folder) = match comparison.model {
            ModelName::Random => (&self.random, self.folder.clone()),
            ModelName::BuiltIn => (&self.built_in, crate::root().join("fixtures/facts-6m")),
        };
        (model, folder.display().to_string())
    }
}

/// Measures; `say` is told what is being done.
///
/// # Errors
///
/// No Python or no packages for it, a name that isn't any comparison's. A comparison that fails is
/// reported with the others.
pub fn run(options: &Options, say: &mut dyn FnMut(&str)) -> Result<Report> {
    ensure!(options.repeat > 0, "give at least one repetition");
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global()?;
    let built_in = Checkpoint::built_in()?.load(DeviceName::Cpu)?;
    let comparisons = list::pick(list::all(&built_in)?, &options.only)?;
    let logs = crate::root().join("target/bench");
    std::fs::create_dir_all(&logs).with_context(|| format!("making {}", logs.display()))?;
    say("Python packages (the first time, some gigabytes)");
    let python = python::environment("bench")?;
    let models = Models::load(&python, &logs, built_in)?;
    let mut machine = Machine::here()?;
    say("matrix products");
    let mut products = Products::start(&python, &logs, models.random.decoder.device())?;
    let mut before = products.measure()?;
    let setting = Setting { python, logs, repeat: options.repeat, full: options.full };
    let mut compared = Vec::new();
    for comparison in comparisons {
        say(&comparison.name);
        let (model, folder) = models.of(&comparison);
        let since = Since::now();
        let timing = setting.measure(&comparison, model, &folder, &mut machine.versions);
        let error = timing.as_ref().err().map(|error| format!("{error:#}"));
        match &timing {
            Ok(timing) => say(&format!("    {:.2} ×", timing.ratio.median)),
            Err(error) => say(&format!("    failed: {error:#}")),
        }
        let (name, others) = (comparison.name, since.cores());
        let after = products.measure()?;
        let peak = (before + after) / 2.0;
        compared.push(Compared { name, peak, others, timing: timing.ok(), error });
        before = after;
    }
    Ok(Report { machine, peak: products.peak(), comparisons: compared })
}

/// GPT-2 small with random weights, made where it isn't there yet.
pub(crate) fn checkpoint(python: &Path, parent: &Path) -> Result<PathBuf> {
    let folder = parent.join("gpt2-random");
    if !folder.join("model.safetensors").is_file() {
        let script = python::scripts("bench").join("checkpoint.py");
        python::run(python, ["-B".as_ref(), script.as_os_str(), folder.as_os_str()])?;
    }
    Ok(folder)
}
