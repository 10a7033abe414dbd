//! A thread for each device, which take units from one list.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tracewright_engine::{EngineError, Execution};
use tracewright_models::Model;
use tracewright_results::Part;

use crate::attempt::Attempt;
use crate::error::SweepError;
use crate::experiment::Experiment;

/// The name of the threads that catch what devices panic with.
pub const WORKER: &str = "sweep worker";

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
    /// The units to do, the costliest first.
    queue: Mutex<VecDeque<usize>>,
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
        queue: &[usize],
    ) -> Self {
        let queue = Mutex::new(queue.iter().copied().collect());
        Self { experiment, names, units, queue, state: AtomicU8::new(GOING) }
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
                let worker = move || self.worker(model, execution, &sender);
                let named = thread::Builder::new().name(WORKER.to_owned());
                named
                    .spawn_scoped(scope, worker)
                    .map_err(|error| SweepError::WorkerDied { reason: error.to_string() })?;
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

    /// Takes units until there are none. After one that failed comes the one with the least work: if that fails
    /// too, it is the device that is out of order, and what is left is for others, or the next start.
    fn worker(&self, model: &Model, execution: &Execution, sender: &SyncSender<Told>) {
        let Self { experiment, names, .. } = *self;
        let mut failed = false;
        while self.state.load(Ordering::Relaxed) == GOING {
            let Some(unit) = self.next(failed) else { return };
            let mut progress = |done: u64, of: u64| {
                // Nobody waits for it to be heard.
                let _ = sender.try_send(Told::Progress { unit, done, of });
                match self.state.load(Ordering::Relaxed) {
                    GIVING_UP => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            };
            let attempt = Attempt { experiment, names, model, execution };
            let outcome = match attempt.part(&self.units[unit], &mut progress) {
                Err(SweepError::Engine(EngineError::Stopped)) => return,
                Err(error) if error.may_not_come_again() && failed => return,
                Err(error) if error.may_not_come_again() => {
                    failed = true;
                    Ok(attempt.failed(&self.units[unit], &error))
                }
                outcome => {
                    failed = false;
                    outcome
                }
            };
            if sender.send(Told::Ended { unit, outcome }).is_err() {
                return;
            }
        }
    }

    fn next(&self, least: bool) -> Option<usize> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if least { queue.pop_back() } else { queue.pop_front() }
    }
}
