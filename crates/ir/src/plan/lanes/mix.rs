//! Attention: which rows it makes, and which lanes go on above it.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::lanes::Lanes;
use crate::plan::lanes::keys::Below;
use crate::plan::numbers::{NONE, Numbers, mix};

/// Lanes that attention has been through.
struct Mixed {
    /// The place of each lane among them.
    index: Vec<u32>,
    /// Their rows of attention.
    branches: Vec<Vec<u32>>,
}

impl Lanes<'_> {
    /// Attention: every position that sees something new gets a new row; lanes that have become
    /// equal become one.
    pub(super) fn attend(&mut self) -> Below {
        self.drop_empty();
        let next = Numbers::with_capacity(self.numbers.len());
        let numbers = std::mem::replace(&mut self.numbers, next);
        let mut below = Below::default();
        let mut mixed = Mixed { index: vec![NONE; self.lanes.len()], branches: Vec::new() };
        let mut merged: BTreeMap<usize, usize> = BTreeMap::new();
        for id in self.alive.clone() {
            self.lanes[id].project();
            let reference = self.lanes[id].reference;
            let reference = reference.map(|lane| merged.get(&lane).copied().unwrap_or(lane));
            let (reference, shared) = self.nearest(id, reference, &mixed, &numbers);
            self.lanes[id].reference = reference;
            if let Some(to) = reference.filter(|to| self.equal(id, *to)) {
                self.lanes[to].runs += self.lanes[id].runs;
                self.lanes[id].runs = 0;
                merged.insert(id, to);
                continue;
            }
            let other = reference.map(|lane| mixed.index[lane]);
            mixed.index[id] = below.push(&self.lanes[id], other, shared);
            let branch = self.mix(id, shared, &mixed, &numbers);
            mixed.branches.push(branch);
        }
        self.alive.retain(|id| !merged.contains_key(id));
        for (id, branch) in self.alive.iter().zip(mixed.branches) {
            self.lanes[*id].branch = Some(branch);
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
    fn mix(&mut self, id: usize, shared: usize, mixed: &Mixed, below: &Numbers) -> Vec<u32> {
        let (lane, list) = (&self.lanes[id], mixed.index[id]);
        let other = lane.reference.map(|other| {
            (&self.lanes[other], mixed.branches[mixed.index[other] as usize].as_slice())
        });
        let (queries, keys, values) = (lane.qkv(0), lane.qkv(1), lane.qkv(2));
        let mut branch = Vec::with_capacity(lane.resid.len());
        // The keys and values so far, in short.
        let mut seen = self.segment as u64;
        for (position, (query, resid)) in queries.iter().zip(&lane.resid).enumerate() {
            let (key, value) = (below.mark(keys[position]), below.mark(values[position]));
            seen = mix(mix(seen, key), value);
            let same = other.filter(|(other, _)| {
                position < shared
                    && other.qkv(0)[position] == *query
                    && other.resid[position] == *resid
            });
            branch.push(match same {
                Some((_, rows)) => rows[position],
                None => {
                    let mark = mix(mix(seen, below.mark(*query)), below.mark(*resid));
                    let read = (list, *query);
                    self.numbers.attention(read, position as u32, id as u32, *resid, mark)
                }
            });
        }
        branch
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
            let owner = numbers.owners[*row as usize] as usize;
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
            (lane.resid, lane.branch, lane.qkv) = (Vec::new(), None, [None, None, None]);
        }
    }
}
