//! What a job would compute and what that saves, without weights.

use std::collections::BTreeSet;

use serde::Serialize;
use tracewright_corruption::Noise;
use tracewright_ir::plan::{Chunk, PassCost, PlanError, Planner, forward_flops};
use tracewright_ir::{Architecture, Intervention, Request, RunId, Sweep};
use tracewright_models::{Checkpoint, Footprint};

use crate::case::Case;
use crate::error::SweepError;
use crate::pair::{Numbers, Pair, PairSettings, ready_pairs};
use crate::settings::Settings;
use crate::skip::BadRecords;
use crate::units::units;
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
    /// Units of cases that share passes: what is done whole, and what shards divide.
    pub units: usize,
    /// Walks through the layers, but for the first look.
    pub passes: usize,
    /// What it takes to ask the model what it says, before anything is patched: for each unit of cases one
    /// more pass over the prompts themselves. The numbers below leave it out.
    pub first_look: PassCost,
    /// The full forward passes that a cell takes by itself: one between two prompts; for a trace one for
    /// each noise sample and the clean run, which ROME's code computes beside them.
    pub forwards_per_cell: usize,
    /// Rows that go through a layer, summed over the layers.
    pub rows: u64,
    /// The same cell by cell, with [`Forecast::forwards_per_cell`] full forward passes for each.
    pub rows_cell_by_cell: u64,
    /// Floating point operations of projections, MLPs and unembedding.
    pub flops: u64,
    /// The same cell by cell, with the logits of all positions, as ROME's code and hooks do it.
    pub flops_cell_by_cell: u64,
    /// Operations of the attentions themselves, which the two numbers above leave out.
    pub attention_flops: u64,
    /// The most bytes in tensors at one time, weights apart.
    pub peak_bytes: u64,
    /// The bytes that the weights take where all of them are held.
    pub weight_bytes: u64,
    /// The bytes that they take at one time where the model is streamed.
    pub streamed_weight_bytes: u64,
    /// The most bytes that a pass reads of the files where the model is streamed, but for the rows of the
    /// embedding.
    pub read_bytes_per_pass: u64,
}

impl Forecast {
    /// Plans traces, in passes of at most `memory` bytes that cases share as a job's do. The noise and an answer
    /// that isn't given are stand-ins, because only the weights know them.
    ///
    /// # Errors
    ///
    /// What [`Job::traces`](crate::Job::traces) finds wrong with settings and cases, and a budget too
    /// small for a single run.
    pub fn of_traces(
        checkpoint: &Checkpoint,
        settings: &Settings,
        cases: (Vec<Case>, BadRecords),
        memory: u64,
    ) -> Result<Self, SweepError> {
        let architecture = checkpoint.architecture();
        let (cases, _) = traces::feed(checkpoint.tokenizer(), architecture, settings, cases)?;
        let noise = Noise::Gaussian { std: 1.0 };
        let sweep = |case: usize| trace::sweep(&cases[case], 0, architecture, settings, &noise);
        let forwards = |fed: &_| traces::forwards(settings, fed, architecture);
        let forwards: Vec<usize> = cases.iter().map(forwards).collect();
        Self::of(&forwards, (|case| trace::first_look(&cases[case]), sweep), checkpoint, memory)
    }

    /// The same for pairs; answers that aren't given are stand-ins.
    ///
    /// # Errors
    ///
    /// What [`Job::pairs`](crate::Job::pairs) finds wrong with settings and pairs, and a budget too
    /// small for a single run.
    pub fn of_pairs(
        checkpoint: &Checkpoint,
        settings: &PairSettings,
        pairs: (Vec<Pair>, BadRecords),
        memory: u64,
    ) -> Result<Self, SweepError> {
        let architecture = checkpoint.architecture();
        let settings = settings.clone().resolved(architecture)?;
        let numbers = Numbers::stand_ins(&settings, architecture)?;
        let tokenizer = checkpoint.tokenizer();
        let (ready, _) = ready_pairs(tokenizer, architecture, &settings, &numbers, pairs)?;
        let sweep = |case: usize| ready[case].rehearsal(architecture, &settings, &numbers);
        let forwards: Vec<usize> = ready.iter().map(|ready| ready.forwards).collect();
        let look = |case: usize| ready[case].fed.first_look();
        Self::of(&forwards, (look, sweep), checkpoint, memory)
    }

    /// One unit's sweeps are in memory at a time: those of many facts on a large model take gigabytes.
    fn of(
        forwards: &[usize],
        (look, sweep): (impl Fn(usize) -> Request, impl Fn(usize) -> Result<Sweep, SweepError>),
        checkpoint: &Checkpoint,
        memory: u64,
    ) -> Result<Self, SweepError> {
        let weights = checkpoint.footprint();
        let mut total = Self {
            weight_bytes: weights.held,
            streamed_weight_bytes: weights.streamed,
            ..Self::default()
        };
        let architecture = checkpoint.architecture();
        let units = match forwards.len() {
            1 => std::iter::once(0..1).collect(),
            _ => units(forwards, &sweep, architecture, (memory, checkpoint.is_streamed()))?,
        };
        total.units = units.len();
        for unit in units {
            let looks: Vec<Request> = unit.clone().map(&look).collect();
            let looks: Vec<&Request> = looks.iter().collect();
            let planner = Planner::new(&looks, architecture)?;
            total.first_look = total.first_look + planner.cost(&planner.passes(memory)?);
            let sweeps: Vec<Sweep> = unit.map(&sweep).collect::<Result<_, _>>()?;
            total.add_passes(&sweeps, architecture, &weights, memory)?;
            sweeps.iter().try_for_each(|sweep| total.add_cells(sweep, architecture))?;
        }
        Ok(total)
    }

    fn add_passes(
        &mut self,
        sweeps: &[Sweep],
        architecture: &Architecture,
        weights: &Footprint,
        memory: u64,
    ) -> Result<(), SweepError> {
        let requests: Vec<&Request> = sweeps.iter().map(|sweep| &sweep.request).collect();
        let planner = Planner::new(&requests, architecture)?;
        let passes = planner.passes(memory)?;
        let PassCost { rows, flops, attention_flops, peak_bytes, .. } = planner.cost(&passes);
        let read = |pass: &Chunk| {
            weights.stored_layers + pass.cost().unembeddings * weights.stored_unembedding
        };
        let read = passes.iter().map(read).max().unwrap_or(0);
        self.read_bytes_per_pass = self.read_bytes_per_pass.max(read);
        let bases = |sweep: &Sweep| sweep.clean.len() + sweep.corrupted.len();
        let bases: usize = sweeps.iter().map(bases).sum();
        self.variants_computed += planner.distinct(&passes).saturating_sub(bases);
        self.passes += passes.len();
        self.rows += rows;
        self.flops += flops;
        self.attention_flops += attention_flops;
        self.peak_bytes = self.peak_bytes.max(peak_bytes);
        Ok(())
    }

    fn add_cells(&mut self, sweep: &Sweep, architecture: &Architecture) -> Result<(), SweepError> {
        // Noise changes the clean run; the corrupted run of a pair is a prompt of its own.
        let noise = sweep.corrupted.first().is_some_and(|run| sweep.request.base(*run).is_some());
        self.cases += 1;
        self.cells += sweep.cells.len();
        let is_sender = |run: &RunId| sweep.request.measured.binary_search(run).is_err();
        for cell in sweep.cells.iter().filter(|cell| !cell.runs.is_empty()) {
            let runs = cell.runs.len();
            self.variants += runs;
            // A path's sender is a run of its own, which only its receivers read.
            let own = cell.runs.iter().flat_map(|run| &sweep.request.runs[run.0].interventions);
            let read = own.flat_map(Intervention::sources).map(|source| source.run);
            let senders = read.filter(is_sender).collect::<BTreeSet<RunId>>().len();
            let forwards = runs + usize::from(noise) + senders;
            let tokens = |run: &RunId| sweep.request.tokens(*run).map(<[u32]>::len);
            let len = cell.runs.first().map_or(Ok(0), tokens).map_err(PlanError::from)?;
            self.forwards_per_cell = self.forwards_per_cell.max(forwards);
            self.rows_cell_by_cell += (forwards * len * architecture.n_layers) as u64;
            self.flops_cell_by_cell += forwards as u64 * forward_flops(architecture, len);
        }
        Ok(())
    }
}
