//! The similarity task: which of three people has the subject's profession?
//!
//! *What.* "Q: Which of the following entities has a profession in common with Albert Einstein? Brad Pitt,
//! Isaac Newton, Michael Jackson.\nA:", to be answered with " Isaac". The corrupted prompt has a subject of
//! another profession, with as many tokens; the candidates are one of each profession, and one of a third.
//!
//! *Reference.* The activation patching tutorial of nnsight (nnsight.net), with a table of people of our
//! own.
//!
//! *Stream.* `similarity`.

use std::collections::{BTreeMap, BTreeSet};

use super::GenerateError;
use super::draw::{Draw, distinct};
use super::people::{PROFESSIONS, Profession};
use super::record::{Encode, GeneratedPair, within_text};

const TASK: &str = "similarity";

/// Generates `n` pairs. `answer` is the first name of the candidate with the subject's profession,
/// `distractor` that of the one with the corrupted subject's, both one token; `subject` is the clean
/// subject; columns are `corrupted_subject`, `profession`, `corrupted_profession`, `target` and
/// `corrupted_target`.
///
/// No name of the five people of a pair is another's too, as in Elton John and John Locke, so that a first
/// name tells one of them.
///
/// # Errors
///
/// A tokenizer with too few of the first names as one token, and more records than are found.
pub fn similarity(
    seed: u64,
    n: usize,
    encode: Encode<'_>,
) -> Result<Vec<GeneratedPair>, GenerateError> {
    let group = |profession: &Profession| Group {
        profession: profession.name,
        people: profession.people.iter().map(|name| Person::of(name, encode)).collect(),
    };
    let mut groups: Vec<Group> = PROFESSIONS.iter().map(group).collect();
    let left = groups.iter().filter(|group| group.has_target()).count();
    if left < 2 {
        let what = "first names of different professions";
        return Err(GenerateError::TooFewWords { task: TASK, what, left, needed: 2 });
    }
    let mut draw = Draw::new("similarity", seed);
    distinct(TASK, n, |pair: &GeneratedPair| &pair.clean, |_| pair(&mut groups, &mut draw))
}

/// A person of the table.
#[derive(Clone, Copy)]
struct Person {
    name: &'static str,
    /// The name's tokens.
    tokens: usize,
    /// Whether the first name is one token.
    is_target: bool,
}

impl Person {
    fn of(name: &'static str, encode: Encode<'_>) -> Self {
        let tokens = within_text(encode, name);
        let first = within_text(encode, first_name(name));
        // A tokenizer that splits at spaces begins the name with the first name's token.
        let is_target = first.len() == 1 && tokens.first() == first.first();
        Self { name, tokens: tokens.len(), is_target }
    }
}

/// People of one profession.
struct Group {
    profession: &'static str,
    people: Vec<Person>,
}

impl Group {
    fn has_target(&self) -> bool {
        self.people.iter().any(|person| person.is_target)
    }

    /// Two of them, a subject and a target.
    fn two(&mut self, draw: &mut Draw) -> Option<(Person, Person)> {
        let [subject, target] = *draw.front(&mut self.people, 2) else { return None };
        target.is_target.then_some((subject, target))
    }
}

/// One pair, unless the people drawn won't do.
fn pair(groups: &mut [Group], draw: &mut Draw) -> Option<GeneratedPair> {
    draw.front(groups, 3);
    let [one, other, third, ..] = groups else { return None };
    let ((subject, target), (corrupted, other_target)) = (one.two(draw)?, other.two(draw)?);
    let [further] = *draw.front(&mut third.people, 1) else { return None };
    let people = [subject, corrupted, target, other_target, further];
    let words = || people.iter().flat_map(|person| person.name.split(' '));
    let no_word_twice = words().collect::<BTreeSet<_>>().len() == words().count();
    if subject.tokens != corrupted.tokens || !no_word_twice {
        return None;
    }
    let mut candidates = [target, other_target, further];
    draw.front(&mut candidates, 3);
    Some(GeneratedPair {
        clean: prompt(subject, &candidates),
        corrupted: Some(prompt(corrupted, &candidates)),
        subject: Some(subject.name.to_owned()),
        answer: format!(" {}", first_name(target.name)),
        distractor: format!(" {}", first_name(other_target.name)),
        group: None,
        columns: BTreeMap::from([
            ("corrupted_subject", corrupted.name.to_owned()),
            ("profession", one.profession.to_owned()),
            ("corrupted_profession", other.profession.to_owned()),
            ("target", target.name.to_owned()),
            ("corrupted_target", other_target.name.to_owned()),
        ]),
    })
}

fn prompt(subject: Person, candidates: &[Person; 3]) -> String {
    let [a, b, c] = candidates.map(|person| person.name);
    let subject = subject.name;
    format!(
        "Q: Which of the following entities has a profession in common with {subject}? {a}, {b}, {c}.\nA:"
    )
}

fn first_name(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}
