//! A pass: what is computed, segment by segment, row by row.

use std::collections::BTreeSet;

use crate::component::Component;
use crate::plan::scope::Scope;
use crate::plan::stage::Stages;
use crate::run::RunId;

/// One walk through the layers: everything that an executor has to know, and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pass {
    /// From the embeddings to the logits; one more than the model has layers.
    pub segments: Vec<Segment>,
    /// What of the model it deals with.
    pub scope: Scope,
    /// The runs whose metrics the pass gives.
    pub measured: Vec<Measured>,
    /// The readings that the pass gives: the index of the request, that of the reading in it, and
    /// its rows.
    pub readings: Vec<(usize, usize, Vec<Held>)>,
    /// What the pass hands to later ones: numbers of carried rows, and the values.
    pub carries: Vec<(u32, Held)>,
    /// The carried rows that there is room for throughout, of this pass and of all others.
    pub carried: BTreeSet<(Component, u32)>,
}

impl Pass {
    /// The rows whose logits are held while others come by: those that metrics compare with, and
    /// those that come before the one that they are compared with.
    pub fn held_logits(&self) -> BTreeSet<u32> {
        held_logits(&self.measured, |row| row)
    }
}

/// [`Pass::held_logits`] for rows that will stand in another order.
pub(crate) fn held_logits<K: Ord>(
    measured: &[Measured],
    place: impl Fn(u32) -> K,
) -> BTreeSet<u32> {
    let mut held = BTreeSet::new();
    for Logits { row, clean } in measured.iter().flat_map(|run| &run.rows) {
        let Some(clean) = clean else { continue };
        held.insert(*clean);
        if place(*row) < place(*clean) {
            held.insert(*row);
        }
    }
    held
}

/// A run whose metrics are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The index of its request.
    pub request: usize,
    /// Its index in the request.
    pub run: RunId,
    /// What each of the request's measures reads.
    pub rows: Vec<Logits>,
}

/// The rows of the last segment whose logits a metric reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Logits {
    /// The run's own.
    pub row: u32,
    /// The one that it is compared with.
    pub clean: Option<u32>,
}

/// The rows between two attentions: the upper part of a layer and the lower part of the next.
///
/// Rows stand in an order in which each may be computed from those before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// The rows; everything else names them by their index.
    pub rows: Vec<Row>,
    /// The interventions' outcomes among them.
    pub patches: Vec<Patch>,
    /// The values that births read, each kept from its stage on until the segment ends.
    pub kept: BTreeSet<(Component, u32)>,
    /// The values that are read later than that: in segments above and by readings.
    pub held: BTreeSet<(Component, u32)>,
    /// The rows of the segment below whose keys attention reads, one list after the other.
    pub keys: Vec<u32>,
    /// The rows whose values it reads, where they aren't those of the keys; otherwise empty.
    pub values: Vec<u32>,
    /// The first run that has the row, counted over all requests; for people.
    pub runs: Vec<u32>,
}

/// A row of a segment: one position of every run that has the same value there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its position.
    pub position: u32,
    /// The stages at which its value is needed.
    pub stages: Stages,
    /// Where it comes from.
    pub birth: Birth,
    /// The row of the segment below that its attention output is added to; of no meaning where
    /// that isn't needed.
    pub resid: u32,
}

/// How a row begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// The embedding of a token.
    Token(u32),
    /// Attention of a query of the segment below over keys and values of it.
    Attention {
        /// The query's row.
        query: u32,
        /// Where the key of position 0 stands in [`Segment::keys`]; its own are those that
        /// [`Architecture::keys`](crate::Architecture::keys) says.
        keys: u32,
    },
    /// An intervention's outcome, by its index in [`Segment::patches`].
    Patch {
        /// The stage at which it acts.
        component: Component,
        /// The index.
        index: u32,
    },
    /// The sum of a row of the residual stream and of what a branch adds to it
    /// ([`Layout::summands`](crate::plan::Layout::summands)); the stream of the segment below where the
    /// branch is attention's.
    Join {
        /// `resid_pre`, `resid_mid` or `resid_post`.
        component: Component,
        /// The stream's row.
        resid: u32,
        /// The branch's row.
        branch: u32,
    },
}

/// What an intervention makes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The request that the intervention is from.
    pub request: usize,
    /// Its run.
    pub run: RunId,
    /// Its place among the run's own interventions.
    pub intervention: usize,
    /// Which row of its locus this is.
    pub index: u32,
    /// The row that is changed.
    pub input: u32,
    /// Whether the outcome depends on that row's value.
    pub reads_input: bool,
    /// For scores and patterns the row whose keys and values are attended to; otherwise the one that
    /// [`Layout::beside`](crate::plan::Layout::beside) is read of.
    pub root: u32,
    /// What the intervention reads: one value for each of its sources; for a function all rows of its
    /// locus and then all rows of each source.
    pub operands: Vec<Held>,
    /// The operations that a function takes for the row.
    pub flops: u64,
}

impl Birth {
    /// The stage at which the row begins.
    pub fn component(&self) -> Component {
        match self {
            Self::Token(_) => Component::Embed,
            Self::Attention { .. } => Component::Scores,
            Self::Patch { component, .. } | Self::Join { component, .. } => *component,
        }
    }
}

/// A row's value at a stage of some segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// The segment; one past the last for a row that an earlier pass has carried over.
    pub segment: u32,
    /// The stage.
    pub component: Component,
    /// The row, or the carried row's number.
    pub row: u32,
}

impl Row {
    /// Whether the row's value at a stage is made by that stage from the ones before it.
    pub fn computes(&self, component: Component) -> bool {
        self.stages.computes(self.birth.component(), component)
    }
}
