//! What passes hand to later ones: sources that lie above their readers.
//!
//! Such a source is known only when its run has gone further than its reader may go. So the reader
//! waits for a later pass, and just the rows that it reads are carried over.

use std::collections::{BTreeSet, HashMap};

use crate::component::Component;
use crate::intervention::State;
use crate::plan::program::Program;
use crate::site::Site;

/// A row that is carried: of which run (counted over all requests), where, in which state and at which
/// position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarriedRow {
    /// The run.
    pub run: usize,
    /// The place.
    pub site: Site,
    /// Before or after the run's own interventions there.
    pub state: State,
    /// The position.
    pub position: usize,
}

/// Everything that the passes of a program carry; a row's number is its index.
#[derive(Default)]
pub(crate) struct Carried {
    pub(crate) rows: Vec<CarriedRow>,
    numbers: HashMap<CarriedRow, u32>,
}

impl Carried {
    /// What the runs that are asked for read from above, they and those that they need.
    pub(crate) fn of(program: &Program<'_>) -> Self {
        if program.runs.iter().all(|run| run.level == 0) {
            return Self::default();
        }
        let mut open: Vec<usize> = program.clean.iter().flatten().copied().collect();
        for (request, offset) in program.requests.iter().zip(&program.offsets) {
            let readings = request.readings.iter().map(|reading| &reading.run);
            open.extend(request.measured.iter().chain(readings).map(|run| offset + run.0));
        }
        let (mut carried, mut seen) = (Self::default(), vec![false; program.runs.len()]);
        while let Some(run) = open.pop() {
            if std::mem::replace(&mut seen[run], true) {
                continue;
            }
            open.extend(program.needs(run));
            for read in program.own_reads(run).filter(|read| read.above) {
                open.push(read.run);
                let len = program.runs[read.run].tokens.len();
                for position in read.locus.positions.indices(len) {
                    let site = read.locus.site.place();
                    carried.add(CarriedRow { run: read.run, site, state: read.state, position });
                }
            }
        }
        carried
    }

    fn add(&mut self, row: CarriedRow) {
        let next = self.rows.len() as u32;
        if *self.numbers.entry(row).or_insert(next) == next {
            self.rows.push(row);
        }
    }

    /// A row's number.
    pub(crate) fn number(&self, row: &CarriedRow) -> u32 {
        self.numbers[row]
    }

    /// The components and numbers of all.
    pub(crate) fn values(&self) -> BTreeSet<(Component, u32)> {
        self.rows.iter().map(|row| row.site.component).zip(0..).collect()
    }
}
