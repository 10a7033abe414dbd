//! A share of a sweep, for one of several machines.

use std::fmt;
use std::str::FromStr;

use crate::error::SweepError;

/// One of `of` shares of a sweep's units of work. Which units it takes depends on the request and the memory
/// budget alone, so that the shares of all machines together are the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one, counted from 1.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { index: 1, of: 1 };

    /// What it takes of a list: every so many-th element, beginning with its own.
    pub(crate) fn share<T: Copy>(self, all: &[T]) -> Vec<T> {
        all.iter().copied().skip(self.index - 1).step_by(self.of).collect()
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl FromStr for Shard {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        let parsed = given.split_once('/').and_then(|(index, of)| {
            Some(Self { index: index.parse().ok()?, of: of.parse().ok()? })
        });
        let unknown = || SweepError::UnknownShard { given: given.to_owned() };
        parsed.filter(|shard| (1..=shard.of).contains(&shard.index)).ok_or_else(unknown)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_one() {
        let shard: Shard = "2/3".parse().expect("a shard");
        assert_eq!((shard, shard.to_string().as_str()), (Shard { index: 2, of: 3 }, "2/3"));
        for wrong in ["0/3", "4/3", "1/0", "2", "a/b", "", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_shards_together_take_everything_once() {
        let all: Vec<usize> = (0..7).collect();
        let shards = (1..=3).flat_map(|index| Shard { index, of: 3 }.share(&all));
        let mut taken: Vec<usize> = shards.collect();
        taken.sort_unstable();
        assert_eq!(taken, all);
        assert!(Shard { index: 9, of: 9 }.share(&all).is_empty());
    }
}
