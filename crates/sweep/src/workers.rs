//! A thread for each device, which take units from one list.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tracewright_engine::{EngineError, Execution};
use tracewright_models::Model;
use tracewright_results::Part;

use crate::attempt::Attempt;
use crate::error::SweepError;
use crate::experiment::Experiment;

/// A device on which this many units in a row have failed, each several times, is taken to be out of order.
const MOST_FAILURES: usize = 2;

/// What may wait to be heard, parts that are to be written among it: enough for a device not to wait for the
/// disk, few enough for memory.
const WAITING: usize = 16;

/// What workers tell.
pub(crate) enum Told {
    /// How much of a unit is done, in planned operations.
    Progress { unit: usize, done: u64, of: u64 },
    /// A unit has ended.
    Ended { unit: usize, outcome: Result<Part, SweepError> },
}

/// What workers share.
pub(crate) struct Workers<'a> {
    experiment: &'a dyn Experiment,
    names: &'a [&'a str],
    units: &'a [Range<usize>],
    /// The units to do, in this order.
    queue: &'a [usize],
    next: AtomicUsize,
    state: AtomicU8,
}

/// Units are done.
const GOING: u8 = 0;
/// No further unit is begun.
const STOPPING: u8 = 1;
/// Nothing that is under way is of any use.
const GIVING_UP: u8 = 2;

impl<'a> Workers<'a> {
    pub(crate) fn new(
        experiment: &'a dyn Experiment,
        names: &'a [&'a str],
        units: &'a [Range<usize>],
        queue: &'a [usize],
    ) -> Self {
        let (next, state) = (AtomicUsize::new(0), AtomicU8::new(GOING));
        Self { experiment, names, units, queue, next, state }
    }

    /// Does the units of the queue on all devices; `hear` is told of them, on this thread, and says whether
    /// another one may be begun.
    ///
    /// # Errors
    ///
    /// What `hear` gives; the units under way are given up then.
    pub(crate) fn work(
        &self,
        (models, execution): (&[&Model], &Execution),
        mut hear: impl FnMut(Told) -> Result<ControlFlow<()>, SweepError>,
    ) -> Result<(), SweepError> {
        let (sender, receiver): (_, Receiver<Told>) = sync_channel(WAITING);
        thread::scope(|scope| {
            for &model in models {
                let sender = sender.clone();
                scope.spawn(move || self.worker(model, execution, &sender));
            }
            drop(sender);
            let mut heard = Ok(());
            // To the end, so that no worker waits for somebody to listen.
            for told in receiver {
                if heard.is_err() {
                    continue;
                }
                match hear(told) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => {
                        self.state.store(STOPPING, Ordering::Relaxed);
                    }
                    Err(error) => {
                        self.state.store(GIVING_UP, Ordering::Relaxed);
                        heard = Err(error);
                    }
                }
            }
            heard
        })
    }

    fn worker(&self, model: &Model, execution: &Execution, sender: &SyncSender<Told>) {
        let Self { experiment, names, .. } = *self;
        let mut failures = 0;
        while failures < MOST_FAILURES && self.state.load(Ordering::Relaxed) == GOING {
            let Some(&unit) = self.queue.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let mut progress = |done: u64, of: u64| {
                let _ = sender.send(Told::Progress { unit, done, of });
                match self.state.load(Ordering::Relaxed) {
                    GIVING_UP => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            };
            let attempt = Attempt { experiment, names, model, execution };
            let outcome = attempt.part(&self.units[unit], &mut progress);
            if matches!(outcome, Err(SweepError::Engine(EngineError::Stopped))) {
                return;
            }
            failures = if outcome.is_err() { failures + 1 } else { 0 };
            let _ = sender.send(Told::Ended { unit, outcome });
        }
    }
}
