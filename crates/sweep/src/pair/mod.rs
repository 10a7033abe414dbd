//! Patching a prompt with what another run of it has.
//!
//! Denoising copies what the clean run has at a site into the corrupted run and asks how much of
//! the clean run's answer comes back; noising copies the corrupted run's values into the clean run
//! and asks how much of the answer is left. The corrupted run has another prompt, or other embeddings.
//!
//! Reference: Heimersheim and Nanda 2024, arXiv 2404.15255, whose words these are.

mod alignment;
mod answers;
mod change;
mod checks;
mod corruption;
mod grid;
mod indices;
mod mean;
mod mean_cache;
mod measures;
mod numbers;
mod pairing;
mod pairs;
mod partners;
mod patch;
mod paths;
mod positions;
mod prompt_file;
mod prompts;
mod readings;
mod record;
mod runs;
mod settings;
mod sweep;
mod target;
mod tops;

pub use answers::Answers;
pub use change::{Change, Vector};
pub use corruption::{By, Corrupted, Corruption};
pub use indices::Indices;
pub use mean::{Grouping, MeanOf};
pub(crate) use measures::Reported;
pub use measures::{AnswerTokens, PairMetric};
pub(crate) use numbers::Numbers;
pub use pairs::Pairs;
pub(crate) use pairs::ready_pairs;
pub use partners::Align;
pub use paths::{Paths, Receiver};
pub use positions::{End, Positions};
pub use prompts::{FedPair, Pair};
pub use runs::{NamedChange, NamedRun};
pub use settings::{PairSettings, Per};
pub use target::Target;
