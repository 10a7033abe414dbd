//! Tasks that can't be generated.

use thiserror::Error;

/// Why there are no records.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum GenerateError {
    /// More than can be held.
    #[error(
        "{wanted} records of {task} are asked for, and at most {most} are made at once: ask for fewer"
    )]
    TooMany { task: &'static str, wanted: usize, most: usize },
    /// A tokenizer that splits a task's words.
    #[error(
        "{task} needs {needed} {what} that are one token each, and finds {left}: use a model with a larger vocabulary"
    )]
    TooFewWords { task: &'static str, what: &'static str, left: usize, needed: usize },
    /// Nothing new is drawn any more.
    #[error(
        "only {made} records of {task} are found with this tokenizer, and {wanted} are asked for: ask for fewer, or use a model with a larger vocabulary"
    )]
    Exhausted { task: &'static str, wanted: usize, made: usize },
    /// Parts of a sequence that don't fit one another.
    #[error(
        "a sequence of {first} tokens is to be shown again up to token {shown}, but the one after that is the answer: show at least 1 and fewer than {first}"
    )]
    BadLengths { first: usize, shown: usize },
}
