//! `qwen2`: Qwen 1.5, 2 and 2.5 (`Qwen2ForCausalLM` in transformers).
//!
//! **What**: Llama's layout with biases of q, k and v, and a sliding window that upper layers may
//! have.
//!
//! **Formula**: Llama's; q, k, v = W n + b.
//!
//! **Reference**: Yang et al. 2024, "Qwen2 Technical Report", arXiv 2407.10671.
//!
//! **Fails when**: as for Llama.

use serde_json::Value;
use tracewright_ir::{Architecture, Window};

use super::{Config, Description, Family, Names, Projection, llama, rope, window};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "qwen2",
    describe,
    known_fields: &[
        llama::FIELDS,
        rope::FIELDS,
        window::FIELDS,
        WINDOW_FIELDS,
        // Set in files of language models too, but only those with vision have it.
        &["use_mrope"],
    ],
};

pub(super) const WINDOW_FIELDS: &[&str] = &["max_window_layers", "use_sliding_window"];

pub(super) const DEFAULTS: llama::Defaults =
    llama::Defaults { n_kv_heads: Some(32), context: 32_768, ..llama::DEFAULTS };

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let llama = llama::architecture(config, "qwen2", &DEFAULTS)?;
    let architecture = Architecture { window: window(config, llama.n_layers)?, ..llama };
    let names = Names { qkv: Projection { bias: true, ..llama::QKV }, ..llama::NAMES };
    Ok(Description { architecture, names })
}

/// The window that a Qwen of any generation has: in the layers from `max_window_layers` on.
pub(super) fn window(config: &Config<'_>, n_layers: usize) -> Result<Option<Window>, ModelError> {
    let keys = match config.flag("use_sliding_window", false)? {
        true => config.size_or_null("sliding_window", 4096)?,
        // Published files give a size all the same.
        false => None,
    };
    let full = config.read("max_window_layers", "a whole number", Value::as_u64)?.unwrap_or(28);
    window::by_layer(config, keys, n_layers, |layer| keys.is_some() && layer as u64 >= full)
}
