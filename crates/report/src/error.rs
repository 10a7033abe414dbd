//! What can be wrong with a figure.

/// Why a figure or a summary wasn't made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// No token, no layer or no panel.
    #[error("the heatmap {title:?} is empty: it has {rows} tokens and {columns} layers")]
    Empty {
        /// The heatmap's title.
        title: String,
        /// Its number of tokens.
        rows: usize,
        /// Its number of layers.
        columns: usize,
    },
    /// A word that stands for nothing.
    #[error("there are no {what} '{given}': give one of {known}")]
    NoSuch {
        /// What was asked for: colours, a format.
        what: &'static str,
        /// The word.
        given: String,
        /// The words that are known.
        known: String,
    },
    /// A figure of nothing.
    #[error("there is no heatmap or curve to draw: a figure needs at least one")]
    NoPanels,
    /// A grid that isn't tokens × layers.
    #[error("{name:?} has {given} values where {expected} were expected (tokens × layers)")]
    WrongSize {
        /// The heatmap's title or the grid's kind.
        name: String,
        /// The number of values given.
        given: usize,
        /// The number that the tokens and layers ask for.
        expected: usize,
    },
    /// A subject that isn't in the prompt.
    #[error("the subject is at tokens {start}..{end} of a prompt of {tokens} tokens")]
    Subject {
        /// The subject's first token.
        start: usize,
        /// One past the subject's last token.
        end: usize,
        /// The prompt's number of tokens.
        tokens: usize,
    },
    /// More pixels than a figure can have.
    #[error("the figure would be {width} × {height} pixels: draw fewer heatmaps side by side")]
    TooLarge {
        /// The width in pixels.
        width: i64,
        /// The height in pixels.
        height: i64,
    },
    /// Cells that can't be averaged.
    #[error("the cells can't be averaged: {0}")]
    Averages(String),
    /// The drawing library failed.
    #[error("drawing the figure failed: {0}")]
    Drawing(String),
}
