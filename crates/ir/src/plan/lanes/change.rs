//! Interventions: which lane a run is in after it has acted at a place.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::component::Component;
use crate::intervention::State;
use crate::plan::lanes::{Capture, Lanes};
use crate::plan::numbers::Operand;
use crate::plan::program::{Program, Read, STAGES, place_of, whole};
use crate::site::Site;

/// Interventions by place: runs in rising order, each with its changes in their order.
pub(super) type Events = BTreeMap<usize, Vec<(usize, u32)>>;

pub(super) fn events(program: &Program<'_>, runs: &[usize]) -> Events {
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

impl Lanes<'_> {
    /// Lets every run act at a place; runs that differ afterwards part.
    pub(super) fn intervene(&mut self, events: &[(usize, u32)]) {
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
