//! One comparison measured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use tracewright_ir::Sweep;
use tracewright_models::Model;

use super::list::{Comparison, Figure, Other};
use super::ours::{InProcess, ours, reference};
use super::peer::Peer;
use super::range::Range;
use super::rounds::Rounds;
use super::side::{Measured, Side};
use super::task::Task;
use super::{cells, operations};

/// What a comparison gave.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// Our seconds.
    pub ours: Range,
    /// The other side's.
    pub theirs: Range,
    /// Theirs / ours, repetition by repetition.
    pub ratio: Range,
    /// Cells of the sweep.
    pub cells: usize,
    /// Cells that the other side was timed on; where these are fewer, its time is multiplied.
    pub timed: usize,
    /// The largest difference of the two sides' values, as a fraction of their range.
    pub difference: f64,
    /// Floating point operations of our pass.
    pub operations: f64,
    /// What is to be reached.
    pub figure: Figure,
}

/// What the measurements have in common.
pub(super) struct Setting {
    pub(super) python: PathBuf,
    /// A folder for what peers log.
    pub(super) logs: PathBuf,
    pub(super) repeat: usize,
    /// Whether every cell of the other side is timed.
    pub(super) full: bool,
}

/// The other side.
enum Theirs<'a> {
    Reference(InProcess<'a>),
    Peer { peer: Peer, sweep: Box<Sweep> },
}

impl Side for Theirs<'_> {
    fn run(&mut self, chosen: &[usize]) -> Result<Measured> {
        match self {
            Self::Reference(executor) => executor.run(chosen),
            Self::Peer { peer, sweep } => peer.ask(&cells::message(sweep, chosen)),
        }
    }
}

impl Setting {
    /// Measures a comparison on its model; `folder` is where a peer finds that.
    ///
    /// # Errors
    ///
    /// A side that fails, and sides that disagree.
    pub(super) fn measure(
        &self,
        comparison: &Comparison,
        model: &Model,
        folder: &str,
        versions: &mut BTreeMap<String, String>,
    ) -> Result<Timing> {
        let task = &comparison.task;
        let sweep = task.sweep(model)?;
        let (total, figure) = (sweep.cells.len(), comparison.figure);
        let operations = operations::operations(model.architecture(), &sweep.request)?;
        let mut ours = InProcess { model, task, execute: ours };
        let mut theirs = match comparison.other.script() {
            None => Theirs::Reference(InProcess { model, task, execute: reference }),
            Some(script) => {
                let job = job(comparison, folder);
                let peer = Peer::start(&self.python, script, job, &self.logs)?;
                versions.extend(peer.versions.clone());
                Theirs::Peer { peer, sweep: Box::new(sweep) }
            }
        };
        let timed = if self.full { None } else { comparison.timed };
        let timed = cells::spread(total, timed.unwrap_or(total));
        let rounds = Rounds { total, timed, probabilities: matches!(task, Task::Trace { .. }) };
        let times = rounds.alternate(&mut ours, &mut theirs, self.repeat)?;
        Ok(Timing {
            ours: Range::of(&times.ours),
            theirs: Range::of(&times.theirs),
            ratio: Range::of(&times.ratios()),
            cells: total,
            timed: rounds.timed.len(),
            difference: times.difference,
            operations,
            figure,
        })
    }
}

fn job(comparison: &Comparison, folder: &str) -> Value {
    let mut job = comparison.task.job();
    job["model"] = folder.into();
    job["batched"] = (comparison.other == Other::NnsightBatched).into();
    job
}
