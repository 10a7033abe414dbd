//! The comparisons, with the figures that they are to reach.

use anyhow::{Result, ensure};
use serde::Serialize;
use tracewright_models::Model;
use tracewright_sweep::Facts;

use super::task::{Patched, Task};

/// One sweep, by us and by somebody else.
pub(super) struct Comparison {
    pub(super) name: String,
    pub(super) model: ModelName,
    pub(super) task: Task,
    pub(super) other: Other,
    /// How many cells of the other side are timed to stand for all of them; `None`: all.
    pub(super) timed: Option<usize>,
    pub(super) figure: Figure,
}

/// The model that both sides load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelName {
    /// GPT-2 small with random weights.
    Random,
    /// The one embedded in the program.
    BuiltIn,
}

/// Who is on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    Rome,
    TransformerLens,
    /// One trace for each cell.
    Nnsight,
    /// All cells as invokes of one trace.
    NnsightBatched,
    /// Our own reference executor.
    Reference,
}

impl Other {
    /// The script that plays it.
    pub(super) fn script(self) -> Option<&'static str> {
        match self {
            Self::Rome => Some("rome.py"),
            Self::TransformerLens => Some("transformer_lens_pair.py"),
            Self::Nnsight | Self::NnsightBatched => Some("nnsight_pair.py"),
            Self::Reference => None,
        }
    }
}

/// What a comparison is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// How many times faster than the other side.
    Ratio {
        /// It must be.
        at_least: f64,
        /// It should be.
        goal: f64,
    },
    /// At most so many seconds for our side.
    Seconds(f64),
    /// Nothing: the comparison is for information.
    None,
}

/// Every comparison, in the order of the issue; `built_in` is the built-in model.
pub(super) fn all(built_in: &Model) -> Result<Vec<Comparison>> {
    use Other as O;
    let ratio = |at_least, goal| Figure::Ratio { at_least, goal };
    let new = |name: &str, task: &Task, other, timed, figure| {
        let (name, task, model) = (name.to_owned(), task.clone(), ModelName::Random);
        Comparison { name, model, task, other, timed, figure }
    };
    let [start, middle] = [0..3, 3..6].map(|subject| Task::trace(12, subject));
    let long = Task::trace(30, 8..11);
    let (pair, long_pair) = (Task::pair(12, Patched::Stream), Task::pair(30, Patched::Stream));
    let heads = Task::pair(12, Patched::Heads);
    let cells = Task::pair(12, Patched::HeadsByPosition);
    // IOI's prompts differ in the second subject: "When Mary and John went to the store, John gave …".
    let [early, second] = [3, 9].map(|differs| Task::paired(12, differs, Patched::Heads));
    let facts =
        new("rome-facts", &Task::built_in(built_in)?, O::Rome, Some(36), Figure::Seconds(2.0));
    let ten = Facts::built_in()?.select(&[], Some(10))?;
    let known = ten.into_iter().map(|case| {
        let name = format!("known-{}", case.name);
        let fact = new(&name, &Task::fact(built_in, case)?, O::Rome, Some(36), Figure::None);
        Ok(Comparison { model: ModelName::BuiltIn, ..fact })
    });
    let known = known.collect::<Result<Vec<_>>>()?;
    let mut all = vec![
        new("rome-12-0", &start, O::Rome, Some(36), ratio(5.0, 6.0)),
        new("rome-12-3", &middle, O::Rome, Some(36), ratio(7.5, 9.0)),
        new("rome-30-8", &long, O::Rome, Some(12), ratio(9.5, 11.0)),
        Comparison { model: ModelName::BuiltIn, ..facts },
        new("transformer-lens-12", &pair, O::TransformerLens, None, ratio(35.0, 40.0)),
        new("transformer-lens-30", &long_pair, O::TransformerLens, Some(12), ratio(28.0, 40.0)),
        new("transformer-lens-heads", &heads, O::TransformerLens, None, ratio(18.0, 25.0)),
        new("transformer-lens-heads-3", &early, O::TransformerLens, None, ratio(18.0, 25.0)),
        new("transformer-lens-heads-9", &second, O::TransformerLens, None, ratio(18.0, 25.0)),
        new("transformer-lens-cells", &cells, O::TransformerLens, Some(144), ratio(30.0, 40.0)),
        new("nnsight-12", &pair, O::Nnsight, None, ratio(20.0, 30.0)),
        new("nnsight-30", &long_pair, O::Nnsight, Some(12), ratio(12.0, 15.0)),
        new("nnsight-batched-12", &pair, O::NnsightBatched, None, ratio(3.5, 4.0)),
        new("nnsight-batched-30", &long_pair, O::NnsightBatched, None, ratio(3.5, 4.0)),
        new("reference-rome-12-0", &start, O::Reference, Some(36), Figure::None),
        new("reference-rome-12-3", &middle, O::Reference, Some(36), Figure::None),
        new("reference-rome-30-8", &long, O::Reference, Some(36), Figure::None),
        new("reference-pair-12", &pair, O::Reference, None, Figure::None),
        new("reference-pair-30", &long_pair, O::Reference, Some(36), Figure::None),
    ];
    // What many facts take, beside docs/performance.md's time for all of them.
    all.extend(known);
    Ok(all)
}

/// Those whose name is, or begins with, one of `names`; all where none are given.
///
/// # Errors
///
/// A name that picks nothing.
pub(super) fn pick(all: Vec<Comparison>, names: &[String]) -> Result<Vec<Comparison>> {
    let known: Vec<&str> = all.iter().map(|comparison| comparison.name.as_str()).collect();
    for name in names {
        let found = known.iter().any(|known| known.starts_with(name));
        ensure!(found, "no comparison is called '{name}'; there are {}", known.join(", "));
    }
    let picked = |comparison: &Comparison| {
        names.is_empty() || names.iter().any(|name| comparison.name.starts_with(name))
    };
    Ok(all.into_iter().filter(picked).collect())
}
