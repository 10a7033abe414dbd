//! What can go wrong with a sweep, by blame.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tracewright_corruption::CorruptionError;
use tracewright_engine::EngineError;
use tracewright_ir::IrError;
use tracewright_ir::plan::PlanError;
use tracewright_models::ModelError;
use tracewright_results::ResultsError;

use crate::dataset::DatasetError;
use crate::generate::GenerateError;
use crate::shard::Shard;
use crate::skip::{Skipped, listed};

/// Why a sweep can't start or go on.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum SweepError {
    /// There is no plan for it.
    #[error("{}", problem(.0))]
    Plan(#[from] PlanError),
    /// A dataset that can't be read at all.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Records that can't be used.
    #[error(
        "{} of the {} records of '{origin}' can't be used:\n{}\n{}",
        bad.len(),
        bad.len() + good,
        listed(bad),
        advice(*good)
    )]
    BadRecords { origin: String, bad: Vec<Skipped>, good: usize },
    /// Cases that can't be run.
    #[error(
        "{} of the {} cases can't be run:\n{}\n{}",
        bad.len(),
        bad.len() + good,
        listed(bad),
        advice(*good)
    )]
    BadCases { bad: Vec<Skipped>, good: usize },
    /// A task that can't be generated.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// An id that no fact has.
    #[error("there is no fact with id {id} in '{origin}': its ids go from {first} to {last}")]
    NoSuchFact { id: u64, origin: String, first: u64, last: u64 },
    /// A selection of facts that holds none.
    #[error("no facts are selected: give a --limit of at least 1, or --ids that are in the file")]
    NoFacts,
    /// A selection of pairs that holds none.
    #[error("no pairs are selected: give a --limit of at least 1")]
    NoPairs,
    /// A text, a dataset or a sweep file that can't be read.
    #[error("can't read '{}': {error}", path.display())]
    UnreadableText { path: PathBuf, error: io::Error },
    /// A rule that needs a text without one.
    #[error("noise '{rule}' takes its statistics from a text: give one with --noise-text FILE")]
    NoText { rule: String },
    /// Noise that is infinite in f32.
    #[error("noise '{rule}' draws numbers that are infinite in f32: give a lower level")]
    NoiseTooLarge { rule: String },
    /// A window or a number of samples of zero.
    #[error("{what} is 0: give at least 1")]
    Zero { what: &'static str },
    /// A window wider than any model.
    #[error("the window is {given} layers, more than there can be: give at most {most}")]
    WindowTooWide { given: usize, most: usize },
    /// A case that would take more forward passes than can be kept track of.
    #[error(
        "this trace takes {forwards} forward passes for one prompt ({samples} samples of every cell), and at most {most} are possible: give fewer samples or kinds"
    )]
    TooManyForwards { forwards: usize, samples: usize, most: usize },
    /// No kinds, or one twice.
    #[error("give each kind once: hidden, mlp, attn")]
    BadKinds,
    /// Something severed that can't be, or twice.
    #[error("only mlp and attn can be severed, each once")]
    BadSever,
    /// A noise for severed runs that isn't one.
    #[error("there is no noise '{given}' for severed runs: use same or rome")]
    UnknownSeverNoise { given: String },
    /// A word that isn't one of the known ones.
    #[error("there is no {what} '{given}'; the nearest are {}; known: {}", nearest.join(", "), known.join(", "))]
    UnknownWord {
        what: &'static str,
        given: String,
        nearest: Vec<String>,
        known: Vec<&'static str>,
    },
    /// An empty list, or something twice in it.
    #[error("give at least one {what}, each once")]
    NotEachOnce { what: &'static str },
    /// An axis that a site hasn't got.
    #[error(
        "the site '{site}' has no {axis}s to be patched one by one: leave {axis} out of --per, or give sites that have them with --site (heads: z, q, k, v, pattern; neurons: mlp_post; src_positions: scores, pattern)"
    )]
    NoAxis { site: String, axis: &'static str },
    /// A sweep file that isn't one.
    #[error("the sweep file '{}' isn't one: {problem}", path.display())]
    BadSweepFile { path: PathBuf, problem: String },
    /// An experiment that TOML can't hold.
    #[error("the experiment can't be written as TOML: {problem}")]
    UnwritableFile { problem: String },
    /// A name that a run can't have.
    #[error(
        "a run can't be called '{name}': give each run a name of its own, other than clean and corrupted"
    )]
    BadRunName { name: String },
    /// A run that is two things at once.
    #[error("the run '{name}' needs either a prompt or `of`, the run that it is a variant of")]
    PromptAndBase { name: String },
    /// A run that there isn't.
    #[error("there is no run '{name}' before it is named: known are {}", known.join(", "))]
    UnknownRun { name: String, known: Vec<String> },
    /// A source at another number of places.
    #[error("'{site}' and '{from}' aren't as many places: give a site and a layer for each")]
    SitesDiffer { site: String, from: String },
    /// Indices that aren't a selection.
    #[error(
        "'{given}' selects nothing: write indices as 3, 0-3,7 or, for all others, not 6,9 (counted from 0)"
    )]
    UnknownIndices { given: String },
    /// Indices past an axis' end, or none.
    #[error("the {axis}s {given} aren't there: the model has {len}, 0 to {}", len.saturating_sub(1))]
    NoSuchIndex { axis: &'static str, given: String, len: usize },
    /// An operation that there isn't.
    #[error(
        "there is no change '{given}': use copy, plus (the other run's value is added), zero, mean, scale=2, constant=0.5, interpolate=0.5, or with an array of an npz or safetensors file set=FILE:KEY, add=FILE:KEY, add=-2*FILE:KEY, project-out=FILE:KEY, project-in=FILE:KEY, along=FILE:KEY"
    )]
    UnknownChange { given: String },
    /// A file of another kind.
    #[error("'{}' is no npz or safetensors file: write numbers of one as FILE.npz:KEY", path.display())]
    NoVectorFile { path: PathBuf },
    /// An array of a file that doesn't fit its place.
    #[error(
        "the array of '{file}' has the shape {given:?}, which doesn't fit {site}: it takes {expected:?}, or the last axes of that"
    )]
    VectorShape { file: String, given: Vec<usize>, site: String, expected: Vec<usize> },
    /// An array that isn't in its file.
    #[error("'{}' has no array '{key}': it has {}", path.display(), known.join(", "))]
    NoArray { path: PathBuf, key: String, known: Vec<String> },
    /// An array that isn't numbers.
    #[error("the array '{key}' of '{}' isn't one of finite real numbers", path.display())]
    NoNumbers { path: PathBuf, key: String },
    /// A dataset that isn't one.
    #[error("the dataset '{}' {problem}", path.display())]
    BadDataset { path: PathBuf, problem: String },
    /// A dataset that is missing, or not asked for.
    #[error(
        "{what} needs a dataset, and only it takes one: give its file (--mean-from for mean, --from for resample)"
    )]
    NoDataset { what: &'static str },
    /// Too few prompts of a length.
    #[error(
        "'{}' has {found} other prompts of {tokens} tokens, and {needed} samples are asked for: give fewer samples or another file", path.display()
    )]
    TooFewPrompts { path: PathBuf, needed: usize, found: usize, tokens: usize },
    /// A prompt of a dataset that a grouping can't place.
    #[error("the prompt '{prompt}' has no {what}, which the means are grouped by")]
    PromptLacks { prompt: String, what: &'static str },
    /// Prompts of different lengths where positions have means.
    #[error(
        "the prompt '{prompt}' has {tokens} tokens and others of its dataset or group {others}: means by position take prompts with as many tokens, those by role or token others too"
    )]
    UnequalPrompts { prompt: String, tokens: usize, others: usize },
    /// A case of another length than the dataset's prompts.
    #[error(
        "the dataset's prompts have {of_dataset} tokens and this one {len}: means by position take prompts with as many tokens"
    )]
    OtherLength { of_dataset: usize, len: usize },
    /// A mean that the dataset hasn't got.
    #[error(
        "the dataset has no mean of '{site}' for position {position}: none of its prompts has the {by} '{key}'"
    )]
    NoMean { by: &'static str, key: String, site: String, position: usize },
    /// A mean of scores or patterns.
    #[error(
        "'{site}' has a number for each key, of which there is no mean over a dataset: give another site"
    )]
    NoMeanOfCells { site: String },
    /// Nothing to corrupt with.
    #[error(
        "nothing is copied from: give a corrupted prompt, noise, or another corruption; or a change that reads no other run, such as zero"
    )]
    NoCorruption,
    /// A corruption of a subject that isn't known.
    #[error("{corruption} changes the subject's tokens: give --subject, or say where with --on")]
    NoSubject { corruption: String },
    /// Scores or patterns of prompts of different lengths.
    #[error(
        "'{site}' has a number for each key, so it can't be copied between prompts whose positions differ: give prompts with as many tokens"
    )]
    CellsOfUnequal { site: String },
    /// A whole answer after prompts of different lengths.
    #[error("an answer of several tokens as a product takes prompts with as many tokens")]
    ProductOfUnequal,
    /// Positions or means by a subject that isn't known.
    #[error("positions and means by the subject or by roles need to know it: give --subject")]
    SubjectMissing,
    /// Means for prompts of different lengths.
    #[error("means over a dataset take prompts with as many tokens")]
    MeanOfUnequal,
    /// A whole answer and positions of metrics.
    #[error("an answer of several tokens as a product is read at the prompt's end: leave --at out")]
    ProductElsewhere,
    /// A selection on an axis that no site has.
    #[error("--{flag} selects nothing: none of the sites has {what}")]
    UnusedSelection { flag: &'static str, what: &'static str },
    /// An exception that no site is hit by.
    #[error("--except {given} leaves nothing alone: none of the sites is patched there")]
    UnusedException { given: String },
    /// One place patched twice.
    #[error("'{first}' and '{second}' are one place, which would be patched twice: name it once")]
    SamePlace { first: String, second: String },
    /// Named runs beside prompts of different lengths.
    #[error("further runs, bases and sources take prompts with as many tokens")]
    RunsOfUnequal,
    /// Metrics at positions of prompts of different lengths.
    #[error("metrics at other positions than the last take prompts with as many tokens")]
    MeasuresOfUnequal,
    /// Another operation along a path.
    #[error("senders send the other run's values: the change '{change}' isn't for paths")]
    PathsChange { change: String },
    /// A receiver that the model hasn't got.
    #[error("the receiver '{given}' isn't there: the model has {has}")]
    ReceiverOutside { given: String, has: String },
    /// A receiver that there isn't.
    #[error(
        "there is no receiver '{given}': give q, k or v of a head (q@6.5) or layer (q@6), mlp_in@8, attn_in@8, resid_pre@8, resid_mid@8, resid_post@8 or logits"
    )]
    UnknownReceiver { given: String },
    /// Receivers that nothing reaches.
    #[error(
        "no path leads from any sender to {receivers}: name receivers in later layers, or --sender embed"
    )]
    NoPath { receivers: String },
    /// Positions one by one, of senders.
    #[error(
        "senders are patched at all their positions together: give one selection of --positions, such as all, last or 3-5"
    )]
    SenderPositions,
    /// A sender that there isn't.
    #[error("the site '{site}' can't be a sender: give {known}")]
    NoSender { site: String, known: String },
    /// A window around nothing.
    #[error(
        "--window patches the layers around each cell's: it takes layer among --per, and sites in all layers (z, not z@3)"
    )]
    WindowWithoutLayers,
    /// Paths the other way round.
    #[error(
        "paths are patched with corrupted values in the clean run: the direction must be noise"
    )]
    PathsDenoise,
    /// A window of no layers.
    #[error("--window is {given}: give how many layers are patched together, from 1 on")]
    NoWindow { given: usize },
    /// Positions that aren't a selection.
    #[error(
        "there are no positions '{given}': use all, each, subject, subject-last, last, last-1, a number such as 3 (counted from 0), a range such as 3-5 or 3:last-1, a role such as first_subsequent or further, or all others: not subject"
    )]
    UnknownPositions { given: String },
    /// Positions past the prompt's end.
    #[error("the positions {given} aren't all there: the prompts have {tokens} tokens, 0 to {}", tokens - 1)]
    NoSuchPosition { given: String, tokens: usize },
    /// All positions at once, and position as an axis.
    #[error(
        "the positions 'all' are patched together, but position is an axis: give --per layer, or --positions each"
    )]
    TogetherOnAxis,
    /// Each position by itself, without the axis.
    #[error(
        "the positions 'each' are patched one by one, but position isn't an axis: give --per layer,position, or --positions all"
    )]
    EachWithoutAxis,
    /// Several selections of positions, without the axis.
    #[error(
        "several --positions are patched one by one, but position isn't an axis: give --per layer,position, or a single selection such as 3-5"
    )]
    SeveralWithoutAxis,
    /// More values read than fit in memory.
    #[error(
        "{numbers} numbers would be read, and at most {most} are possible: read fewer sites, or of fewer cells"
    )]
    TooMuchRead { numbers: usize, most: usize },
    /// A pair with more cells than can be kept track of.
    #[error(
        "this pair takes {forwards} forward passes, and at most {most} are possible: give fewer sites or positions"
    )]
    TooManyCells { forwards: usize, most: usize },
    /// Prompts whose positions don't correspond.
    #[error(
        "the clean prompt has {clean} tokens and the corrupted one {corrupted}, but values are copied from position to position, so they need as many:\n{shown}\nreword one of them, for example with another name, or say with --align subject, left or right which positions correspond"
    )]
    DifferentLengths { clean: usize, corrupted: usize, shown: String },
    /// Prompts that are the same.
    #[error(
        "the clean and the corrupted prompt are the same ('{prompt}'), so there is nothing to patch: change what the answer depends on in one of them"
    )]
    SamePrompts { prompt: String },
    /// A logit difference of a token to itself.
    #[error(
        "the answer and the distractor are the same token '{token}', so their logit difference is always 0: give another --answer or --distractor, or another metric"
    )]
    SameAnswers { token: String },
    /// An answer of several tokens.
    #[error("{problem}; or say what to do with all of them: --answer-tokens first or product")]
    LongAnswer { problem: String },
    /// Something that is wrong with one case.
    #[error("case {case}: {error}")]
    InCase { case: String, error: Box<SweepError> },
    /// Two cases of one name, whose files would be the same.
    #[error(
        "two cases are called '{name}', whose results would overwrite one another: give cases, or corruptions, names of their own"
    )]
    SameName { name: String },
    /// A shard that there can't be.
    #[error("there is no shard '{given}': give which one of how many, such as 2/4")]
    UnknownShard { given: String },
    /// A shard without work.
    #[error(
        "the shard {shard} has nothing to do: this sweep is {units} units of work, cases that share passes; give fewer shards, or a smaller --memory to all of them"
    )]
    EmptyShard { shard: Shard, units: usize },
    /// A thread that panicked.
    #[error("the device failed, or it is our bug: {reason}")]
    WorkerDied { reason: String },
    #[error(transparent)]
    Corruption(#[from] CorruptionError),
    #[error(transparent)]
    Request(#[from] IrError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Results(#[from] ResultsError),
}

impl SweepError {
    /// Two names of one place.
    pub(crate) fn same_place(first: &impl ToString, second: &impl ToString) -> Self {
        Self::SamePlace { first: first.to_string(), second: second.to_string() }
    }

    /// True for what a device, or a disk with streamed weights, has failed at: with less in its memory, or at
    /// another time, it may not.
    pub(crate) fn may_not_come_again(&self) -> bool {
        use EngineError::{Device, Model};
        matches!(self, Self::WorkerDied { .. } | Self::Engine(Device { .. } | Model(_)))
    }

    /// Tells the case where there are several; the only one needs no name to be found.
    pub(crate) fn in_one_of(self, several: bool, case: &str) -> Self {
        match several {
            true => Self::InCase { case: case.to_owned(), error: Box::new(self) },
            false => self,
        }
    }
}

/// What to do about bad records.
fn advice(good: usize) -> &'static str {
    match good {
        0 => "mend them: there are no others",
        _ => "mend them, or go on without them: --skip-bad",
    }
}

/// What keeps a request from being planned, with the budget as it was given.
fn problem(error: &PlanError) -> String {
    match error {
        PlanError::TooSmall { budget, smallest } => format!(
            "a memory budget of {} is too small for a single run: give --memory {}MiB or more",
            exact(*budget),
            smallest.div_ceil(1 << 20)
        ),
        error => error.to_string(),
    }
}

/// Bytes in the largest unit that they fill.
fn exact(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_told_as_it_was_given() {
        let told = [1, 1000, 100 << 10, 1536 << 10, 3 << 20].map(exact);
        assert_eq!(told, ["1 byte", "1000 bytes", "100KiB", "1536KiB", "3MiB"]);
    }
}
