//! What can be wrong with a request.

use thiserror::Error;

use crate::architecture::fill;
use crate::component::Component;
use crate::run::RunId;
use crate::site::{Site, comparable};

/// A request that can't be answered; every message says what was given and what would do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum IrError {
    /// A name that no site has.
    #[error("there is no site '{given}'; the nearest names are {}", nearest.join(", "))]
    UnknownSite { given: String, nearest: Vec<String> },
    /// A component that a model of this shape hasn't got.
    #[error("a {family} model has no site '{site}': {reason}")]
    MissingSite { site: Site, family: String, reason: &'static str },
    /// Something other than a number where the layer should stand.
    #[error("'{given}' isn't a layer's number: write it as in '{component}@0'")]
    BadLayer { component: Component, given: String },
    /// A layer past the last one.
    #[error("'{site}' doesn't exist: the model has layers 0 to {}", n_layers.saturating_sub(1))]
    LayerOutOfRange { site: Site, n_layers: usize },
    /// A site without the layer that it needs.
    #[error("'{component}' stands in every layer: say which one, as in '{component}@0'")]
    NoLayer { component: Component },
    /// A layer given for a component that the model has once.
    #[error("'{component}' exists once, not in every layer: leave the layer out")]
    StrayLayer { component: Component },
    /// A selection on an axis that the site hasn't got.
    #[error("'{site}' has no axis '{axis}' to select on")]
    NoSuchAxis { site: Site, axis: &'static str },
    /// An index past the end of its axis.
    #[error("{axis} {index} of '{site}' doesn't exist: the axis has {len} (0 to {})", len.saturating_sub(1))]
    IndexOutOfRange { site: Site, axis: &'static str, index: usize, len: usize },
    /// A selection of nothing, which would be an intervention that never fires.
    #[error("nothing is selected on axis '{axis}' of '{site}': name at least one index")]
    EmptySelection { site: Site, axis: &'static str },
    /// Indices that don't rise, or stand twice.
    #[error("the indices on axis '{axis}' of '{site}' must rise and stand once each")]
    UnsortedSelection { site: Site, axis: &'static str },
    /// A value of another shape than its locus.
    #[error("a value of shape {given:?} at '{site}' doesn't fit a place of shape {expected:?}")]
    WrongShape { site: Site, given: Vec<usize>, expected: Vec<usize> },
    /// A value with axes of another kind than its locus', even if their lengths agree.
    #[error("a value of '{given}' ({}) doesn't fit '{site}' ({}): the axes differ", axes(*given), axes(*site))]
    WrongAxes { site: Site, given: Site },
    /// An array whose numbers don't fill its shape.
    #[error(
        "the array at '{site}' has {given} numbers, but its shape {shape:?} has places for {expected}"
    )]
    WrongCount { site: Site, given: usize, shape: Vec<usize>, expected: usize },
    /// A constant, factor or array element that f32 can't hold.
    #[error("the number {value} at '{site}' isn't finite in f32")]
    NotFinite { site: Site, value: String },
    /// A mean over no runs.
    #[error("the mean at '{site}' is over no runs: name at least one")]
    EmptyMean { site: Site },
    /// A direction without a length.
    #[error("the direction at '{site}' has only zeros: give one that points somewhere")]
    NoDirection { site: Site },
    /// A direction among scores or patterns.
    #[error(
        "'{site}' has a number for each key, among which there are no directions: give another site"
    )]
    DirectionOfCells { site: Site },
    /// Top tokens asked for where no metric says of which position.
    #[error(
        "the likeliest tokens are those where the first metric reads: give at least one metric"
    )]
    TopWithoutMetric,
    /// Top-k accuracy of no tokens.
    #[error("the top 0 tokens hold no answer: give a k of at least 1")]
    NoTop,
    /// A prompt without tokens.
    #[error("the prompt is empty: give at least one token")]
    EmptyPrompt,
    /// A prompt longer than the model's context.
    #[error(
        "the prompt has {len} tokens, but the model's context is {context}: shorten the prompt"
    )]
    PromptTooLong { len: usize, context: usize },
    /// A token id outside the vocabulary.
    #[error("there is no token {id}: the model's vocabulary has {vocab} (0 to {})", vocab.saturating_sub(1))]
    UnknownToken { id: u32, vocab: usize },
    /// A run that isn't in the request.
    #[error("run {run} doesn't exist")]
    NoSuchRun { run: RunId },
    /// A base or a source that doesn't come before its reader.
    #[error(
        "run {run} needs run {needs}, which doesn't come before it: bases and sources come first"
    )]
    LaterRun { run: RunId, needs: RunId },
    /// A difference of logits without one of its sides.
    #[error("a logit difference needs at least one answer and one distractor")]
    EmptyLogitDiff,
    /// A metric's position past the end of a run.
    #[error("a metric reads position {position}, but a run has {len} tokens (0 to {})", len.saturating_sub(1))]
    MeasureOutOfRange { position: usize, len: usize },
    /// Any of these, with the run that it is in.
    #[error("in run '{run}': {error}")]
    InRun { run: String, error: Box<IrError> },
}

fn axes(site: Site) -> String {
    site.component.axes().iter().map(|axis| axis.name()).collect::<Vec<_>>().join(", ")
}

impl IrError {
    pub(crate) fn in_run(self, run: &str) -> Self {
        Self::InRun { run: run.to_owned(), error: Box::new(self) }
    }

    /// An unknown name with the (up to three) known names that are most like it.
    pub(crate) fn unknown_site(given: &str, known: &[String]) -> Self {
        let (pattern, layer) = comparable(given);
        let nearest = nearest(&pattern, known.iter().map(String::as_str));
        let nearest = nearest.iter().map(|name| fill(name, layer.or(Some(0)))).collect();
        Self::UnknownSite { given: given.to_owned(), nearest }
    }
}

/// The (up to three) known names that are most like a name that isn't known, for messages.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut ranked: Vec<(f64, &str)> =
        known.into_iter().map(|name| (strsim::jaro_winkler(given, name), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    ranked.dedup_by_key(|(_, name)| *name);
    ranked.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}
