//! Corruptions of a prompt: the noise that is put on a subject's embeddings, the statistics that
//! scale it, and the tokens that it goes to.
//!
//! What stays true:
//!
//! - **Host arrays only.** Nothing here names a tensor, a model or a tokenizer; tokens, texts and
//!   slices come in, vectors go out.
//! - **Deterministic.** A stream is a function of its noise and its seed; nothing reads a clock,
//!   a thread count or the system's randomness.
//! - **NumPy, bit for bit.** [`RandomState`] gives the numbers of `numpy.random.RandomState`, and
//!   noise is multiplied in f64 as ROME's code does it, so its causal traces can be repeated
//!   (held by the tests of `random_state` and `noise`).
//! - **Never prints, never panics on what a user gave.** What is wrong is a [`CorruptionError`].
//!
//! ROME's `s3` noise for the subject of a prompt:
//!
//! ```
//! use tracewright_corruption::*;
//! use tracewright_ir::Tokens;
//!
//! let prompt = "The Space Needle is in";
//! let tokens = Tokens {
//!     ids: vec![464, 4687, 48452, 318, 287],
//!     texts: ["The", " Space", " Needle", " is", " in"].map(String::from).to_vec(),
//!     offsets: vec![0..3, 3..9, 9..16, 16..19, 19..22],
//! };
//! let subject = subject_range(&tokens, prompt, "Space Needle")?;
//! assert_eq!(subject, 1..3);
//!
//! let rule: NoiseRule = "s3".parse()?;
//! let embeddings = [0.1, -0.2, 0.05, 0.3]; // of the dataset's subjects
//! let no_text = || EmbeddingMoments::of_rows(2, []);
//! let noise = rule.resolve(|| embedding_std(embeddings), no_text)?;
//!
//! let mut stream = NoiseStream::new(&noise, ROME_SEED)?;
//! let drawn = stream.draw(10, subject.len(), 2)?;
//! assert_eq!(drawn.shape, [10, 2, 2]);
//! assert_eq!(drawn.values.len(), 40);
//! # Ok::<(), CorruptionError>(())
//! ```
mod error;
mod noise;
mod noise_rule;
mod random_state;
mod statistics;
mod subject;
mod transform;

pub use error::CorruptionError;
pub use noise::{Noise, NoiseArray, NoiseStream, ROME_SEED};
pub use noise_rule::NoiseRule;
pub use random_state::RandomState;
pub use statistics::{EmbeddingMoments, embedding_std};
pub use subject::subject_range;
pub use transform::GaussianTransform;
