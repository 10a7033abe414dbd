//! Forward: which rows there are.
//!
//! Runs that are still equal move in one lane. A lane is nothing but the numbers of its rows, one for
//! each position; runs whose interventions make a difference leave it for a lane of their own. What
//! two lanes share (a corrupted run and the clean one before the subject, a variant and its base
//! before the patch, two windows of layers before one of them ends) has the same numbers, so it is
//! computed once, and a patch that changes nothing makes no number at all.

mod change;
mod keys;
mod lane;
mod mix;

use std::collections::{BTreeMap, HashMap};

use crate::component::Component;
use crate::intervention::State;
use crate::plan::numbers::{NONE, Numbers, mix};
use crate::plan::program::{Program, STAGES};
use crate::site::Site;

use change::{Events, events};
use lane::{Lane, common};

pub(crate) use change::captures;
pub(crate) use keys::Below;

/// What is asked of a place: a run's rows before or after its own interventions there.
pub(crate) type Capture = (usize, Site, State);

/// All rows of a pass.
pub(crate) struct Numbered {
    pub(crate) segments: Vec<Numbers>,
    /// What the attention at the bottom of each segment reads; the first segment has none.
    pub(crate) below: Vec<Below>,
    /// The rows that were asked for: by position.
    pub(crate) captured: HashMap<Capture, Vec<u32>>,
    /// The first run of each lane.
    pub(crate) names: Vec<usize>,
    /// The rows of each lane at the top; none of those that don't get there.
    tops: Vec<Vec<u32>>,
    /// The runs, and the lane at the top of each.
    runs: Vec<usize>,
    top: Vec<usize>,
}

impl Numbered {
    /// A run's rows at the logits.
    pub(crate) fn logits(&self, run: usize) -> &[u32] {
        &self.tops[self.top[seat(&self.runs, run)]]
    }
}

/// A run's place among those of a pass, which are in rising order.
fn seat(runs: &[usize], run: usize) -> usize {
    runs.partition_point(|other| *other < run)
}

/// The numbering under way.
struct Lanes<'a> {
    program: &'a Program<'a>,
    runs: &'a [usize],
    lanes: Vec<Lane>,
    /// Lanes that go on, in rising order.
    alive: Vec<usize>,
    /// Where each of the runs is.
    seats: Vec<Seat>,
    /// The segment that is worked on, its rows, and those of the segments below.
    segment: usize,
    numbers: Numbers,
    segments: Vec<Numbers>,
    captured: HashMap<Capture, Vec<u32>>,
    /// Room for rows that no lane needs any more.
    spare: Vec<Vec<u32>>,
}

/// Where a run is: its lane, and the one that it was in before it acted at a place.
#[derive(Clone, Copy)]
struct Seat {
    lane: usize,
    earlier: usize,
    /// The last place at which it acted.
    acted: Option<usize>,
}

impl Seat {
    fn act(&mut self, place: usize, to: usize) {
        *self = Self { lane: to, earlier: self.lane, acted: Some(place) };
    }

    /// The lane before the run's own interventions at the place that is being worked on.
    fn before(&self, place: usize) -> usize {
        if self.acted == Some(place) { self.earlier } else { self.lane }
    }
}

/// Numbers the rows of these runs, which must hold their bases and sources.
pub(crate) fn number(program: &Program<'_>, runs: &[usize], captures: &[Capture]) -> Numbered {
    let n_layers = program.architecture.n_layers;
    let mut lanes = Lanes {
        program,
        runs,
        lanes: Vec::new(),
        alive: Vec::new(),
        seats: Vec::with_capacity(runs.len()),
        segment: 0,
        numbers: Numbers::default(),
        segments: Vec::new(),
        captured: HashMap::new(),
        spare: Vec::new(),
    };
    let events = events(program, runs);
    let mut wanted: BTreeMap<usize, Vec<Capture>> = BTreeMap::new();
    for capture in captures {
        wanted.entry(program.place(capture.1)).or_default().push(*capture);
    }
    lanes.start();
    let mut below = Vec::new();
    for segment in 0..=n_layers {
        lanes.segment = segment;
        below.push(if segment > 0 { lanes.attend() } else { Below::default() });
        lanes.stages(&events, &wanted);
    }
    let Lanes { lanes, seats, captured, mut segments, numbers, .. } = lanes;
    segments.push(numbers);
    let names = lanes.iter().map(|lane| lane.name).collect();
    let tops = lanes.into_iter().map(Lane::into_top).collect();
    let top = seats.into_iter().map(|seat| seat.lane).collect();
    Numbered { segments, below, captured, names, tops, runs: runs.to_vec(), top }
}

impl Lanes<'_> {
    /// Puts runs of equal tokens into one lane, and finds the prefixes that prompts share.
    fn start(&mut self) {
        let mut by_tokens: HashMap<&[u32], usize> = HashMap::new();
        for run in self.runs {
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
                let (name, branch, mlp, plain) = (*run, None, None, false);
                self.lanes.push(Lane { reference, runs: 0, name, resid, branch, plain, qkv, mlp });
                self.alive.push(next);
            }
            self.lanes[lane].runs += 1;
            self.seats.push(Seat { lane, earlier: lane, acted: None });
        }
    }

    fn seat(&self, run: usize) -> usize {
        seat(self.runs, run)
    }

    fn longest_prefix(&self, resid: &[u32]) -> Option<usize> {
        let shared = |lane: &usize| common(&self.lanes[*lane].resid, resid);
        (0..self.lanes.len()).rev().max_by_key(shared).filter(|lane| shared(lane) > 0)
    }

    /// All stages of a segment above its attention, as far as they make a difference.
    fn stages(&mut self, events: &Events, wanted: &BTreeMap<usize, Vec<Capture>>) {
        let first = self.segment * STAGES;
        let layout = &self.program.layout;
        let place = |sum: Component| (first + usize::from(layout.rank(sum)), sum);
        let joins: Vec<(usize, Component)> =
            layout.sums(self.segment).into_iter().map(place).collect();
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
                self.intervene(place, events);
            }
            self.capture(captures, State::Left);
        }
    }

    /// Adds what attention, the MLP or positions make to the residual stream of every lane.
    fn join(&mut self, component: Component) {
        let layout = &self.program.layout;
        let of_mlp = component == layout.mlp_sum();
        for index in 0..self.alive.len() {
            let id = self.alive[index];
            let lane = &mut self.lanes[id];
            let branch = if of_mlp { lane.mlp.take() } else { lane.branch.take() };
            let Some(branch) = branch else { continue };
            if of_mlp && layout.is_parallel() {
                // The stream before the sum is what attention reads.
                lane.part();
            } else if lane.plain && !of_mlp {
                let mut old = std::mem::replace(&mut lane.resid, branch);
                old.clear();
                self.spare.push(old);
                continue;
            }
            let mut stream = std::mem::take(&mut self.lanes[id].resid);
            for (resid, branch) in stream.iter_mut().zip(branch) {
                *resid = self.sum(component, *resid, branch, id as u32);
            }
            self.lanes[id].resid = stream;
        }
    }

    /// The sum of a residual row and a branch's. A row of attention already stands for its sum with the
    /// residual row below it; any other branch row has the number of the row that it was computed from.
    fn sum(&mut self, component: Component, resid: u32, branch: u32, owner: u32) -> u32 {
        let own = self.numbers.row(branch).resid;
        let of_attention = component == self.program.layout.attention_sum();
        let (mark, same) = match self.segments.last().filter(|_| of_attention) {
            Some(_) if own == resid => return branch,
            Some(below) => {
                let mark = below.row(resid).mark;
                (mark, own != NONE && below.row(own).mark == mark)
            }
            _ if branch == resid => return branch,
            _ => {
                let mark = self.numbers.row(resid).mark;
                (mark, self.numbers.row(branch).mark == mark)
            }
        };
        let branch_mark = self.numbers.row(branch).mark;
        let mark = if same { branch_mark } else { mix(mark, branch_mark) };
        self.numbers.join(component, resid, branch, owner, mark)
    }

    fn capture(&mut self, captures: &[Capture], state: State) {
        for capture in captures.iter().filter(|capture| capture.2 == state) {
            let lane = self.seats[self.seat(capture.0)].lane;
            let rows = self.lanes[lane].slot(capture.1.place().component).to_vec();
            self.captured.insert(*capture, rows);
        }
    }
}
