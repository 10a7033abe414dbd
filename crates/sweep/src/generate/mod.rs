//! Generated datasets: the tasks of the literature, for any tokenizer.
//!
//! A task gives records that [`to_jsonl`] writes and [`Records`](crate::dataset::Records) reads. They are a
//! function of the task's settings, the tokenizer, the seed and the number asked for alone, and the first
//! ones don't depend on that number: 100 records of a seed begin with its 10.
//!
//! Random numbers come from the 64-bit Mersenne Twister (Nishimura and Matsumoto 2004), whose stream is a
//! published standard: `init_by_array64` with the letters of the stream's name, each as its ASCII code,
//! and then the seed. A number below `end` is the upper half of the 128-bit product of the next number and
//! `end`; a sample is the front of a list after that many steps of a Fisher–Yates shuffle, which goes on
//! from the order that the sample before has left. Streams are named in each task's own documentation.

mod draw;
mod error;
mod induction;
mod ioi;
mod ioi_words;
mod people;
mod record;
mod similarity;
#[cfg(test)]
mod tests;

pub use error::GenerateError;
pub use induction::{Induction, Replaced, induction};
pub use ioi::{IoiCorrupted, ioi, ioi_abc};
pub use record::{Encode, GeneratedPair, GeneratedPrompt, to_jsonl};
pub use similarity::similarity;
