//! Attention: which rows it makes, and which lanes go on above it.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::hash::Quick;
use crate::plan::lanes::Lanes;
use crate::plan::lanes::keys::Below;
use crate::plan::lanes::lane::Lane;
use crate::plan::numbers::{Birth, NONE, Numbers, Row, mix};

/// Lanes that attention has been through.
struct Mixed {
    /// The place of each lane among them.
    index: Vec<u32>,
    /// Their rows of attention.
    branches: Vec<Vec<u32>>,
    /// The marks of their keys and values up to each position, one lane after the other, and where each
    /// lane's begin.
    seen: Vec<u64>,
    firsts: Vec<usize>,
}

impl Lanes<'_> {
    /// Attention: every position that sees something new gets a new row; lanes that have become
    /// equal become one.
    pub(super) fn attend(&mut self) -> Below {
        self.drop_empty();
        let next = Numbers::with_capacity(self.numbers.rows.len());
        let numbers = std::mem::replace(&mut self.numbers, next);
        let mut below = Below::default();
        let index = vec![NONE; self.lanes.len()];
        let (branches, seen, firsts) = (Vec::new(), Vec::new(), Vec::new());
        let mut mixed = Mixed { index, branches, seen, firsts };
        let mut merged: BTreeMap<usize, usize> = BTreeMap::new();
        let mut twins: Quick<u64, usize> = Quick::default();
        for id in self.alive.clone() {
            self.lanes[id].project();
            let reference = self.lanes[id].reference;
            let reference = reference.map(|lane| merged.get(&lane).copied().unwrap_or(lane));
            let (reference, shared) = self.nearest(id, reference, &mixed, &numbers);
            self.lanes[id].reference = reference;
            // Two lanes may have become equal on different ways, with references that don't tell.
            let twin = *twins.entry(self.digest(id)).or_insert(id);
            let mut earlier = reference.into_iter().chain((twin != id).then_some(twin));
            if let Some(to) = earlier.find(|to| self.equal(id, *to)) {
                self.lanes[to].runs += self.lanes[id].runs;
                self.lanes[id].runs = 0;
                merged.insert(id, to);
                continue;
            }
            let other = reference.map(|lane| mixed.index[lane]);
            mixed.index[id] = below.push(&self.lanes[id], other, shared);
            self.mix(id, shared, &mut mixed, &numbers);
        }
        self.alive.retain(|id| !merged.contains_key(id));
        for (id, branch) in self.alive.iter().zip(mixed.branches) {
            self.lanes[*id].branch = Some(branch);
            self.lanes[*id].plain = true;
            self.lanes[*id].qkv = [None, None, None];
        }
        if !merged.is_empty() {
            for seat in &mut self.seats {
                seat.lane = merged.get(&seat.lane).copied().unwrap_or(seat.lane);
            }
        }
        self.segments.push(numbers);
        below
    }

    /// A lane's rows after attention: those of its reference as long as the stream, queries, keys and
    /// values are the same.
    fn mix(&mut self, id: usize, shared: usize, mixed: &mut Mixed, below: &Numbers) {
        let mut branch = self.spare.pop().unwrap_or_default();
        let (lane, list) = (&self.lanes[id], mixed.index[id]);
        mixed.firsts.push(mixed.seen.len());
        let other = lane.reference.map(|other| &self.lanes[other]);
        let of_other = lane.reference.map(|other| mixed.index[other] as usize);
        let rows = of_other.map_or(&[][..], |other| &mixed.branches[other]);
        if let (Some(other), Some(index)) = (other, of_other) {
            let same = shared.min(lane.common_queries(other));
            branch.extend_from_slice(&rows[..same]);
            let first = mixed.firsts[index];
            mixed.seen.extend_from_within(first..first + same);
        }
        let mut seen = match branch.len() {
            0 => self.segment as u64,
            _ => mixed.seen[mixed.seen.len() - 1],
        };
        let (queries, keys, values) = (lane.qkv(0), lane.qkv(1), lane.qkv(2));
        let mark = |row: u32| below.row(row).mark;
        let mark_at = |position: usize| both(mark(keys[position]), mark(values[position]));
        // Without a window all later positions see one, too.
        let windowed = self.program.is_windowed(self.segment);
        // The last position whose key or value is another than the reference's, or just any.
        let mut parted = None;
        for position in branch.len()..lane.resid.len() {
            let (query, resid) = (queries[position], lane.resid[position]);
            let seen_keys = match windowed {
                true => self.program.keys(self.segment, position as u32),
                false => 0..position + 1,
            };
            seen = match seen_keys.start {
                0 => mix(seen, mark_at(position)),
                _ => seen_keys.clone().map(mark_at).fold(self.segment as u64, mix),
            };
            mixed.seen.push(seen);
            let asks = position >= shared && (parted.is_none() || windowed);
            if asks && other.is_some_and(|other| lane.parts(other, position)) {
                parted = Some(position);
            }
            let same = |other: &&Lane| {
                parted.is_none_or(|parted| parted < seen_keys.start)
                    && other.qkv(0).get(position) == Some(&query)
                    && other.resid.get(position) == Some(&resid)
            };
            if other.filter(same).is_some() {
                branch.push(rows[position]);
                continue;
            }
            let (birth, owner) = (Birth::Attention { keys: list, query }, id as u32);
            let mark = mix(seen, both(mark(query), mark(resid)));
            let position = position as u32;
            branch.push(self.numbers.push(Row { birth, owner, position, resid, mark }));
        }
        mixed.branches.push(branch);
    }

    /// The earlier lane with the longest common beginning: the lane's reference, or the one that the
    /// first other row was copied from.
    fn nearest(
        &self,
        id: usize,
        reference: Option<usize>,
        mixed: &Mixed,
        numbers: &Numbers,
    ) -> (Option<usize>, usize) {
        let lane = &self.lanes[id];
        let mut best = reference.map_or((None, 0), |r| (Some(r), lane.common(&self.lanes[r])));
        while let Some(row) = lane.qkv(1).get(best.1) {
            let owner = numbers.row(*row).owner as usize;
            if owner >= id || Some(owner) == best.0 || mixed.index[owner] == NONE {
                break;
            }
            let shared = lane.common(&self.lanes[owner]);
            if shared <= best.1 {
                break;
            }
            best = (Some(owner), shared);
        }
        best
    }

    /// A number that equal lanes have in common.
    fn digest(&self, id: usize) -> u64 {
        let lane = &self.lanes[id];
        let streams = [lane.resid.as_slice(), lane.qkv(0), lane.qkv(1), lane.qkv(2)];
        let streams = if lane.is_stream() { &streams[..1] } else { &streams };
        let next = |digest: u64, row: &u32| {
            digest.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(*row) + 1)
        };
        streams.iter().copied().flatten().fold(0, next)
    }

    fn equal(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.lanes[a], &self.lanes[b]);
        a.resid == b.resid && (0..3).all(|which| a.qkv(which) == b.qkv(which))
    }

    /// Lanes that every run has left go on only where several others are told apart by them.
    fn drop_empty(&mut self) {
        let empty = |id: &usize| self.lanes[*id].runs == 0;
        let mut children: BTreeMap<usize, Vec<usize>> =
            self.alive.iter().filter(|id| empty(id)).map(|id| (*id, Vec::new())).collect();
        if children.is_empty() {
            return;
        }
        for id in &self.alive {
            if let Some(of_lane) = self.lanes[*id].reference.and_then(|r| children.get_mut(&r)) {
                of_lane.push(*id);
            }
        }
        let mut dropped = BTreeSet::new();
        let emptied: Vec<usize> = children.keys().rev().copied().collect();
        for id in emptied {
            let of_lane = children.remove(&id).unwrap_or_default();
            if of_lane.len() > 1 {
                continue;
            }
            let reference = self.lanes[id].reference;
            for child in &of_lane {
                self.lanes[*child].reference = reference;
            }
            if let Some(siblings) = reference.and_then(|r| children.get_mut(&r)) {
                siblings.retain(|sibling| *sibling != id);
                siblings.extend(of_lane);
            }
            dropped.insert(id);
        }
        self.alive.retain(|id| !dropped.contains(id));
        for id in dropped {
            let lane = &mut self.lanes[id];
            (lane.resid, lane.branch, lane.mlp) = (Vec::new(), None, None);
            lane.qkv = [None, None, None];
        }
    }
}

/// The mark of two rows, mostly of one.
fn both(a: u64, b: u64) -> u64 {
    if a == b { a } else { mix(a, b) }
}
