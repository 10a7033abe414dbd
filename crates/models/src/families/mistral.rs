//! `mistral`: Mistral (`MistralForCausalLM` in transformers).
//!
//! **What**: Llama's layout without biases, with a sliding window in every layer.
//!
//! **Formula**: Llama's; a query at position p sees the keys p − w + 1 to p.
//!
//! **Reference**: Jiang et al. 2023, "Mistral 7B", arXiv 2310.06825.
//!
//! **Fails when**: as for Llama.

use tracewright_ir::Architecture;

use super::{Config, Description, Family, llama, rope, window};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "mistral",
    describe,
    known_fields: &[llama::FIELDS, rope::FIELDS, &["sliding_window"]],
};

const DEFAULTS: llama::Defaults =
    llama::Defaults { n_kv_heads: Some(8), context: 131_072, ..llama::DEFAULTS };

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let llama = llama::architecture(config, "mistral", &DEFAULTS)?;
    let keys = config.size_or_null("sliding_window", 4096)?;
    let architecture = Architecture { window: window::everywhere(keys, llama.n_layers), ..llama };
    Ok(Description { architecture, names: llama::NAMES })
}
