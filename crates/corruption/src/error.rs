//! What can be wrong with a corruption or its input.

use thiserror::Error;

/// Why a corruption can't be made from what was given.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CorruptionError {
    /// The text of a noise rule isn't one.
    #[error(
        "the noise rule '{rule}' isn't valid: {reason}; give a deviation such as 0.1, or \
         s<k> (s3: k deviations of the subjects' embeddings), u<x> (u0.3: uniform on (-x, x)), \
         m (normal with the embeddings' mean and covariance) or t<v> (t3: Student's t with \
         v > 2 degrees of freedom)"
    )]
    Rule {
        /// The rule as it was given.
        rule: String,
        /// What is wrong with it, as a clause.
        reason: &'static str,
    },

    /// A chi-squared distribution needs a positive, finite number of degrees of freedom.
    #[error(
        "{0} degrees of freedom were given, but a chi-squared draw needs a positive, finite \
         number; choose another number of degrees"
    )]
    DegreesOfFreedom(f64),

    /// Too little data for a statistic.
    #[error(
        "{given} {what} were given, but at least {needed} are needed; give more text or subjects"
    )]
    TooFew {
        /// The things that are counted, in the plural.
        what: &'static str,
        /// How many there were.
        given: usize,
        /// How many it takes.
        needed: usize,
    },

    /// NaN or an infinity among the embeddings.
    #[error(
        "value {index} of the embeddings is {value}, but noise statistics need finite values; \
         check the checkpoint's embedding weights"
    )]
    NotFinite {
        /// Position in the order in which the values were given, from 0.
        index: usize,
        /// The value.
        value: f32,
    },

    /// A row of embeddings has another width than was promised.
    #[error(
        "row {row} of the embeddings has {given} values where {expected} were expected; \
         give rows of the model's d_model"
    )]
    RowWidth {
        /// Which row, from 0.
        row: usize,
        /// Its length.
        given: usize,
        /// The length that it should have.
        expected: usize,
    },

    /// The statistics belong to another model's embeddings.
    #[error(
        "noise of width {given} was asked for, but its mean and covariance come from embeddings \
         of width {expected}; take the statistics from the model that is traced"
    )]
    Width {
        /// The width asked for.
        given: usize,
        /// The width of the statistics.
        expected: usize,
    },

    /// The eigenvalue iteration gave up.
    #[error(
        "the eigenvalues of the {width} x {width} embedding covariance weren't found in {steps} \
         steps; use another noise text, or the rule s3"
    )]
    NoEigenvalues {
        /// Width of the covariance.
        width: usize,
        /// Steps taken.
        steps: usize,
    },

    /// Student noise has a fixed number of factors.
    #[error(
        "Student noise for {samples} samples of {tokens} tokens needs {samples} x {tokens} \
         factors, but there are {limit}, one for each row; ask for fewer samples or a shorter \
         subject"
    )]
    TooManyRows {
        /// Noise samples asked for.
        samples: usize,
        /// Tokens asked for.
        tokens: usize,
        /// How many rows have a factor.
        limit: usize,
    },

    /// The noise doesn't fit in memory.
    #[error(
        "noise of {samples} samples x {tokens} tokens x {d_model} values doesn't fit in memory; \
         ask for fewer samples"
    )]
    TooLarge {
        /// Noise samples asked for.
        samples: usize,
        /// Tokens asked for.
        tokens: usize,
        /// Width asked for.
        d_model: usize,
    },

    /// The subject has no characters.
    #[error(
        "the subject is empty, but it must be a part of the prompt '{prompt}'; name the words to corrupt"
    )]
    EmptySubject {
        /// The prompt.
        prompt: String,
    },

    /// The prompt doesn't contain the subject.
    #[error(
        "the subject '{subject}' isn't in the prompt '{prompt}'; {}",
        match nearest {
            Some(nearest) => format!("did you mean '{nearest}'?"),
            None => "give it exactly as it is written there".to_owned(),
        }
    )]
    SubjectNotInPrompt {
        /// The subject.
        subject: String,
        /// The prompt.
        prompt: String,
        /// The part of the prompt that differs from the subject only in case or in the
        /// spaces around it.
        nearest: Option<String>,
    },

    /// The prompt contains the subject but no token covers it.
    #[error(
        "no token of the prompt '{prompt}' covers the subject '{subject}' (the tokens are \
         {texts:?}); the tokenizer drops it or the tokens belong to another prompt: choose \
         another subject"
    )]
    SubjectWithoutTokens {
        /// The subject.
        subject: String,
        /// The prompt.
        prompt: String,
        /// The prompt's tokens, each decoded by itself.
        texts: Vec<String>,
    },
}
