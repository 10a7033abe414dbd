//! What is odd about a request that can be done all the same.

use std::ops::Range;

use thiserror::Error;
use tracewright_ir::Tokens;

/// Something that a person may not have meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum Warning {
    /// A window that no layer has room for.
    #[error(
        "the window has {window} layers and the model {layers}, so each window is cut at the model's ends: a smaller one is sharper"
    )]
    WideWindow { window: usize, layers: usize },
    /// A prompt with a space at its end.
    #[error(
        "the prompt '{}' ends in a space, which changes its tokens: models expect it at the beginning of the next word, so leave it out",
        end(prompt)
    )]
    SpaceAtEnd { prompt: String },
    /// A subject with an end inside a token.
    #[error(
        "the subject '{subject}' begins or ends inside a token of '{prompt}': all of '{}' is taken",
        tokens.join("|")
    )]
    SubjectInsideTokens { subject: String, prompt: String, tokens: Vec<String> },
    /// A subject that its prompt has more than once.
    #[error(
        "the subject '{subject}' is {times} times in '{prompt}': only the first is taken, as in ROME's code"
    )]
    SubjectRepeated { subject: String, prompt: String, times: usize },
}

impl Warning {
    /// What is odd about a prompt.
    pub fn of_prompt(prompt: &str) -> Option<Self> {
        let space = prompt.ends_with(char::is_whitespace);
        space.then(|| Self::SpaceAtEnd { prompt: prompt.to_owned() })
    }

    /// What is odd about a subject that was found in these tokens of a prompt.
    pub(crate) fn of_subject(
        subject: &str,
        prompt: &str,
        tokens: &Tokens,
        range: &Range<usize>,
    ) -> Vec<Self> {
        let (subject, prompt) = (subject.trim().to_owned(), prompt.to_owned());
        let mut warnings = Vec::new();
        if covered(tokens, range, &prompt).is_some_and(|covered| covered.trim() != subject) {
            let tokens = tokens.texts[range.clone()].to_vec();
            let (subject, prompt) = (subject.clone(), prompt.clone());
            warnings.push(Self::SubjectInsideTokens { subject, prompt, tokens });
        }
        let times = prompt.matches(&subject).count();
        if times > 1 {
            warnings.push(Self::SubjectRepeated { subject, prompt, times });
        }
        warnings
    }
}

/// The end of a prompt by which it is known.
fn end(prompt: &str) -> String {
    const MOST: usize = 60;
    match prompt.chars().count().checked_sub(MOST) {
        None | Some(0) => prompt.to_owned(),
        Some(left_out) => format!("…{}", prompt.chars().skip(left_out).collect::<String>()),
    }
}

/// The part of a prompt that some tokens stand for. Not their texts: a token by itself may be a part
/// of a character.
pub(crate) fn covered<'a>(
    tokens: &Tokens,
    range: &Range<usize>,
    prompt: &'a str,
) -> Option<&'a str> {
    let offsets = tokens.offsets.get(range.clone())?;
    let start = offsets.iter().map(|offsets| offsets.start).min()?;
    let end = offsets.iter().map(|offsets| offsets.end).max()?;
    prompt.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The warnings on a subject in a prompt of these tokens, in lines.
    fn told(texts: &[&str], subject: &str, range: Range<usize>) -> String {
        let prompt = texts.concat();
        let mut end = 0;
        let offsets = texts.iter().map(|text| {
            end += text.len();
            end - text.len()..end
        });
        let tokens = Tokens {
            ids: (0..texts.len() as u32).collect(),
            offsets: offsets.collect(),
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        };
        let warnings = Warning::of_subject(subject, &prompt, &tokens, &range);
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_subject_of_whole_tokens_is_not_told() {
        assert_eq!(told(&["The", " Eif", "fel", " is"], "Eiffel", 1..3), "");
        assert_eq!(told(&["The", " Eif", "fel", " is"], " Eiffel ", 1..3), "");
    }

    #[test]
    fn a_space_at_the_end_of_a_prompt_is_told_with_what_stands_before_it() {
        let told = |prompt: &str| Warning::of_prompt(prompt).map(|warning| warning.to_string());
        assert_eq!(told("Paris is"), None);
        let long = told(&"word ".repeat(100)).unwrap_or_default();
        assert!(long.starts_with("the prompt '…word word ") && long.len() < 200, "{long}");
    }

    #[test]
    fn a_part_of_a_token_and_one_of_several_places_are_told() {
        insta::assert_snapshot!(told(&["The", " Eif", "fel", " is"], "iff", 1..3), @"the subject 'iff' begins or ends inside a token of 'The Eiffel is': all of ' Eif|fel' is taken");
        insta::assert_snapshot!(told(&["Rome", " and", " Rome"], "Rome", 0..1), @"the subject 'Rome' is 2 times in 'Rome and Rome': only the first is taken, as in ROME's code");
    }
}
