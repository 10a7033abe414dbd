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
use crate::plan::numbers::{Numbers, Operand};
use crate::plan::program::{Program, STAGES};
use crate::plan::stage;
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
    pub(crate) captured: HashMap<Capture, Vec<Operand>>,
    /// The first run of each lane.
    pub(crate) names: Vec<usize>,
}

/// The numbering under way.
struct Lanes<'a> {
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
}
