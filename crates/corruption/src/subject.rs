//! Which tokens of a prompt are its subject.

use std::ops::Range;

use tracewright_ir::Tokens;

use crate::CorruptionError;

/// The tokens that cover `subject` in `prompt`, half open.
///
/// The rule is that of ROME's `find_token_range`: join the tokens' texts, find the first
/// occurrence of the subject in the join; `start` is the first token that ends past the start of
/// the subject, `end` is one past the first token that reaches its end.
///
/// The join lacks the subject where one of its characters is split over several tokens, and it is
/// no guide where texts of single tokens drop spaces (SentencePiece): there the tokens' offsets
/// decide, by the first occurrence in the prompt. Tokens that were added (BOS) have no place in
/// the prompt, and their texts don't enter the join.
///
/// # Errors
///
/// [`CorruptionError::EmptySubject`]; [`CorruptionError::SubjectNotInPrompt`], which names the
/// part of the prompt that differs only in case or in the spaces around it;
/// [`CorruptionError::SubjectWithoutTokens`] where the tokenizer dropped the subject.
pub fn subject_range(
    tokens: &Tokens,
    prompt: &str,
    subject: &str,
) -> Result<Range<usize>, CorruptionError> {
    if subject.is_empty() {
        return Err(CorruptionError::EmptySubject { prompt: prompt.to_owned() });
    }
    let by_texts = || range_by_texts(tokens, subject);
    let by_offsets = || range_by_offsets(tokens, prompt, subject);
    let range = if drops_spaces(tokens, prompt) {
        by_offsets().or_else(by_texts)
    } else {
        by_texts().or_else(by_offsets)
    };
    range.ok_or_else(|| explain(tokens, prompt, subject))
}

/// Pairs of a token's position and its text, for the tokens that stand for a part of the prompt.
fn texts_of_prompt(tokens: &Tokens) -> impl Iterator<Item = (usize, &str)> {
    let pairs = tokens.texts.iter().zip(&tokens.offsets).enumerate();
    pairs.filter(|(_, (_, offsets))| !offsets.is_empty()).map(|(i, (text, _))| (i, text.as_str()))
}

/// ROME counts characters; bytes of the same string are in the same order and cheaper.
fn range_by_texts(tokens: &Tokens, subject: &str) -> Option<Range<usize>> {
    let joined: String = texts_of_prompt(tokens).map(|(_, text)| text).collect();
    let from = joined.find(subject)?;
    let to = from + subject.len();
    let mut ends = texts_of_prompt(tokens).scan(0, |end, (i, text)| {
        *end += text.len();
        Some((i, *end))
    });
    let (start, first_end) = ends.find(|&(_, end)| end > from)?;
    if first_end >= to {
        return Some(start..start + 1);
    }
    let (last, _) = ends.find(|&(_, end)| end >= to)?;
    Some(start..last + 1)
}

/// All tokens that overlap the subject: of two tokens that share a split character both do.
fn range_by_offsets(tokens: &Tokens, prompt: &str, subject: &str) -> Option<Range<usize>> {
    let from = prompt.find(subject)?;
    let to = from + subject.len();
    let overlaps =
        |offsets: &Range<usize>| !offsets.is_empty() && offsets.start < to && offsets.end > from;
    let start = tokens.offsets.iter().position(overlaps)?;
    let last = tokens.offsets.iter().rposition(overlaps)?;
    Some(start..last + 1)
}

fn drops_spaces(tokens: &Tokens, prompt: &str) -> bool {
    let spaces = |text: &str| text.chars().filter(|c| c.is_whitespace()).count();
    let kept: usize = texts_of_prompt(tokens).map(|(_, text)| spaces(text)).sum();
    kept < spaces(prompt)
}

fn explain(tokens: &Tokens, prompt: &str, subject: &str) -> CorruptionError {
    let (subject, prompt) = (subject.to_owned(), prompt.to_owned());
    if prompt.contains(&subject) {
        CorruptionError::SubjectWithoutTokens { subject, prompt, texts: tokens.texts.clone() }
    } else {
        let nearest = find_ignoring_case(&prompt, subject.trim()).map(str::to_owned);
        CorruptionError::SubjectNotInPrompt { subject, prompt, nearest }
    }
}

/// The first part of `text` that is equal to `wanted` but for case, as `text` spells it.
fn find_ignoring_case<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    if wanted.is_empty() {
        return None;
    }
    text.char_indices().find_map(|(start, _)| {
        let rest = &text[start..];
        // Lower case can have another length, so the end is looked for, not computed.
        let mut lowered = String::new();
        for (at, c) in rest.char_indices() {
            lowered.extend(c.to_lowercase());
            if lowered == wanted {
                return Some(&rest[..at + c.len_utf8()]);
            }
            if !wanted.starts_with(&lowered) {
                break;
            }
        }
        None
    })
}

#[cfg(test)]
#[path = "subject_tests.rs"]
mod tests;
