//! Indirect object identification.
//!
//! *What.* Two people are named, one of them (S, the subject) again, and the prompt ends where the other
//! (IO, the indirect object) is to be named: "After Mary and John drove to the bank, John showed a book
//! to". In an ABBA prompt IO is named first, in a BABA prompt S.
//!
//! *Reference.* Wang et al., *Interpretability in the Wild: a Circuit for Indirect Object Identification
//! in GPT-2 small* (arXiv 2211.00593), section 2 and appendix A: 15 templates in both orders, whose
//! wording here is our own.
//!
//! *Streams.* `ioi` for the prompts and `ioi corrupted` for the names of [`IoiCorrupted::Abc`], so that the
//! clean prompts don't depend on the corruption; `ioi abc` for [`ioi_abc`].

use std::collections::BTreeMap;

use super::GenerateError;
use super::draw::{Draw, distinct};
use super::ioi_words::{NAMES, OBJECTS, PLACES, TEMPLATES};
use super::record::{Encode, GeneratedPair, GeneratedPrompt, single_tokens};

const TASK: &str = "IOI";

/// What the corrupted prompt has in place of the clean one's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoiCorrupted {
    /// IO for the second S, so that the answer is S.
    #[default]
    Swap,
    /// Three other names, all different, so that there is no answer: the paper's distribution ABC.
    Abc,
    /// There is no corrupted prompt.
    None,
}

/// Generates `n` pairs. `group` is the order and template, such as `BABA-03`, and all templates in both
/// orders come in turn; `answer` is IO, `distractor` S; columns are `template`, `order`, `io`, `s`, and
/// `place` and `object` where the template has them.
///
/// Only names, places and objects that are one token are used, so that all prompts of a group have as many
/// tokens.
///
/// # Errors
///
/// A tokenizer with too few of the words as one token, and more records than there can be.
pub fn ioi(
    seed: u64,
    n: usize,
    corrupted: IoiCorrupted,
    encode: Encode<'_>,
) -> Result<Vec<GeneratedPair>, GenerateError> {
    let needed = if corrupted == IoiCorrupted::Abc { 5 } else { 2 };
    let mut words = Words::of(encode, needed)?;
    let mut others = words.names.clone();
    let (mut draw, mut of_others) = (Draw::new("ioi", seed), Draw::new("ioi corrupted", seed));
    distinct(
        TASK,
        n,
        |pair: &GeneratedPair| &pair.clean,
        |made| {
            let scene = words.scene(made, &mut draw)?;
            let [io, s] = *draw.front(&mut words.names, 2) else { return None };
            let corrupted = match corrupted {
                IoiCorrupted::Swap => Some(scene.text(io, s, io)),
                IoiCorrupted::None => None,
                IoiCorrupted::Abc => {
                    let drawn = of_others.front(&mut others, 5);
                    let mut fresh = drawn.iter().filter(|name| ![io, s].contains(name));
                    Some(scene.text(fresh.next()?, fresh.next()?, fresh.next()?))
                }
            };
            Some(GeneratedPair {
                clean: scene.text(io, s, s),
                corrupted,
                subject: None,
                answer: format!(" {io}"),
                distractor: format!(" {s}"),
                group: Some(scene.group()),
                columns: scene.columns(io, s),
            })
        },
    )
}

/// Generates `n` prompts of the paper's distribution ABC, for means: as those of [`ioi`], in the same groups,
/// but with three different names.
///
/// # Errors
///
/// As [`ioi`].
pub fn ioi_abc(
    seed: u64,
    n: usize,
    encode: Encode<'_>,
) -> Result<Vec<GeneratedPrompt>, GenerateError> {
    let mut words = Words::of(encode, 3)?;
    let mut draw = Draw::new("ioi abc", seed);
    distinct(
        TASK,
        n,
        |record: &GeneratedPrompt| &record.prompt,
        |made| {
            let scene = words.scene(made, &mut draw)?;
            let [a, b, c] = *draw.front(&mut words.names, 3) else { return None };
            Some(GeneratedPrompt { prompt: scene.text(a, b, c), group: scene.group() })
        },
    )
}

/// The words that are one token.
struct Words {
    names: Vec<&'static str>,
    places: Vec<&'static str>,
    objects: Vec<&'static str>,
}

impl Words {
    fn of(encode: Encode<'_>, names: usize) -> Result<Self, GenerateError> {
        Ok(Self {
            names: single_tokens(TASK, "names", &NAMES, names, encode)?,
            places: single_tokens(TASK, "places", &PLACES, 1, encode)?,
            objects: single_tokens(TASK, "objects", &OBJECTS, 1, encode)?,
        })
    }

    /// The scene of the record after `made` others; templates and orders take turns.
    fn scene(&mut self, made: usize, draw: &mut Draw) -> Option<Scene> {
        Some(Scene {
            abba: made.is_multiple_of(2),
            template: made / 2 % TEMPLATES.len(),
            place: draw.front(&mut self.places, 1).first()?,
            object: draw.front(&mut self.objects, 1).first()?,
        })
    }
}

/// A prompt but for its names.
struct Scene {
    abba: bool,
    template: usize,
    place: &'static str,
    object: &'static str,
}

impl Scene {
    /// The prompt in which IO and S are named, and then a third one.
    fn text(&self, io: &str, s: &str, again: &str) -> String {
        let (first, second) = if self.abba { (io, s) } else { (s, io) };
        TEMPLATES[self.template]
            .replace("{1}", first)
            .replace("{2}", second)
            .replace("{S}", again)
            .replace("{place}", self.place)
            .replace("{object}", self.object)
    }

    fn order(&self) -> &'static str {
        if self.abba { "ABBA" } else { "BABA" }
    }

    fn number(&self) -> String {
        format!("{:02}", self.template + 1)
    }

    fn group(&self) -> String {
        format!("{}-{}", self.order(), self.number())
    }

    fn columns(&self, io: &str, s: &str) -> BTreeMap<&'static str, String> {
        let mut columns = BTreeMap::from([
            ("template", self.number()),
            ("order", self.order().to_owned()),
            ("io", io.to_owned()),
            ("s", s.to_owned()),
        ]);
        for (name, word) in [("place", self.place), ("object", self.object)] {
            if TEMPLATES[self.template].contains(&format!("{{{name}}}")) {
                columns.insert(name, word.to_owned());
            }
        }
        columns
    }
}
