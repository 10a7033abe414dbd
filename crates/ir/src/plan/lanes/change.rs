//! Interventions: which lane a run is in after it has acted at a place.

use std::collections::{BTreeMap, HashSet};

use crate::intervention::State;
use crate::plan::carried::CarriedRow;
use crate::plan::hash::Quick;
use crate::plan::lanes::lane::Lane;
use crate::plan::lanes::{Capture, Lanes};
use crate::plan::numbers::{Operand, Patch, mix};
use crate::plan::program::{Change, Program, Read, STAGES, whole};
use crate::site::Site;

/// What happens at each place: seats in rising order, each with its act there.
pub(super) type Events = BTreeMap<usize, Vec<(u32, u32)>>;

pub(super) fn events(program: &Program<'_>, runs: &[usize]) -> Events {
    let mut by_place = vec![Vec::new(); (program.architecture.n_layers + 1) * STAGES];
    for (seat, run) in runs.iter().enumerate() {
        for (place, act) in &program.runs[*run].acts {
            by_place[*place as usize].push((seat as u32, *act));
        }
    }
    by_place.into_iter().enumerate().filter(|(_, events)| !events.is_empty()).collect()
}

/// The captures that the runs' sources need: those that lie at another place than their reader.
pub(crate) fn captures(program: &Program<'_>, runs: &[usize]) -> Vec<Capture> {
    let mut captures = Vec::new();
    let mut known = HashSet::new();
    for change in runs.iter().flat_map(|run| &program.runs[*run].changes) {
        let change = &program.changes[*change as usize];
        let elsewhere = |read: &&Read<'_>| read.locus.site.place() != change.place && !read.above;
        for read in change.reads.iter().filter(elsewhere) {
            let capture = (read.run, read.locus.site.place(), read.state);
            if known.insert(capture) {
                captures.push(capture);
            }
        }
    }
    captures
}

impl Lanes<'_> {
    /// Lets every run act at a place; runs that differ afterwards part.
    pub(super) fn intervene(&mut self, place: usize, events: &[(u32, u32)]) {
        let mut left: Quick<(usize, u32), usize> = Quick::default();
        for (seat, act) in events {
            let seat = *seat as usize;
            let from = self.seats[seat].lane;
            let to = match left.get(&(from, *act)) {
                Some(to) => *to,
                None => {
                    let to = self.changed(from, *act, self.runs[seat], &left);
                    left.insert((from, *act), to);
                    to
                }
            };
            self.seats[seat].act(place, to);
            self.lanes[from].runs -= 1;
            self.lanes[to].runs += 1;
        }
    }

    /// The lane of runs that leave `from` by an act: an earlier one where that changes nothing.
    fn changed(
        &mut self,
        from: usize,
        act: u32,
        run: usize,
        left: &Quick<(usize, u32), usize>,
    ) -> usize {
        // A base that has come from the same lane has done the first part already.
        let mut changes = Vec::new();
        let (mut open, mut start) = (Some(act), from);
        while let Some(act) = open {
            if let Some(to) = left.get(&(from, act)) {
                start = *to;
                break;
            }
            let act = &self.program.acts[act as usize];
            changes.push(act.change);
            open = act.before;
        }
        let component = self.program.changes[changes[0] as usize].place.component;
        let next = self.lanes.len();
        let mut rows = self.lanes[start].slot(component).to_vec();
        for change in changes.iter().rev() {
            self.apply(*change, &mut rows, next as u32);
        }
        let same = |lane: &usize| rows == self.lanes[*lane].slot(component);
        if let Some(lane) = [from, start].into_iter().find(same) {
            return lane;
        }
        let lane = Lane {
            reference: Some(start),
            runs: 0,
            name: run,
            ..self.lanes[start].with(component, rows, &self.program.layout)
        };
        self.lanes.push(lane);
        self.alive.push(next);
        next
    }

    /// What a change makes of the rows at its place.
    fn apply(&mut self, change: u32, rows: &mut [u32], owner: u32) {
        let program = self.program;
        let prepared = &program.changes[change as usize];
        let component = prepared.place.component;
        let locus = &prepared.intervention.locus;
        let alone = program.layout.stands_alone(component);
        let stands_in = alone && whole(locus);
        let replaced = alone && !prepared.reads_input();
        let reads = &prepared.reads;
        let copies = prepared.copies() && reads[0].locus.site.place() == prepared.place;
        // What a function is given: its locus' rows as they are now, and all that it reads.
        let given = prepared.call().map(|_| self.given(prepared, rows));
        for index in 0..locus.positions.len(rows.len()) {
            let position = locus.positions.at(index);
            let input = rows[position];
            if copies {
                let source = self.operand(&reads[0], prepared.place, index).row;
                // Positions enter with the embeddings and rotations.
                let in_place = self.numbers.row(source).position == position as u32;
                if source == input || stands_in && in_place {
                    rows[position] = source;
                    continue;
                }
            }
            let operand = |read| self.operand(read, prepared.place, index);
            let operands: Vec<Operand> =
                given.clone().unwrap_or_else(|| reads.iter().map(operand).collect());
            let read = operands.iter().fold(0, |read, operand| self.mark(read, operand));
            let (index, effect, root) = (index as u32, prepared.effect, input);
            let patch = Patch { component, change, index, effect, input, root, replaced, operands };
            rows[position] = self.numbers.patch(patch, owner, read);
        }
    }

    /// The arguments of a function: a row of its own locus for each position, then those of each read.
    fn given(&self, change: &Change<'_>, rows: &[u32]) -> Vec<Operand> {
        let (segment, component) = (self.segment as u32, change.place.component);
        let own = |position: usize| Operand { segment, component, row: rows[position] };
        let mut given: Vec<Operand> =
            change.intervention.locus.positions.indices(rows.len()).into_iter().map(own).collect();
        for read in &change.reads {
            let len = self.program.runs[read.run].tokens.len();
            let positions = 0..read.locus.positions.len(len);
            given.extend(positions.map(|index| self.operand(read, change.place, index)));
        }
        given
    }

    /// The mark of one more operand.
    fn mark(&self, before: u64, operand: &Operand) -> u64 {
        let Operand { segment, component, row } = *operand;
        if segment == self.program.carried_segment() {
            return mix(mix(before, segment.into()), row.into());
        }
        let numbers = self.segments.get(segment as usize).unwrap_or(&self.numbers);
        mix(mix(before, u64::from(segment) << 8 | component as u64), numbers.row(row).mark)
    }

    /// What a source at `index` of its positions is, for a change at a place.
    fn operand(&self, read: &Read<'_>, at: Site, index: usize) -> Operand {
        let place = read.locus.site.place();
        let component = place.component;
        let position = read.locus.positions.at(index);
        if read.above {
            let carried = CarriedRow { run: read.run, site: place, state: read.state, position };
            let (segment, row) =
                (self.program.carried_segment(), self.program.carried.number(&carried));
            return Operand { segment, component, row };
        }
        if place != at {
            let rows = &self.captured[&(read.run, place, read.state)];
            let segment = (self.program.place(place) / STAGES) as u32;
            return Operand { segment, component, row: rows[position] };
        }
        let seat = &self.seats[self.seat(read.run)];
        let lane = match read.state {
            State::Left => seat.lane,
            State::Computed => seat.before(self.program.place(place)),
        };
        let row = self.lanes[lane].slot(component)[position];
        Operand { segment: self.segment as u32, component, row }
    }
}
