//! `olmo2`: OLMo 2 (`Olmo2ForCausalLM` in transformers).
//!
//! **What**: Llama's layout, where attention and MLP read the stream as it is and what they give is
//! normalised, with norms of all heads' queries and keys together.
//!
//! **Formula**: m = x + RMS₁ attn(x); y = m + RMS₂ mlp(m).
//!
//! **Reference**: Team OLMo 2025, "2 OLMo 2 Furious", arXiv 2501.00656.
//!
//! **Fails when**: `ln1` or `ln2` is asked for: nothing is normalised before attention and MLP.

use tracewright_ir::{Architecture, Component as C, NormPlace, QueryKeyNorm};

use super::{Config, Description, Family, Names, gemma2, llama, qwen3, rope};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "olmo2",
    describe,
    known_fields: &[llama::FIELDS, rope::FIELDS, &["attention_bias", "clip_qkv"]],
};

const DEFAULTS: llama::Defaults = llama::Defaults { eps: 1e-5, ..llama::DEFAULTS };

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let mut modules =
        llama::modules_but(&[gemma2::POST_NORM_MODULES, qwen3::QK_NORM_MODULES].concat());
    modules.retain(|module| ![C::Ln1, C::Ln2].contains(&module.component));
    let architecture = Architecture {
        norm_place: NormPlace::Post,
        query_key_norm: Some(QueryKeyNorm::AllHeads),
        modules,
        ..llama::architecture(config, "olmo2", &DEFAULTS)?
    };
    let names =
        Names { ln1: None, ln2: None, qk_norm: Some(qwen3::QK_NORM), ..gemma2::names(config)? };
    Ok(Description { architecture, names })
}
