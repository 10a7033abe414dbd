//! Cases: a prompt with its subject and answer.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_corruption::{CorruptionError, subject_range};
use tracewright_ir::Tokens;
use tracewright_models::Tokenizer;

use crate::dataset::Place;
use crate::error::SweepError;
use crate::warning::Warning;

/// A prompt to trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Case {
    /// Names the case's rows and files; a fact's id.
    pub name: String,
    /// The prompt, which the answer completes.
    pub prompt: String,
    /// What the prompt is about; noise goes to its tokens.
    pub subject: String,
    /// What the model should say; where it says something else, the case isn't traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is measured, if not what the model says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What else its dataset says of it, such as its `relation_id`: results can be averaged by it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// Where it stands in its dataset.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// A case as one model's tokenizer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fed {
    /// The case.
    pub case: Case,
    /// The prompt's tokens.
    pub tokens: Tokens,
    /// The subject's tokens, half open.
    pub subject: Range<usize>,
    /// The token of [`Case::answer`].
    pub answer: Option<u32>,
}

impl Case {
    /// Finds the tokens of prompt, subject and answer.
    ///
    /// # Errors
    ///
    /// An empty or too long prompt, a subject that isn't in it, an answer of several tokens.
    pub fn feed(self, tokenizer: &Tokenizer) -> Result<Fed, SweepError> {
        let tokens = tokenizer.prompt(&self.prompt)?;
        let subject = subject_tokens(&tokens, &self.prompt, &self.subject)?;
        let answer = self.answer.as_ref().map(|a| tokenizer.answer(&self.prompt, a)).transpose()?;
        Ok(Fed { case: self, tokens, subject, answer })
    }
}

impl Fed {
    /// What is odd about the case.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let Self { case, tokens, subject, .. } = self;
        let of_subject = Warning::of_subject(&case.subject, &case.prompt, tokens, subject);
        Warning::of_prompt(&case.prompt).into_iter().chain(of_subject).collect()
    }
}

/// A subject's tokens. A space after it belongs to the next one, so it doesn't count; nor does one
/// before it that the prompt hasn't got.
pub(crate) fn subject_tokens(
    tokens: &Tokens,
    prompt: &str,
    subject: &str,
) -> Result<Range<usize>, CorruptionError> {
    let trimmed = |_| subject_range(tokens, prompt, subject.trim());
    subject_range(tokens, prompt, subject.trim_end()).or_else(trimmed)
}
