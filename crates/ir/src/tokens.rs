//! A prompt as the model is fed it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The tokens of one prompt: what is really fed, and where each came from.
///
/// The three vectors have the same length, one entry for each position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Token ids in the order in which the model is fed them.
    pub ids: Vec<u32>,
    /// Each token decoded by itself, as ROME's code shows them. An id that the tokenizer
    /// can't decode is shown as `<19954>`.
    pub texts: Vec<String>,
    /// The bytes of the prompt that each token covers; empty for a token that was added (BOS).
    pub offsets: Vec<Range<usize>>,
}

impl Tokens {
    /// The number of positions.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True for a prompt without tokens, which no model can run.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
