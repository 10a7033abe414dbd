//! One lane, and which of its rows stand at a component.

use crate::component::Component;

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
    /// What will be added to the stream or goes into q, k and v; none where its rows have the same
    /// numbers as the stream's.
    pub(super) branch: Option<Vec<u32>>,
    /// q, k and v where they differ from the branch.
    pub(super) qkv: [Option<Vec<u32>>; 3],
}

impl Lane {
    /// The rows that stand at a component.
    pub(super) fn slot(&self, component: Component) -> &[u32] {
        match slot(component) {
            Slot::Resid => &self.resid,
            Slot::Branch => self.branch.as_ref().unwrap_or(&self.resid),
            Slot::Qkv(which) => self.qkv(which),
        }
    }

    pub(super) fn slot_mut(&mut self, component: Component) -> &mut Vec<u32> {
        match slot(component) {
            Slot::Resid => &mut self.resid,
            Slot::Branch => self.branch.get_or_insert_default(),
            Slot::Qkv(which) => self.qkv[which].get_or_insert_default(),
        }
    }

    /// The same, with the lane given up.
    pub(super) fn into_slot(self, component: Component) -> Vec<u32> {
        match slot(component) {
            Slot::Resid => self.resid,
            Slot::Branch => self.branch.unwrap_or(self.resid),
            Slot::Qkv(_) => self.slot(component).to_vec(),
        }
    }

    /// q, k or v.
    pub(super) fn qkv(&self, which: usize) -> &[u32] {
        self.qkv[which].as_ref().or(self.branch.as_ref()).unwrap_or(&self.resid)
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
        common(self.qkv(1), other.qkv(1)).min(common(self.qkv(2), other.qkv(2)))
    }
}

/// How many rows from the first on are the same.
pub(super) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

enum Slot {
    Resid,
    Branch,
    Qkv(usize),
}

fn slot(component: Component) -> Slot {
    use Component as C;
    match component {
        C::Embed | C::ResidPre | C::ResidMid | C::ResidPost => Slot::Resid,
        C::Q | C::QNormed | C::RotQ => Slot::Qkv(0),
        C::K | C::KNormed | C::RotK => Slot::Qkv(1),
        C::V => Slot::Qkv(2),
        _ => Slot::Branch,
    }
}
