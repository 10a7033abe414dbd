//! One lane, and which of its rows stand at a component.

use crate::component::Component;
use crate::plan::stage::Layout;

/// The rows of runs that are equal so far.
#[derive(Clone)]
pub(super) struct Lane {
    /// An earlier lane that shares the first rows.
    pub(super) reference: Option<usize>,
    /// Runs that are in it.
    pub(super) runs: usize,
    /// The first run that was in it, for messages.
    pub(super) name: usize,
    /// The residual stream: a row for each position. Between an attention and `resid_mid` these lie in
    /// the segment below.
    pub(super) resid: Vec<u32>,
    /// What attention adds to the stream or what goes into q, k and v; none where its rows have the same
    /// numbers as the stream's.
    pub(super) branch: Option<Vec<u32>>,
    /// Whether the branch is what attention has made of the stream: its rows stand for their sums.
    pub(super) plain: bool,
    /// q, k and v where they differ from the branch.
    pub(super) qkv: [Option<Vec<u32>>; 3],
    /// What the MLP adds to the stream; none where its rows have the same numbers as the stream's.
    pub(super) mlp: Option<Vec<u32>>,
}

impl Lane {
    /// The rows that stand at a component.
    pub(super) fn slot(&self, component: Component) -> &[u32] {
        let own = match slot(component) {
            Slot::Resid => None,
            Slot::Branch | Slot::Norm => self.branch.as_ref(),
            Slot::Mlp => self.mlp.as_ref(),
            Slot::Qkv(which) => return self.qkv(which),
        };
        own.unwrap_or(&self.resid)
    }

    /// A lane with other rows at a component.
    pub(super) fn with(&self, component: Component, rows: Vec<u32>, layout: &Layout) -> Self {
        let mut lane = Self { plain: false, ..self.clone() };
        match slot(component) {
            Slot::Resid => lane.resid = rows,
            Slot::Norm if layout.shares_norm() => {
                lane.mlp = Some(rows.clone());
                lane.branch = Some(rows);
            }
            Slot::Branch | Slot::Norm => lane.branch = Some(rows),
            Slot::Mlp => lane.mlp = Some(rows),
            Slot::Qkv(which) => lane.qkv[which] = Some(rows),
        }
        lane
    }

    /// The rows at the top, with the lane given up.
    pub(super) fn into_top(self) -> Vec<u32> {
        self.branch.unwrap_or(self.resid)
    }

    /// q, k or v.
    pub(super) fn qkv(&self, which: usize) -> &[u32] {
        self.qkv[which].as_ref().or(self.branch.as_ref()).unwrap_or(&self.resid)
    }

    /// Ends the stream that leads to q, k and v, before another takes its place.
    pub(super) fn part(&mut self) {
        let Self { resid, branch, .. } = self;
        branch.get_or_insert_with(|| resid.clone());
        self.project();
    }

    /// Ends the branch that leads to q, k and v.
    pub(super) fn project(&mut self) {
        if let Some(branch) = self.branch.take() {
            for rows in &mut self.qkv {
                rows.get_or_insert_with(|| branch.clone());
            }
        }
    }

    /// How many keys and values from the first on are those of another lane.
    pub(super) fn common(&self, other: &Self) -> usize {
        let keys = common(self.qkv(1), other.qkv(1));
        if self.is_stream() && other.is_stream() {
            return keys;
        }
        keys.min(common(self.qkv(2), other.qkv(2)))
    }

    /// Whether the key or the value at a position is another than that of another lane.
    pub(super) fn parts(&self, other: &Self, position: usize) -> bool {
        let differs = |which| self.qkv(which).get(position) != other.qkv(which).get(position);
        differs(1) || differs(2)
    }

    /// How many rows from the first on have the stream and query of another lane.
    pub(super) fn common_queries(&self, other: &Self) -> usize {
        let stream = common(&self.resid, &other.resid);
        if self.is_stream() && other.is_stream() {
            return stream;
        }
        stream.min(common(self.qkv(0), other.qkv(0)))
    }

    /// Whether nobody has changed what is computed from the stream.
    pub(super) fn is_stream(&self) -> bool {
        self.branch.is_none() && self.qkv.iter().all(Option::is_none)
    }
}

/// How many rows from the first on are the same.
pub(super) fn common(a: &[u32], b: &[u32]) -> usize {
    const BLOCK: usize = 8;
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let first = BLOCK * blocks.take_while(|(a, b)| a == b).count();
    first + a[first..].iter().zip(&b[first..]).take_while(|(a, b)| a == b).count()
}

enum Slot {
    Resid,
    Branch,
    /// The norm before attention.
    Norm,
    Mlp,
    Qkv(usize),
}

fn slot(component: Component) -> Slot {
    use Component as C;
    match component {
        C::Embed | C::ResidPre | C::ResidMid | C::ResidPost => Slot::Resid,
        C::Q | C::QNormed | C::RotQ => Slot::Qkv(0),
        C::K | C::KNormed | C::RotK => Slot::Qkv(1),
        C::V => Slot::Qkv(2),
        C::Ln1Scale | C::Ln1Normalized | C::Ln1 => Slot::Norm,
        C::Ln2Scale
        | C::Ln2Normalized
        | C::Ln2
        | C::MlpPreLinear
        | C::MlpPre
        | C::MlpPost
        | C::MlpModule
        | C::Ln2PostScale
        | C::Ln2PostNormalized
        | C::MlpOut => Slot::Mlp,
        _ => Slot::Branch,
    }
}
