//! The planner: what has to be computed for a request, and what it costs.
//!
//! An intervention changes only its forward cone, and a metric reads only its backward cone. The
//! planner finds the rows that lie in both, once for all runs:
//!
//! 1. `lanes` goes through the layers upwards and gives every row a number. Runs share a row where
//!    its value is the same for both: a corrupted run and the clean one before the subject, two
//!    prompts in their common prefix, a variant and its base before the patch, variants that agree
//!    up to some layer. A replaced value is the row that it was copied from, so writing what is there
//!    already changes nothing, and holding a changed row at its base's value makes it the base's.
//! 2. `need` goes downwards and marks what metrics, readings and other rows read.
//! 3. `assemble` drops the rest.
//!
//! `chunk` splits runs into passes that fit into a memory budget; `carried` says what passes hand to later
//! ones, where a source lies above its reader. Nothing here knows a tensor.

mod assemble;
mod carried;
mod chunk;
mod cost;
mod hash;
mod item;
mod known;
mod lanes;
mod need;
mod numbers;
mod outline;
mod parallel;
mod pass;
mod print;
mod program;
mod scope;
mod stage;

use std::collections::HashSet;

use thiserror::Error;

use crate::architecture::Architecture;
use crate::error::IrError;
use crate::intervention::Intervention;
use crate::request::Request;

use assemble::assemble;
use item::Item;
use program::Program;

pub use carried::CarriedRow;
pub use cost::{
    BLOCK_ROWS, LOGIT_ROWS, PRODUCTS, PassCost, forward_flops, logit_rows, product, width,
};
pub use pass::{Birth, Held, Logits, Measured, Pass, Patch, Row, Segment};
pub use scope::Scope;
pub use stage::{Layout, Stages};

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum PlanError {
    /// The request itself is wrong.
    #[error(transparent)]
    Request(#[from] IrError),
    /// A budget that not even one run fits in.
    #[error(
        "a memory budget of {} is too small for a single run: the smallest that works is {}",
        rounded_down(*budget),
        rounded_up(*smallest)
    )]
    TooSmall { budget: u64, smallest: u64 },
}

/// Bytes as a flag gives them: no fewer than these.
fn rounded_up(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{}KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{}MiB", bytes.div_ceil(1 << 20)),
    }
}

/// No more than these, so that a budget is never shown as large as what it is too small for.
fn rounded_down(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} bytes"),
        0x400..0x10_0000 => format!("{}KiB", bytes >> 10),
        _ => format!("{}MiB", bytes >> 20),
    }
}

/// Plans the passes of one or several requests on a model.
///
/// ```
/// use tracewright_ir::plan::Planner;
/// # use tracewright_ir::{Request, Run, Measure, Metric, Intervention, Locus, Site, Component};
/// # use tracewright_ir::{
/// #     Activation, Architecture, Norm, NormPlace, Position, Residual, ScoreScale,
/// # };
/// # let architecture = Architecture {
/// #     family: "gpt2".to_owned(), n_layers: 2, d_model: 8, n_heads: 2, n_kv_heads: 2, d_head: 4,
/// #     d_mlp: 32, vocab: 10, context: 16, norm: Norm::LayerNorm { eps: 1e-5 },
/// #     norm_place: NormPlace::Pre, position: Position::Learned, window: None,
/// #     score_scale: ScoreScale::by_head_width(4), score_cap: None, query_key_norm: None,
/// #     activation: Activation::GeluTanh, gated_mlp: false, residual: Residual::Sequential,
/// #     embed_scale: 1.0, logit_cap: None, tied_unembedding: true, modules: Vec::new(),
/// # };
/// let mut request = Request::default();
/// let clean = request.push(Run::of_tokens("clean", &[1, 2, 3]));
/// let corrupted = request.push(Run::of_tokens("corrupted", &[1, 9, 3]));
/// let last = Locus::at(Site::in_layer(Component::ResidPost, 1)).positions([2]);
/// let patched = request.push(Run::variant("patched", corrupted, [Intervention::copy(last, clean)]));
/// request.measures.push(Measure::at_last(Metric::Logit { answer: 5 }));
/// request.measured = vec![clean, corrupted, patched];
///
/// let requests = [&request];
/// let planner = Planner::new(&requests, &architecture)?;
/// let passes = planner.passes(1 << 30)?;
/// let pass = planner.pass(&passes[0]);
/// // The prompts differ at position 1 alone; what follows it differs from layer 0 on. The patched
/// // run is the clean one above layer 1, and has no row of its own.
/// let rows: Vec<usize> = pass.segments.iter().map(|segment| segment.rows.len()).collect();
/// assert_eq!(rows, [4, 5, 2]);
/// # Ok::<(), tracewright_ir::plan::PlanError>(())
/// ```
pub struct Planner<'a> {
    program: Program<'a>,
}

/// What one pass gives: some of the requests' measured runs and readings, in their order, and rows that
/// later passes read.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    items: Vec<Item>,
    cost: PassCost,
    /// Marks of its different results.
    results: Vec<u64>,
}

impl Chunk {
    /// What the pass costs.
    pub fn cost(&self) -> PassCost {
        self.cost
    }
}

impl<'a> Planner<'a> {
    /// Looks through the requests.
    ///
    /// # Errors
    ///
    /// A request that doesn't fit the model.
    pub fn new(
        requests: &'a [&'a Request],
        architecture: &'a Architecture,
    ) -> Result<Self, PlanError> {
        requests.iter().try_for_each(|request| request.check(architecture))?;
        Ok(Self { program: Program::new(requests, architecture) })
    }

    /// The passes that answer the requests, each within a budget of bytes (weights apart), in an order in
    /// which each finds what others carry to it.
    ///
    /// # Errors
    ///
    /// [`PlanError::TooSmall`].
    pub fn passes(&self, budget: u64) -> Result<Vec<Chunk>, PlanError> {
        let mut items = Vec::new();
        for (request, asked) in self.program.requests.iter().enumerate() {
            let offset = self.program.offsets[request];
            if !asked.measures.is_empty() {
                items.extend(asked.measured.iter().map(|run| Item::Measured(offset + run.0)));
            }
            let readings = 0..asked.readings.len();
            items.extend(readings.map(|index| Item::Reading { request, index }));
        }
        items.extend((0..self.program.carried.rows.len() as u32).map(Item::Carried));
        chunk::chunk(&self.program, &items, budget)
    }

    /// The rows that passes hand to later ones, by their numbers.
    pub fn carried(&self) -> &[CarriedRow] {
        &self.program.carried.rows
    }

    /// What a run is called; runs are counted over all requests.
    fn name(&self, run: u32) -> &str {
        self.program.runs[run as usize].name
    }

    /// The intervention of a patch.
    fn intervention(&self, patch: &Patch) -> &Intervention {
        let run = &self.program.requests[patch.request].runs[patch.run.0];
        &run.interventions[patch.intervention]
    }

    /// What several passes cost together, one after the other.
    pub fn cost(&self, chunks: &[Chunk]) -> PassCost {
        chunks.iter().map(Chunk::cost).sum()
    }

    /// How many different results several passes have; runs that end in the same rows have one. It is
    /// the same number whatever the budget is.
    pub fn distinct(&self, chunks: &[Chunk]) -> usize {
        let results: HashSet<u64> =
            chunks.iter().flat_map(|chunk| &chunk.results).copied().collect();
        results.len()
    }

    /// The pass that gives a chunk.
    pub fn pass(&self, chunk: &Chunk) -> Pass {
        assemble(&self.program, &chunk.items)
    }
}
