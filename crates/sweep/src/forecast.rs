//! What a job would compute and what that saves, without weights.

use serde::Serialize;
use tracewright_corruption::Noise;
use tracewright_ir::plan::{PassCost, PlanError, Planner, forward_flops};
use tracewright_ir::{Architecture, RunId, Sweep};
use tracewright_models::Checkpoint;

use crate::case::Case;
use crate::error::SweepError;
use crate::experiment::ready;
use crate::pair::{self, Answers, Pair, PairSettings};
use crate::settings::Settings;
use crate::{trace, traces};

/// The plan of a job in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Forecast {
    /// Prompts or pairs.
    pub cases: usize,
    /// Cells of all heatmaps.
    pub cells: usize,
    /// Variants: the cells' runs, one for each noise sample.
    pub variants: usize,
    /// Those that aren't equal to their base or to another variant.
    pub variants_computed: usize,
    /// Walks through the layers.
    pub passes: usize,
    /// Rows that go through a layer, summed over the layers.
    pub rows: u64,
    /// The same with a full forward pass for each cell.
    pub rows_one_forward_per_cell: u64,
    /// Floating point operations of projections, MLPs and unembedding.
    pub flops: u64,
    /// The same with a full forward pass for each cell, as ROME's code and hooks do it: each of the
    /// cell's runs, the clean run beside them where they are several, the logits of all positions.
    pub flops_one_forward_per_cell: u64,
    /// Operations of the attentions themselves, which the two numbers above leave out.
    pub attention_flops: u64,
    /// The most bytes in tensors at one time, weights apart.
    pub peak_bytes: u64,
    /// The bytes that the weights take in f32.
    pub weight_bytes: u64,
}

/// Plans sweeps, each in passes of its own of at most `memory` bytes.
///
/// # Errors
///
/// A budget too small for a single run.
pub fn forecast(
    sweeps: &[Sweep],
    architecture: &Architecture,
    memory: u64,
) -> Result<Forecast, SweepError> {
    let mut total = Forecast { weight_bytes: architecture.weight_bytes(), ..Forecast::default() };
    for sweep in sweeps {
        total.add(sweep, architecture, memory)?;
    }
    Ok(total)
}

impl Forecast {
    fn add(
        &mut self,
        sweep: &Sweep,
        architecture: &Architecture,
        memory: u64,
    ) -> Result<(), SweepError> {
        let requests = [&sweep.request];
        let planner = Planner::new(&requests, architecture)?;
        let passes = planner.passes(memory)?;
        let PassCost { rows, flops, attention_flops, peak_bytes } = planner.cost(&passes);
        let bases = sweep.clean.len() + sweep.corrupted.len();
        self.cases += 1;
        self.cells += sweep.cells.len();
        self.variants_computed += planner.distinct(&passes).saturating_sub(bases);
        self.passes += passes.len();
        self.rows += rows;
        self.flops += flops;
        self.attention_flops += attention_flops;
        self.peak_bytes = self.peak_bytes.max(peak_bytes);
        for cell in &sweep.cells {
            let runs = cell.runs.len();
            self.variants += runs;
            let forwards = if runs > 1 { runs + 1 } else { runs } as u64;
            let tokens = |run: &RunId| sweep.request.tokens(*run).map(<[u32]>::len);
            let len = cell.runs.first().map_or(Ok(0), tokens).map_err(PlanError::from)?;
            self.rows_one_forward_per_cell += forwards * (len * architecture.n_layers) as u64;
            self.flops_one_forward_per_cell += forwards * forward_flops(architecture, len);
        }
        Ok(())
    }
}

/// The sweeps of traces, for plans only: the noise and an answer that isn't given are stand-ins,
/// because only the weights know them.
///
/// # Errors
///
/// What [`Job::traces`](crate::Job::traces) finds wrong with settings and cases.
pub fn trace_sweeps(
    checkpoint: &Checkpoint,
    settings: &Settings,
    cases: Vec<Case>,
) -> Result<Vec<Sweep>, SweepError> {
    let architecture = checkpoint.architecture();
    let cases = traces::feed(checkpoint.tokenizer(), architecture, settings, cases)?;
    let noise = Noise::Gaussian { std: 1.0 };
    let sweep = |fed: &_| trace::sweep(fed, 0, architecture, settings, &noise);
    cases.iter().map(sweep).collect()
}

/// The sweeps of pairs, for plans only: answers that aren't given are stand-ins.
///
/// # Errors
///
/// What [`Job::pairs`](crate::Job::pairs) finds wrong with settings and pairs.
pub fn pair_sweeps(
    checkpoint: &Checkpoint,
    settings: &PairSettings,
    pairs: Vec<Pair>,
) -> Result<Vec<Sweep>, SweepError> {
    settings.check()?;
    let architecture = checkpoint.architecture();
    let sweep = |pair: Pair| {
        let fed = pair.feed(checkpoint.tokenizer())?;
        pair::forwards(settings, &fed, architecture)?;
        pair::pair_sweep(&fed, &Answers::stand_ins(&fed), architecture, settings)
    };
    ready(pairs, |pair| &pair.name, sweep)
}
