//! Forward: which rows there are.
//!
//! Runs that are still equal move in one lane. A lane is nothing but the numbers of its rows, one for
//! each position; runs whose interventions make a difference leave it for a lane of their own. What
//! two lanes share (a corrupted run and the clean one before the subject, a variant and its base
//! before the patch, two windows of layers before one of them ends) has the same numbers, so it is
//! computed once, and a patch that changes nothing makes no number at all.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::component::Component;
use crate::intervention::State;
use crate::plan::numbers::{NONE, Numbers, Operand};
use crate::plan::program::{Program, Read, STAGES, place_of, whole};
use crate::plan::stage;
use crate::site::Site;

/// The rows of runs that are equal so far.
#[derive(Clone)]
pub(crate) struct Lane {
    /// An earlier lane that shares the first rows.
    pub(crate) reference: Option<usize>,
    /// Runs that are in it.
    pub(crate) runs: usize,
    /// The first run that was in it, for messages.
    pub(crate) name: usize,
    /// The residual stream: a row for each position. Between an attention and `resid_mid` these lie in
    /// the segment below.
    pub(crate) resid: Vec<u32>,
    /// What will be added to the stream or goes into q, k and v; none where its rows have the same
    /// numbers as the stream's.
    pub(crate) branch: Option<Vec<u32>>,
    /// q, k and v where they differ from the branch.
    pub(crate) qkv: [Option<Vec<u32>>; 3],
}

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

/// What is asked of a place: a run's rows before or after its own interventions there.
pub(crate) type Capture = (usize, Site, State);

/// All rows of a pass.
pub(crate) struct Numbered {
    pub(crate) segments: Vec<Numbers>,
    /// What the attention at the bottom of each segment reads; the first segment has none.
    pub(crate) below: Vec<Below>,
    /// The rows that were asked for: by position.
    pub(crate) captured: HashMap<Capture, Vec<Operand>>,
    /// The first run of each lane.
    pub(crate) names: Vec<usize>,
}

/// The numbering under way.
pub(crate) struct Lanes<'a> {
    program: &'a Program<'a>,
    lanes: Vec<Lane>,
    /// Lanes that go on, in rising order.
    alive: Vec<usize>,
    /// The lane of each run; none ([`NOWHERE`]) for runs that aren't in the pass.
    of_run: Vec<usize>,
    segment: usize,
    numbers: Numbers,
    captured: HashMap<Capture, Vec<Operand>>,
}

const NOWHERE: usize = usize::MAX;

/// Lanes that attention has been through.
struct Mixed {
    /// The place of each lane among them.
    index: Vec<u32>,
    /// Their rows of attention.
    branches: Vec<Vec<u32>>,
}

/// Interventions by place: runs in rising order, each with its changes in their order.
type Events = BTreeMap<usize, Vec<(usize, u32)>>;

/// Numbers the rows of these runs, which must hold their bases and sources.
pub(crate) fn number(program: &Program<'_>, runs: &[usize], captures: &[Capture]) -> Numbered {
    let n_layers = program.architecture.n_layers;
    let mut lanes = Lanes {
        program,
        lanes: Vec::new(),
        alive: Vec::new(),
        of_run: vec![NOWHERE; program.runs.len()],
        segment: 0,
        numbers: Numbers::default(),
        captured: HashMap::new(),
    };
    let events = events(program, runs);
    let mut wanted: BTreeMap<usize, Vec<Capture>> = BTreeMap::new();
    for capture in captures {
        wanted.entry(program.place(capture.1)).or_default().push(*capture);
    }
    lanes.start(runs);
    let (mut segments, mut below) = (Vec::new(), Vec::new());
    for segment in 0..=n_layers {
        lanes.segment = segment;
        below.push(if segment > 0 { lanes.attend(&mut segments) } else { Below::default() });
        lanes.stages(&events, &wanted);
    }
    segments.push(std::mem::take(&mut lanes.numbers));
    let names = lanes.lanes.iter().map(|lane| lane.name).collect();
    Numbered { segments, below, captured: lanes.captured, names }
}

fn events(program: &Program<'_>, runs: &[usize]) -> Events {
    let n_layers = program.architecture.n_layers;
    let places: Vec<usize> =
        program.changes.iter().map(|change| place_of(change.place, n_layers)).collect();
    let mut by_place = vec![Vec::new(); (n_layers + 1) * STAGES];
    let mut chain = Vec::new();
    for run in runs {
        chain.clear();
        program.chain(*run, &mut chain);
        for change in &chain {
            by_place[places[*change as usize]].push((*run, *change));
        }
    }
    by_place.into_iter().enumerate().filter(|(_, events)| !events.is_empty()).collect()
}

impl Lanes<'_> {
    /// Puts runs of equal tokens into one lane, and finds the prefixes that prompts share.
    fn start(&mut self, runs: &[usize]) {
        let mut by_tokens: HashMap<&[u32], usize> = HashMap::new();
        for run in runs {
            let tokens = self.program.runs[*run].tokens;
            let next = self.lanes.len();
            let lane = *by_tokens.entry(tokens).or_insert(next);
            if lane == next {
                let row = |(position, token): (usize, &u32)| {
                    self.numbers.token(*token, position as u32, next as u32)
                };
                let resid: Vec<u32> = tokens.iter().enumerate().map(row).collect();
                let reference = self.longest_prefix(&resid);
                let qkv = [None, None, None];
                self.lanes.push(Lane { reference, runs: 0, name: *run, resid, branch: None, qkv });
                self.alive.push(next);
            }
            self.lanes[lane].runs += 1;
            self.of_run[*run] = lane;
        }
    }

    fn longest_prefix(&self, resid: &[u32]) -> Option<usize> {
        let shared = |lane: &usize| common(&self.lanes[*lane].resid, resid);
        (0..self.lanes.len()).rev().max_by_key(shared).filter(|lane| shared(lane) > 0)
    }

    /// All stages of a segment above its attention, as far as they make a difference.
    fn stages(&mut self, events: &Events, wanted: &BTreeMap<usize, Vec<Capture>>) {
        let first = self.segment * STAGES;
        let joins: &[Component] = match self.segment {
            0 => &[Component::ResidPre],
            _ => &[Component::ResidMid, Component::ResidPost],
        };
        let joins: Vec<(usize, Component)> =
            joins.iter().map(|join| (first + usize::from(stage::rank(*join)), *join)).collect();
        let range = first..first + STAGES;
        let mut places: Vec<usize> = events.range(range.clone()).map(|(place, _)| *place).collect();
        places.extend(wanted.range(range).map(|(place, _)| *place));
        places.extend(joins.iter().map(|(place, _)| *place));
        places.sort_unstable();
        places.dedup();
        for place in places {
            if let Some((_, component)) = joins.iter().find(|(at, _)| *at == place) {
                self.join(*component);
            }
            let none = Vec::new();
            let captures = wanted.get(&place).unwrap_or(&none);
            self.capture(captures, State::Computed);
            if let Some(events) = events.get(&place) {
                self.intervene(events);
            }
            self.capture(captures, State::Left);
        }
    }

    /// Adds the branch of every lane to its residual stream.
    fn join(&mut self, component: Component) {
        for index in 0..self.alive.len() {
            let id = self.alive[index];
            let lane = &mut self.lanes[id];
            let Some(branch) = lane.branch.take() else { continue };
            for (resid, branch) in lane.resid.iter_mut().zip(branch) {
                // A row of attention already stands for its sum with the residual row below it; any
                // other branch row has the number of the row that it was computed from.
                let plain = match component {
                    Component::ResidMid => self.numbers.resids[branch as usize] == *resid,
                    _ => branch == *resid,
                };
                *resid = match plain {
                    true => branch,
                    false => self.numbers.join(component, *resid, branch, id as u32),
                };
            }
        }
    }

    fn capture(&mut self, captures: &[Capture], state: State) {
        for capture in captures.iter().filter(|capture| capture.2 == state) {
            let component = capture.1.place().component;
            let segment = self.segment as u32;
            let rows = self.lanes[self.of_run[capture.0]].slot(component).iter();
            let operand = |row: &u32| Operand { segment, component, row: *row };
            self.captured.insert(*capture, rows.map(operand).collect());
        }
    }

    /// Lets every run act at a place; runs that differ afterwards part.
    fn intervene(&mut self, events: &[(usize, u32)]) {
        let mut left: HashMap<(usize, Vec<u32>), usize> = HashMap::new();
        let mut before: HashMap<usize, usize> = HashMap::new();
        for group in events.chunk_by(|a, b| a.0 == b.0) {
            let run = group[0].0;
            let from = self.of_run[run];
            let changes: Vec<u32> = group.iter().map(|(_, change)| *change).collect();
            let to = match left.get(&(from, changes.clone())) {
                Some(to) => *to,
                None => {
                    let to = self.changed(from, run, &changes, &before);
                    left.insert((from, changes), to);
                    to
                }
            };
            before.insert(run, from);
            if to != from {
                self.lanes[from].runs -= 1;
                self.lanes[to].runs += 1;
                self.of_run[run] = to;
            }
        }
    }

    /// The lane of runs that leave `from` by these changes: `from` itself where they change nothing.
    fn changed(
        &mut self,
        from: usize,
        run: usize,
        changes: &[u32],
        before: &HashMap<usize, usize>,
    ) -> usize {
        let component = self.program.changes[changes[0] as usize].place.component;
        let next = self.lanes.len();
        let mut rows = self.lanes[from].slot(component).to_vec();
        for change in changes {
            self.apply(*change, &mut rows, next as u32, before);
        }
        if rows == self.lanes[from].slot(component) {
            return from;
        }
        let mut lane = self.lanes[from].clone();
        (lane.reference, lane.runs, lane.name) = (Some(from), 0, run);
        *lane.slot_mut(component) = rows;
        self.lanes.push(lane);
        self.alive.push(next);
        next
    }

    /// Attention: every position that sees something new gets a new row; lanes that have become
    /// equal become one.
    fn attend(&mut self, segments: &mut Vec<Numbers>) -> Below {
        self.drop_empty();
        let numbers = std::mem::take(&mut self.numbers);
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
            let branch = self.mix(id, shared, &mixed);
            mixed.branches.push(branch);
        }
        self.alive.retain(|id| !merged.contains_key(id));
        for (id, branch) in self.alive.iter().zip(mixed.branches) {
            self.lanes[*id].branch = Some(branch);
            self.lanes[*id].qkv = [None, None, None];
        }
        if !merged.is_empty() {
            for lane in &mut self.of_run {
                *lane = merged.get(lane).copied().unwrap_or(*lane);
            }
        }
        segments.push(numbers);
        below
    }

    /// A lane's rows after attention: those of its reference as long as queries, keys and values are
    /// the same.
    fn mix(&mut self, id: usize, shared: usize, mixed: &Mixed) -> Vec<u32> {
        let (lane, keys) = (&self.lanes[id], mixed.index[id]);
        let other = lane
            .reference
            .map(|other| (self.lanes[other].qkv(0), &mixed.branches[mixed.index[other] as usize]));
        let mut branch = Vec::with_capacity(lane.resid.len());
        for (position, (query, resid)) in lane.qkv(0).iter().zip(&lane.resid).enumerate() {
            let same = other.filter(|(q, _)| position < shared && q[position] == *query);
            branch.push(match same {
                Some((_, rows)) => rows[position],
                None => self.numbers.attention(*query, keys, position as u32, id as u32, *resid),
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

impl Lane {
    /// The rows that stand at a component.
    pub(crate) fn slot(&self, component: Component) -> &[u32] {
        match slot(component) {
            Slot::Resid => &self.resid,
            Slot::Branch => self.branch.as_ref().unwrap_or(&self.resid),
            Slot::Qkv(which) => self.qkv(which),
        }
    }

    fn slot_mut(&mut self, component: Component) -> &mut Vec<u32> {
        match slot(component) {
            Slot::Resid => &mut self.resid,
            Slot::Branch => self.branch.get_or_insert_default(),
            Slot::Qkv(which) => self.qkv[which].get_or_insert_default(),
        }
    }

    /// q, k or v.
    fn qkv(&self, which: usize) -> &[u32] {
        self.qkv[which].as_ref().or(self.branch.as_ref()).unwrap_or(&self.resid)
    }

    /// Ends the branch that leads to q, k and v.
    fn project(&mut self) {
        if let Some(branch) = self.branch.take() {
            for rows in &mut self.qkv {
                rows.get_or_insert_with(|| branch.clone());
            }
        }
    }

    /// How many keys and values from the first on are those of another lane.
    fn common(&self, other: &Self) -> usize {
        common(self.qkv(1), other.qkv(1)).min(common(self.qkv(2), other.qkv(2)))
    }
}

fn common(a: &[u32], b: &[u32]) -> usize {
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

impl Below {
    fn push(&mut self, lane: &Lane, reference: Option<u32>, shared: usize) -> u32 {
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

impl Lanes<'_> {
    /// What a change makes of the rows at its place.
    fn apply(&mut self, change: u32, rows: &mut [u32], owner: u32, before: &HashMap<usize, usize>) {
        let program = self.program;
        let prepared = &program.changes[change as usize];
        let component = prepared.place.component;
        let locus = &prepared.intervention.locus;
        let positions = locus.positions.indices(rows.len());
        let stands_in = stands_alone(component) && whole(locus);
        let sources: Vec<Vec<Operand>> =
            prepared.reads.iter().map(|read| self.operands(read, prepared.place, before)).collect();
        let copies = prepared.copies();
        for (index, position) in positions.into_iter().enumerate() {
            let operands: Vec<Operand> = sources.iter().map(|source| source[index]).collect();
            let input = rows[position];
            let here = |o: &Operand| o.segment == self.segment as u32 && o.component == component;
            let place = |row: u32| self.numbers.positions[row as usize] == position as u32;
            rows[position] = match operands[..] {
                [o] if copies && here(&o) && o.row == input => input,
                // Positions enter with the embeddings and rotations.
                [o] if copies && here(&o) && place(o.row) && stands_in => o.row,
                _ => {
                    let which = (change, index as u32);
                    self.numbers.patch(component, which, input, operands, owner)
                }
            };
        }
    }

    /// The rows that a source is read from, in the order of its positions.
    fn operands(&self, read: &Read<'_>, at: Site, before: &HashMap<usize, usize>) -> Vec<Operand> {
        let place = read.locus.site.place();
        let component = place.component;
        let len = self.program.runs[read.run].tokens.len();
        let positions = read.locus.positions.indices(len);
        if place != at {
            let captured = &self.captured[&(read.run, read.locus.site.place(), read.state)];
            return positions.into_iter().map(|position| captured[position]).collect();
        }
        let lane = match read.state {
            State::Left => self.of_run[read.run],
            State::Computed => before.get(&read.run).copied().unwrap_or(self.of_run[read.run]),
        };
        let rows = self.lanes[lane].slot(component);
        let operand =
            |position| Operand { segment: self.segment as u32, component, row: rows[position] };
        positions.into_iter().map(operand).collect()
    }
}

/// Whether everything above a row's value is computed from that value alone, so that another run's
/// row can stand in for it.
fn stands_alone(component: Component) -> bool {
    use Component as C;
    !matches!(component, C::Scores | C::Pattern | C::Ln1Scale | C::Ln2Scale | C::FinalScale)
}

/// The captures that the runs' sources need: those that lie at another place than their reader.
pub(crate) fn captures(program: &Program<'_>, runs: &[usize]) -> Vec<Capture> {
    let mut captures = Vec::new();
    let mut known = HashSet::new();
    let mut chain = Vec::new();
    for run in runs {
        chain.clear();
        program.chain(*run, &mut chain);
        for change in &chain {
            let change = &program.changes[*change as usize];
            for read in change.reads.iter().filter(|r| r.locus.site.place() != change.place) {
                let capture = (read.run, read.locus.site.place(), read.state);
                if known.insert(capture) {
                    captures.push(capture);
                }
            }
        }
    }
    captures
}
