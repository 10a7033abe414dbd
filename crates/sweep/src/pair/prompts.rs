//! Pairs: a clean prompt and a corrupted one.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tracewright_ir::Tokens;
use tracewright_models::Tokenizer;

use super::alignment::aligned;
use crate::case::subject_tokens;
use crate::error::SweepError;
use crate::warning::{Warning, covered};

/// Two prompts to patch between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Names the pair's rows and files.
    pub name: String,
    /// The clean prompt.
    pub clean: String,
    /// The corrupted prompt.
    pub corrupted: String,
    /// What the clean prompt is about, a part of it; if not given, the tokens in which the prompts
    /// differ.
    pub subject: Option<String>,
    /// The answer, if not what the clean run says.
    pub answer: Option<String>,
    /// What the answer is compared with, if not what the corrupted run says.
    pub distractor: Option<String>,
}

/// A pair as one model's tokenizer sees it: as many tokens on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FedPair {
    /// The pair.
    pub pair: Pair,
    /// The clean prompt's tokens.
    pub clean: Tokens,
    /// The corrupted prompt's tokens.
    pub corrupted: Tokens,
    /// The subject's tokens, half open; the same positions in both prompts.
    pub subject: Range<usize>,
    /// The token of [`Pair::answer`].
    pub answer: Option<u32>,
    /// The token of [`Pair::distractor`].
    pub distractor: Option<u32>,
}

impl Pair {
    /// The pairs that stand for a first look, where none is given: equally many tokens for the built-in
    /// model and for GPT-2, and different in their subjects alone.
    pub fn built_in() -> Vec<Self> {
        let pair = |name: &str, clean: &str, corrupted: &str| Self {
            name: name.to_owned(),
            clean: clean.to_owned(),
            corrupted: corrupted.to_owned(),
            ..Self::default()
        };
        vec![
            pair("france-poland", "The capital of France is", "The capital of Poland is"),
            pair("jobs-gates", "Steve Jobs is employed by", "Bill Gates is employed by"),
        ]
    }

    /// Finds the tokens of the prompts, the subject and the answers, which continue the clean
    /// prompt.
    ///
    /// # Errors
    ///
    /// An empty or too long prompt, prompts of equal tokens or of different numbers of them, a
    /// subject that isn't in the clean prompt, an answer of several tokens.
    pub fn feed(self, tokenizer: &Tokenizer) -> Result<FedPair, SweepError> {
        let clean = tokenizer.prompt(&self.clean)?;
        let corrupted = tokenizer.prompt(&self.corrupted)?;
        if clean.len() != corrupted.len() {
            return Err(SweepError::DifferentLengths {
                clean: clean.len(),
                corrupted: corrupted.len(),
                shown: aligned(&clean.texts, &corrupted.texts),
            });
        }
        let Some(difference) = difference(&clean.ids, &corrupted.ids) else {
            return Err(SweepError::SamePrompts { prompt: self.clean });
        };
        let subject = match &self.subject {
            Some(subject) => subject_tokens(&clean, &self.clean, subject)?,
            None => difference,
        };
        let token = |answer: &Option<String>| {
            answer.as_ref().map(|answer| tokenizer.answer(&self.clean, answer)).transpose()
        };
        let (answer, distractor) = (token(&self.answer)?, token(&self.distractor)?);
        Ok(FedPair { pair: self, clean, corrupted, subject, answer, distractor })
    }
}

impl FedPair {
    /// The subject's text in the clean prompt.
    pub fn subject_text(&self) -> String {
        let found = covered(&self.clean, &self.subject, &self.pair.clean).map(str::to_owned);
        let found = found.unwrap_or_else(|| self.clean.texts[self.subject.clone()].concat());
        self.pair.subject.clone().unwrap_or_else(|| found.trim().to_owned())
    }

    /// What is odd about the pair.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let Pair { clean, corrupted, subject, .. } = &self.pair;
        let of_prompts = [clean, corrupted].into_iter().filter_map(|p| Warning::of_prompt(p));
        let of_subject = subject
            .iter()
            .flat_map(|subject| Warning::of_subject(subject, clean, &self.clean, &self.subject));
        of_prompts.chain(of_subject).collect()
    }
}

/// From the first to the last place at which two lists of equal length differ.
fn difference(a: &[u32], b: &[u32]) -> Option<Range<usize>> {
    let differs = |(a, b): (&u32, &u32)| a != b;
    let first = a.iter().zip(b).position(differs)?;
    let last = a.iter().zip(b).rposition(differs)?;
    Some(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_differ_from_their_first_to_their_last_other_token() {
        assert_eq!(difference(&[1, 2, 3, 4, 5], &[1, 7, 3, 8, 5]), Some(1..4));
        assert_eq!(difference(&[1, 2], &[1, 3]), Some(1..2));
        assert_eq!(difference(&[1, 2], &[1, 2]), None);
    }
}
