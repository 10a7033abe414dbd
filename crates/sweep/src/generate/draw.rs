//! Random draws, and records that differ.

use std::collections::BTreeSet;

use rand_mt::Mt64;

use super::GenerateError;

/// How often a record is drawn anew before it counts as not to be found.
const TRIES: usize = 1000;
/// The most records of a task: they are held in memory, and the paper on IOI averages over so many.
const MOST: usize = 100_000;

/// A stream of random numbers.
pub(super) struct Draw(Mt64);

impl Draw {
    /// The stream of a name and a seed.
    pub(super) fn new(stream: &str, seed: u64) -> Self {
        Self(Mt64::new_with_key(stream.bytes().map(u64::from).chain([seed])))
    }

    /// A number below `end`: no number is likelier than another by more than `end` / 2⁶⁴.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.0.next_u64()) * end as u128) >> 64) as usize
    }

    /// Brings a sample of a list to its front, in random order, and gives it.
    pub(super) fn front<'a, T>(&mut self, list: &'a mut [T], count: usize) -> &'a [T] {
        let count = count.min(list.len());
        for index in 0..count {
            let other = index + self.below(list.len() - index);
            list.swap(index, other);
        }
        &list[..count]
    }
}

/// Draws `n` records, no two with the same prompt. `draw` is given the number of those before, and gives
/// none where what it has drawn won't do.
///
/// # Errors
///
/// Too many, or nothing new after many tries.
pub(super) fn distinct<T>(
    task: &'static str,
    n: usize,
    prompt: impl Fn(&T) -> &str,
    mut draw: impl FnMut(usize) -> Option<T>,
) -> Result<Vec<T>, GenerateError> {
    if n > MOST {
        return Err(GenerateError::TooMany { task, wanted: n, most: MOST });
    }
    let (mut seen, mut records) = (BTreeSet::new(), Vec::with_capacity(n));
    while records.len() < n {
        let made = records.len();
        let mut tries = (0..TRIES).filter_map(|_| draw(made));
        let new = tries.find(|record| seen.insert(prompt(record).to_owned()));
        records.push(new.ok_or(GenerateError::Exhausted { task, wanted: n, made })?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_draws_stay_what_they_are() {
        let mut draw = Draw::new("ioi", 1);
        let drawn: Vec<usize> = (0..10).map(|_| draw.below(100)).collect();
        // From a transcription of MT19937-64's definition in Python, with the key [105, 111, 105, 1].
        assert_eq!(drawn, [89, 70, 33, 14, 11, 38, 9, 53, 94, 32]);
    }

    #[test]
    fn a_sample_is_of_the_list_and_without_twins() {
        let mut list: Vec<usize> = (0..7).collect();
        let mut draw = Draw::new("test", 1);
        let mut counts = [0_usize; 7];
        for _ in 0..700 {
            let sample = draw.front(&mut list, 3);
            assert_eq!(sample.iter().collect::<BTreeSet<_>>().len(), 3);
            sample.iter().for_each(|one| counts[*one] += 1);
        }
        // 300 each are expected, and a binomial's deviation is 13.
        assert!(counts.iter().all(|count| count.abs_diff(300) < 60), "{counts:?}");
        assert_eq!(draw.front(&mut list, 9).len(), 7);
    }

    #[test]
    fn what_can_not_be_drawn_is_told() {
        let none = distinct("a task", 3, String::as_str, |_| None);
        let made = GenerateError::Exhausted { task: "a task", wanted: 3, made: 0 };
        assert_eq!(none, Err(made));
        let many = distinct("a task", MOST + 1, String::as_str, |made| Some(made.to_string()));
        assert!(matches!(many, Err(GenerateError::TooMany { .. })));
        let twice = distinct("a task", 3, String::as_str, |made| Some((made % 2).to_string()));
        assert!(matches!(twice, Err(GenerateError::Exhausted { made: 2, .. })));
    }
}
