//! Which positions of a pair's prompts are patched.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::Role;

use super::indices::number;
use crate::error::SweepError;
use crate::words::as_text;

/// A selection of positions of the clean prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Positions {
    /// All of them together.
    All,
    /// Every one by itself.
    Each,
    /// The subject's.
    Subject,
    /// The subject's last one.
    SubjectLast,
    /// Those of one role: `further`, `first_subsequent`.
    Role(Role),
    /// From the first to the last of these, both included: `3-5`, `3`, `last`, `last-2`, `3:last-1`.
    Range(End, End),
    /// All others: `not subject`.
    Not(Box<Positions>),
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Counted from the first position, which is 0.
    FromStart(usize),
    /// Counted from the last position, which is 0.
    FromEnd(usize),
}

/// The roles that can be selected; the others have names of their own.
const ROLES: [Role; 5] = [
    Role::BeforeSubject,
    Role::FirstSubject,
    Role::MiddleSubject,
    Role::FirstSubsequent,
    Role::Further,
];

impl Positions {
    /// The prompt's last position.
    pub const LAST: Self = Self::Range(End::FromEnd(0), End::FromEnd(0));

    /// Whether they depend on what the subject is.
    pub(crate) fn needs_subject(&self) -> bool {
        match self {
            Self::Subject | Self::SubjectLast | Self::Role(_) => true,
            Self::Not(others) => others.needs_subject(),
            Self::All | Self::Each | Self::Range(..) => false,
        }
    }

    /// The positions in a prompt of `len` tokens with this subject.
    ///
    /// # Errors
    ///
    /// Positions that the prompt hasn't got.
    pub fn of(&self, len: usize, subject: &Range<usize>) -> Result<Vec<usize>, SweepError> {
        let missing = || SweepError::NoSuchPosition { given: self.to_string(), tokens: len };
        let place = |end: &End| match end {
            End::FromStart(position) => Some(*position).filter(|position| *position < len),
            End::FromEnd(back) => back.checked_add(1).and_then(|back| len.checked_sub(back)),
        };
        let chosen: Vec<usize> = match self {
            Self::All | Self::Each => (0..len).collect(),
            Self::Subject => subject.clone().collect(),
            Self::SubjectLast => (subject.end.saturating_sub(1)..subject.end).collect(),
            Self::Role(role) => (0..len).filter(|p| Role::of(*p, subject, len) == *role).collect(),
            Self::Range(first, last) => match (place(first), place(last)) {
                (Some(first), Some(last)) => (first..last + 1).collect(),
                _ => return Err(missing()),
            },
            Self::Not(others) => {
                let others = others.of(len, subject)?;
                (0..len).filter(|position| !others.contains(position)).collect()
            }
        };
        if chosen.is_empty() { Err(missing()) } else { Ok(chosen) }
    }
}

impl FromStr for Positions {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        let unknown = || SweepError::UnknownPositions { given: given.to_owned() };
        let words = [Self::All, Self::Each, Self::Subject, Self::SubjectLast];
        let roles = ROLES.map(Self::Role);
        if let Some(word) = words.into_iter().chain(roles).find(|word| word.to_string() == given) {
            return Ok(word);
        }
        if let Some(others) = given.strip_prefix("not ") {
            return match others.parse().map_err(|_| unknown())? {
                Self::Each | Self::All | Self::Not(_) => Err(unknown()),
                others => Ok(Self::Not(Box::new(others))),
            };
        }
        let end = |word: &str| match word.strip_prefix("last") {
            Some("") => Some(End::FromEnd(0)),
            Some(back) => number(back.strip_prefix('-')?).map(End::FromEnd),
            None => number(word).map(End::FromStart),
        };
        let range = match (end(given), given.split_once(':').or(given.split_once('-'))) {
            (Some(one), _) => Some((one, one)),
            (None, Some((first, last))) => end(first).zip(end(last)),
            (None, None) => None,
        };
        let rises = |range: &(End, End)| match range {
            (End::FromStart(first), End::FromStart(last)) => first <= last,
            (End::FromEnd(first), End::FromEnd(last)) => first >= last,
            (End::FromStart(_), End::FromEnd(_)) => true,
            (End::FromEnd(_), End::FromStart(_)) => false,
        };
        let (first, last) = range.filter(rises).ok_or_else(unknown)?;
        Ok(Self::Range(first, last))
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Each => f.write_str("each"),
            Self::Subject => f.write_str("subject"),
            Self::SubjectLast => f.write_str("subject-last"),
            Self::Role(role) => f.write_str(role.name()),
            Self::Range(first, last) if first == last => write!(f, "{first}"),
            Self::Range(End::FromStart(first), End::FromStart(last)) => write!(f, "{first}-{last}"),
            Self::Range(first, last) => write!(f, "{first}:{last}"),
            Self::Not(others) => write!(f, "not {others}"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromStart(position) => write!(f, "{position}"),
            Self::FromEnd(0) => f.write_str("last"),
            Self::FromEnd(back) => write!(f, "last-{back}"),
        }
    }
}

as_text!(Positions);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, expected: &[usize]) {
        let positions: Positions = given.parse().expect(given);
        assert_eq!(positions.to_string(), given);
        assert_eq!(positions.of(7, &(1..4)).expect(given), expected, "{given}");
    }

    #[test]
    fn words_and_ranges_select_positions() {
        check("all", &[0, 1, 2, 3, 4, 5, 6]);
        check("each", &[0, 1, 2, 3, 4, 5, 6]);
        check("subject", &[1, 2, 3]);
        check("subject-last", &[3]);
        check("last", &[6]);
        check("last-2", &[4]);
        check("last-2:last", &[4, 5, 6]);
        check("2:last-1", &[2, 3, 4, 5]);
        check("3-5", &[3, 4, 5]);
        check("3", &[3]);
        check("further", &[5]);
        check("first_subsequent", &[4]);
        check("not subject", &[0, 4, 5, 6]);
        check("not last", &[0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_is_no_selection_is_refused() {
        let words = [
            "",
            "first",
            "5-3",
            "-3",
            "3-",
            "+3",
            "1.5",
            "99999999999999999999",
            "last:3",
            "not",
            "not all",
            "not not last",
            "last-",
            "last-1:last-2",
        ];
        for given in words {
            let error = given.parse::<Positions>().expect_err(given).to_string();
            assert!(error.starts_with(&format!("there are no positions '{given}'")), "{error}");
        }
        let far: Positions = "3-7".parse().expect("a range");
        let error = far.of(7, &(1..4)).expect_err("too far").to_string();
        assert_eq!(error, "the positions 3-7 aren't all there: the prompts have 7 tokens, 0 to 6");
    }
}
