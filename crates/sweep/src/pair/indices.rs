//! Which indices of an axis are meant, as a person writes them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::SweepError;
use crate::words::as_text;

/// Layers, heads, neurons or keys: `3`, `0-3,7`, or all but some: `not 6,9`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Indices {
    /// First and last of each part, both included.
    parts: Vec<(usize, usize)>,
    complement: bool,
}

impl Indices {
    /// The indices on an axis of length `len`, rising and each once.
    ///
    /// # Errors
    ///
    /// An index past the axis' end, and a selection of nothing.
    pub fn of(&self, axis: &'static str, len: usize) -> Result<Vec<usize>, SweepError> {
        let missing = || SweepError::NoSuchIndex { axis, given: self.to_string(), len };
        if self.parts.iter().any(|(_, last)| *last >= len) {
            return Err(missing());
        }
        let listed = |index: &usize| self.parts.iter().any(|(a, b)| (*a..=*b).contains(index));
        let chosen: Vec<usize> =
            (0..len).filter(|index| listed(index) != self.complement).collect();
        if chosen.is_empty() { Err(missing()) } else { Ok(chosen) }
    }
}

/// A number of digits alone: `str::parse` would take `+3` as well.
pub(super) fn number(digits: &str) -> Option<usize> {
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

impl FromStr for Indices {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        let (list, complement) = match given.strip_prefix("not ") {
            Some(list) => (list, true),
            None => (given, false),
        };
        let part = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first.trim())?, number(last.trim())?);
            (first <= last).then_some((first, last))
        };
        let parts: Option<Vec<_>> = list.split(',').map(|word| part(word.trim())).collect();
        let unknown = || SweepError::UnknownIndices { given: given.to_owned() };
        Ok(Self { parts: parts.ok_or_else(unknown)?, complement })
    }
}

impl fmt::Display for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |(first, last): &(usize, usize)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        write!(f, "{}{}", if self.complement { "not " } else { "" }, parts.join(","))
    }
}

as_text!(Indices);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_ranges_and_complements_select_indices() {
        for (given, expected) in
            [("3", vec![3]), ("0-2,5", vec![0, 1, 2, 5]), ("not 1-4", vec![0, 5])]
        {
            let indices: Indices = given.parse().expect(given);
            assert_eq!(indices.to_string(), given);
            assert_eq!(indices.of("head", 6).expect(given), expected, "{given}");
        }
    }

    #[test]
    fn what_is_no_selection_is_refused() {
        for given in ["", "a", "5-3", "-3", "+3", "1,,2", "not", "not "] {
            let error = given.parse::<Indices>().expect_err(given).to_string();
            assert!(error.starts_with(&format!("'{given}' selects nothing")), "{error}");
        }
        for (given, len) in [("3-6", 6), ("not 0-5", 6)] {
            let error = given.parse::<Indices>().expect(given).of("head", len).expect_err(given);
            assert_eq!(
                error.to_string(),
                format!("the heads {given} aren't there: the model has 6, 0 to 5")
            );
        }
    }
}
