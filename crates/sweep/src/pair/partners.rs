//! Which positions of two prompts correspond.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::SweepError;
use crate::words::word;

/// How positions of prompts of different lengths are told to correspond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    /// Not at all: prompts must have as many tokens.
    #[default]
    None,
    /// What stands before the subjects from their beginnings, everything else from their ends; a subject is
    /// where the prompts differ, or the one given.
    Subject,
    /// From the first token.
    Left,
    /// From the last token.
    Right,
}

impl Align {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::None, Self::Subject, Self::Left, Self::Right];

    /// The word for it in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Subject => "subject",
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    /// For each position of the clean prompt the one of the corrupted prompt, if there is one, given the
    /// subjects of both.
    pub(crate) fn partners(
        self,
        clean: (usize, &Range<usize>),
        corrupted: (usize, &Range<usize>),
    ) -> Vec<Option<usize>> {
        let (len, subject) = clean;
        let (other_len, other) = corrupted;
        let from_end =
            |position: usize, end: usize, other_end: usize| (position + other_end).checked_sub(end);
        let partner = |position: usize| match self {
            Self::None | Self::Left => Some(position),
            Self::Right => from_end(position, len, other_len),
            Self::Subject if position < subject.start => {
                from_end(position, subject.start, other.start)
            }
            Self::Subject => {
                from_end(position, subject.end, other.end).filter(|partner| *partner >= other.start)
            }
        };
        (0..len).map(|position| partner(position).filter(|at| *at < other_len)).collect()
    }
}

/// What is between the common beginning and the common end of two lists, in each; `None` where they are
/// equal. Where one only has more of the same than the other, that is the difference.
pub(crate) fn differences(a: &[u32], b: &[u32]) -> Option<(Range<usize>, Range<usize>)> {
    if a == b {
        return None;
    }
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let most = a.len().min(b.len()) - start;
    let same = |(a, b): &(&u32, &u32)| a == b;
    let end = a.iter().rev().zip(b.iter().rev()).take_while(same).count().min(most);
    Some((start..a.len() - end, start..b.len() - end))
}

impl FromStr for Align {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        word("alignment", given, &Self::ALL, Self::name)
    }
}

impl fmt::Display for Align {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_differ_from_their_first_to_their_last_other_token() {
        let equal_lengths = differences(&[1, 2, 3, 4, 5], &[1, 7, 3, 8, 5]);
        assert_eq!(equal_lengths, Some((1..4, 1..4)));
        assert_eq!(differences(&[1, 2], &[1, 3]), Some((1..2, 1..2)));
        assert_eq!(differences(&[1, 2], &[1, 2]), None);
        assert_eq!(differences(&[1, 2, 3, 9], &[1, 7, 9]), Some((1..3, 1..2)));
        assert_eq!(differences(&[1, 2, 2, 9], &[1, 2, 9]), Some((2..3, 2..2)));
    }

    #[track_caller]
    fn check(align: Align, expected: &[Option<usize>]) {
        // | a | b b b | c d | and | x a | y y | c d |
        assert_eq!(align.partners((6, &(1..4)), (6, &(2..4))), expected, "{align}");
    }

    #[test]
    fn positions_correspond_from_either_end_or_around_the_subject() {
        check(Align::Left, &[Some(0), Some(1), Some(2), Some(3), Some(4), Some(5)]);
        check(Align::Subject, &[Some(1), None, Some(2), Some(3), Some(4), Some(5)]);
        let right = Align::Right.partners((4, &(0..1)), (6, &(0..1)));
        assert_eq!(right, [Some(2), Some(3), Some(4), Some(5)]);
        let right = Align::Right.partners((4, &(0..1)), (3, &(0..1)));
        assert_eq!(right, [None, Some(0), Some(1), Some(2)]);
    }
}
