//! Which positions of a pair's prompts are patched.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::SweepError;

/// A selection of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Positions {
    /// All of them together.
    All,
    /// Every one by itself.
    Each,
    /// The subject's.
    Subject,
    /// The subject's last one.
    SubjectLast,
    /// The prompt's last one.
    Last,
    /// From the first to the last of these, both included.
    Range(usize, usize),
}

impl Positions {
    /// The positions in a prompt of `len` tokens with this subject.
    ///
    /// # Errors
    ///
    /// A range that reaches past the prompt's end.
    pub fn of(self, len: usize, subject: &Range<usize>) -> Result<Vec<usize>, SweepError> {
        let range = match self {
            Self::All | Self::Each => 0..len,
            Self::Subject => subject.clone(),
            Self::SubjectLast => subject.end.saturating_sub(1)..subject.end,
            Self::Last => len.saturating_sub(1)..len,
            Self::Range(_, last) if last >= len => {
                return Err(SweepError::NoSuchPosition { given: self.to_string(), tokens: len });
            }
            Self::Range(first, last) => first..last + 1,
        };
        Ok(range.collect())
    }
}

impl FromStr for Positions {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        let words = [Self::All, Self::Each, Self::Subject, Self::SubjectLast, Self::Last];
        if let Some(word) = words.into_iter().find(|word| word.to_string() == given) {
            return Ok(word);
        }
        // Only digits: `str::parse` would take `+3` as well.
        let number = |digits: &str| {
            digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let (first, last) = given.split_once('-').unwrap_or((given, given));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self::Range(first, last)),
            _ => Err(SweepError::UnknownPositions { given: given.to_owned() }),
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Each => f.write_str("each"),
            Self::Subject => f.write_str("subject"),
            Self::SubjectLast => f.write_str("subject-last"),
            Self::Last => f.write_str("last"),
            Self::Range(first, last) if first == last => write!(f, "{first}"),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
        }
    }
}

impl TryFrom<String> for Positions {
    type Error = SweepError;

    fn try_from(text: String) -> Result<Self, SweepError> {
        text.parse()
    }
}

impl From<Positions> for String {
    fn from(positions: Positions) -> Self {
        positions.to_string()
    }
}

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
        check("3-5", &[3, 4, 5]);
        check("3", &[3]);
    }

    #[test]
    fn what_is_no_selection_is_refused() {
        for given in ["", "first", "5-3", "-3", "3-", "+3", "1.5", "99999999999999999999"] {
            let error = given.parse::<Positions>().expect_err(given).to_string();
            assert!(error.starts_with(&format!("there are no positions '{given}'")), "{error}");
        }
        let far: Positions = "3-7".parse().expect("a range");
        let error = far.of(7, &(1..4)).expect_err("too far").to_string();
        assert_eq!(error, "the positions 3-7 aren't all there: the prompts have 7 tokens, 0 to 6");
    }
}
