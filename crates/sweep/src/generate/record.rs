//! What a task gives.

use std::collections::BTreeMap;

use serde::Serialize;

/// The tokens of a text, without any that a tokenizer would add before or after it.
pub type Encode<'a> = &'a dyn Fn(&str) -> Vec<u32>;

/// A pair of prompts, with the fields of [`Pair`](crate::Pair).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GeneratedPair {
    /// The clean prompt.
    pub clean: String,
    /// The corrupted prompt, of as many tokens, unless none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrupted: Option<String>,
    /// What the clean prompt is about, where the task has that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What should follow the clean prompt, with its leading space; one token.
    pub answer: String,
    /// What it is compared with.
    pub distractor: String,
    /// The prompts of the same shape, where the task has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What else is known of it; columns of the results.
    #[serde(flatten)]
    pub columns: BTreeMap<&'static str, String>,
}

/// A prompt of a dataset whose means replace values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeneratedPrompt {
    /// The prompt.
    pub prompt: String,
    /// The prompts of the same shape.
    pub group: String,
}

/// Records as lines of JSON, each with a line break at its end.
///
/// # Errors
///
/// Values that aren't JSON; there are none in this module's records.
pub fn to_jsonl(records: &[impl Serialize]) -> serde_json::Result<String> {
    let mut lines = String::new();
    for record in records {
        lines.push_str(&serde_json::to_string(record)?);
        lines.push('\n');
    }
    Ok(lines)
}

/// The tokens that a word, or several, adds to a text that it is put after with a space; none if it changes
/// that text's own. (A tokenizer may treat a text's beginning in a way of its own.)
pub(super) fn within_text(encode: Encode<'_>, words: &str) -> Vec<u32> {
    let whole = encode(&format!("The {words}"));
    whole.strip_prefix(encode("The").as_slice()).unwrap_or_default().to_vec()
}

/// The words of a list that are one token within a text.
///
/// # Errors
///
/// Fewer than `needed` of them.
pub(super) fn single_tokens<'a>(
    task: &'static str,
    what: &'static str,
    words: &[&'a str],
    needed: usize,
    encode: Encode<'_>,
) -> Result<Vec<&'a str>, super::GenerateError> {
    let single = |word: &&str| within_text(encode, word).len() == 1;
    let words: Vec<&str> = words.iter().copied().filter(single).collect();
    match words.len() {
        left if left < needed => {
            Err(super::GenerateError::TooFewWords { task, what, left, needed })
        }
        _ => Ok(words),
    }
}
