//! Repeated random tokens, for induction heads.
//!
//! *What.* A sequence of different random tokens r1 … rn, and then its beginning again, r1 … rk. What follows
//! is r(k+1), as a model with induction heads finds: at the last rk they attend to the token after the
//! earlier rk, and copy it.
//!
//! *Reference.* Olsson et al., *In-context Learning and Induction Heads* (arXiv 2209.11895): induction
//! heads are told by their behaviour on repeated random tokens.
//!
//! *Streams.* `induction` for the sequences, `induction corrupted` for what replaces their tokens. Which
//! records a seed gives depends on the order of the candidates too.

use std::collections::{BTreeMap, BTreeSet};

use super::GenerateError;
use super::draw::{Draw, distinct};
use super::record::{Encode, GeneratedPair, within_text};

const TASK: &str = "induction";

/// Which tokens of the first part the corrupted prompt has replaced by other random ones. The second part
/// stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replaced {
    /// The one after the earlier rk alone. The same heads then find the distractor instead, so the answer
    /// flips, and as little else as possible differs: symmetric token replacement, which Zhang and Nanda
    /// (arXiv 2309.16042) advise. Attention is alike in both runs, so what is found is what carries the
    /// answer: induction heads at the end, and not the heads that tell them where to look.
    #[default]
    Successor,
    /// All of them. Nothing repeats then, so that the answer vanishes, and what is found includes what
    /// leads the induction heads to their place: the heads that write a token's predecessor.
    FirstPart,
}

/// The shape of the prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Induction {
    /// How many tokens the sequence has (n).
    pub first: usize,
    /// How many of them are shown again (k), fewer than all.
    pub shown: usize,
    /// What the corrupted prompt has replaced.
    pub replaced: Replaced,
}

/// A candidate: its token, and its word without the space before it.
type Token<'a> = (u32, &'a str);

/// Generates `n` pairs. `answer` is r(k+1), `distractor` the token in its place in the corrupted prompt;
/// columns are `first` and `shown`.
///
/// Candidates are texts of tokens of the vocabulary; those of a space and letters that are one token are
/// used. A prompt's text becomes exactly the tokens that were drawn: it begins with a space unless the
/// tokenizer puts one there itself.
///
/// # Errors
///
/// A shape without an answer, too few candidates, and a tokenizer that gives other tokens for most of the
/// texts.
pub fn induction(
    task: &Induction,
    seed: u64,
    n: usize,
    candidates: &[impl AsRef<str>],
    encode: Encode<'_>,
) -> Result<Vec<GeneratedPair>, GenerateError> {
    let Induction { first, shown, replaced } = *task;
    if shown == 0 || shown >= first {
        return Err(GenerateError::BadLengths { first, shown });
    }
    let changed = match replaced {
        Replaced::Successor => shown..shown + 1,
        Replaced::FirstPart => 0..first,
    };
    let mut tokens = usable(candidates, first + changed.len(), encode)?;
    let mut others = tokens.clone();
    let mut draw = Draw::new("induction", seed);
    let mut of_others = Draw::new("induction corrupted", seed);
    distinct(
        TASK,
        n,
        |pair: &GeneratedPair| &pair.clean,
        |_| {
            let clean = draw.front(&mut tokens, first).to_vec();
            let drawn = of_others.front(&mut others, first + changed.len());
            let fresh = drawn.iter().filter(|token| !clean.contains(token));
            let mut corrupted = clean.clone();
            for (token, other) in corrupted[changed.clone()].iter_mut().zip(fresh) {
                *token = *other;
            }
            let again = &clean[..shown];
            Some(GeneratedPair {
                clean: text(&[&clean, again].concat(), encode)?,
                corrupted: Some(text(&[&corrupted, again].concat(), encode)?),
                answer: format!(" {}", clean[shown].1),
                distractor: format!(" {}", corrupted[shown].1),
                columns: BTreeMap::from([
                    ("first", first.to_string()),
                    ("shown", shown.to_string()),
                ]),
                ..GeneratedPair::default()
            })
        },
    )
}

/// The candidates that are one token, each once.
fn usable<'a>(
    candidates: &'a [impl AsRef<str>],
    needed: usize,
    encode: Encode<'_>,
) -> Result<Vec<Token<'a>>, GenerateError> {
    let mut seen = BTreeSet::new();
    let token = |text: &'a str| {
        let word = text.strip_prefix(' ')?;
        let letters = !word.is_empty() && word.chars().all(char::is_alphabetic);
        match within_text(encode, word).as_slice() {
            [id] if letters => Some((*id, word)),
            _ => None,
        }
    };
    let tokens: Vec<Token<'_>> = candidates
        .iter()
        .filter_map(|candidate| token(candidate.as_ref()))
        .filter(|(id, _)| seen.insert(*id))
        .collect();
    match tokens.len() {
        left if left < needed => Err(GenerateError::TooFewWords {
            task: TASK,
            what: "candidates of letters",
            left,
            needed,
        }),
        _ => Ok(tokens),
    }
}

/// The text that becomes these tokens.
fn text(tokens: &[Token<'_>], encode: Encode<'_>) -> Option<String> {
    let ids: Vec<u32> = tokens.iter().map(|(id, _)| *id).collect();
    let text: String = tokens.iter().map(|(_, word)| format!(" {word}")).collect();
    let texts = [&text, text.trim_start()];
    texts.into_iter().find(|text| encode(text) == ids).map(str::to_owned)
}
