//! The keys and values that the lanes of a segment hand to the attention above it.
//!
//! A lane lists only those in which it differs from an earlier one.

use crate::plan::lanes::lane::Lane;
use crate::plan::numbers::NONE;

/// A lane's keys and values, as attention reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The keys that hold the first rows of this one, an earlier one of the same segment.
    pub(crate) reference: Option<u32>,
    /// How many rows those are.
    pub(crate) shared: u32,
    /// The others: their place in [`Below::keys`] and how many there are.
    pub(crate) first: u32,
    pub(crate) len: u32,
}

/// What an attention reads of the segment below it.
#[derive(Default)]
pub(crate) struct Below {
    pub(crate) lanes: Vec<Keys>,
    /// Key rows.
    pub(crate) keys: Vec<u32>,
    /// Value rows, as many; they differ from the keys only where somebody has changed one of the two.
    pub(crate) values: Vec<u32>,
}

impl Below {
    /// Adds a lane whose first `shared` keys and values are those of `reference`.
    pub(super) fn push(&mut self, lane: &Lane, reference: Option<u32>, shared: usize) -> u32 {
        let first = self.keys.len() as u32;
        self.keys.extend_from_slice(&lane.qkv(1)[shared..]);
        self.values.extend_from_slice(&lane.qkv(2)[shared..]);
        let len = self.keys.len() as u32 - first;
        self.lanes.push(Keys { reference, shared: shared as u32, first, len });
        self.lanes.len() as u32 - 1
    }

    /// The first `len` key and value rows of a lane.
    pub(crate) fn rows(
        &self,
        lane: u32,
        len: usize,
        (keys, values): (&mut Vec<u32>, &mut Vec<u32>),
    ) {
        for rows in [&mut *keys, values] {
            rows.clear();
            rows.resize(len, NONE);
        }
        let (mut at, mut end) = (Some(lane), len);
        while let Some(lane) = at {
            let Keys { reference, shared, first, .. } = self.lanes[lane as usize];
            let shared = shared as usize;
            if shared < end {
                let own = first as usize..first as usize + end - shared;
                keys[shared..end].copy_from_slice(&self.keys[own.clone()]);
                values[shared..end].copy_from_slice(&self.values[own]);
                end = shared;
            }
            at = reference.filter(|_| end > 0);
        }
    }
}
