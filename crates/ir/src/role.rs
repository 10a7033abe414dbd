//! ROME's six classes of tokens, and one for the tokens before the subject.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What a token is to its prompt's subject.
///
/// Reference: ROME's `average_causal_effects.ipynb`, which averages over these classes. The
/// notebook counts a subject of one token both as first and as last, and a single trailing token
/// both as first subsequent and as last; a role is one word, so such a token is `last_subject`
/// and `last` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Before the subject: in a causal model a patch here can't change anything.
    BeforeSubject,
    /// The first of several subject tokens.
    FirstSubject,
    /// Between the subject's first and last token.
    MiddleSubject,
    /// The subject's last token.
    LastSubject,
    /// The token right after the subject.
    FirstSubsequent,
    /// Between the first subsequent token and the last one.
    Further,
    /// The last token of the prompt, where the answer is read.
    Last,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 7] = [
        Self::BeforeSubject,
        Self::FirstSubject,
        Self::MiddleSubject,
        Self::LastSubject,
        Self::FirstSubsequent,
        Self::Further,
        Self::Last,
    ];

    /// The role of `position` in a prompt of `len` tokens with the given subject.
    pub fn of(position: usize, subject: &Range<usize>, len: usize) -> Self {
        if position < subject.start {
            Self::BeforeSubject
        } else if subject.contains(&position) {
            match position {
                p if p + 1 == subject.end => Self::LastSubject,
                p if p == subject.start => Self::FirstSubject,
                _ => Self::MiddleSubject,
            }
        } else if position + 1 == len {
            Self::Last
        } else if position == subject.end {
            Self::FirstSubsequent
        } else {
            Self::Further
        }
    }

    /// The word for this role in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeSubject => "before_subject",
            Self::FirstSubject => "first_subject",
            Self::MiddleSubject => "middle_subject",
            Self::LastSubject => "last_subject",
            Self::FirstSubsequent => "first_subsequent",
            Self::Further => "further",
            Self::Last => "last",
        }
    }
}

impl fmt::Display for Role {
    /// The role in words for a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeSubject => "a token before the subject",
            Self::FirstSubject => "the first subject token",
            Self::MiddleSubject => "a middle subject token",
            Self::LastSubject => "the last subject token",
            Self::FirstSubsequent => "the first token after the subject",
            Self::Further => "a further token",
            Self::Last => "the last token",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_the_notebook() {
        let roles = |subject: Range<usize>, len| -> Vec<&str> {
            (0..len).map(|p| Role::of(p, &subject, len).name()).collect()
        };
        assert_eq!(
            roles(1..4, 8),
            [
                "before_subject",
                "first_subject",
                "middle_subject",
                "last_subject",
                "first_subsequent",
                "further",
                "further",
                "last"
            ]
        );
        assert_eq!(roles(0..1, 3), ["last_subject", "first_subsequent", "last"]);
        assert_eq!(roles(0..2, 3), ["first_subject", "last_subject", "last"]);
    }
}
