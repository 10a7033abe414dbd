//! `gemma2`: Gemma 2 (`Gemma2ForCausalLM` in transformers).
//!
//! **What**: as Gemma, with norms of what attention and MLP give too, scores and logits that are
//! capped, a scale of its own for scores, and a sliding window in every other layer.
//!
//! **Formula**: m = x + RMS₁′ attn(RMS₁ x); y = m + RMS₂′ mlp(RMS₂ m); a score or logit s becomes
//! cap · tanh(s / cap).
//!
//! **Reference**: Gemma Team 2024, "Gemma 2", arXiv 2408.00118.
//!
//! **Fails when**: as for Gemma; and `attn_out` is taken for the module's own output, which is
//! `attn_module` here.

use tracewright_ir::{Architecture, Component as C, NormPlace, ScoreScale};

use super::{Config, Description, Family, Names, gemma, llama, rope, window};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "gemma2",
    describe,
    known_fields: &[llama::FIELDS, rope::FIELDS, window::FIELDS, gemma::FIELDS, FIELDS],
};

/// The fields that Gemma 2 and 3 have beside Gemma's.
pub(super) const FIELDS: &[&str] = &[
    "attn_logit_softcapping",
    "cache_implementation",
    "final_logit_softcapping",
    "query_pre_attn_scalar",
    "sliding_window_size",
];

pub(super) const DEFAULTS: llama::Defaults = llama::Defaults {
    n_kv_heads: Some(4),
    activation: ("hidden_activation", "gelu_pytorch_tanh"),
    ..gemma::DEFAULTS
};

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let both = architecture(config, "gemma2", &DEFAULTS)?;
    let keys = config.size_or_null("sliding_window", 4096)?;
    let architecture = Architecture {
        window: window::by_layer(config, keys, both.n_layers, |layer| layer % 2 == 0)?,
        score_cap: config.number_or_null("attn_logit_softcapping", 50.0)?,
        logit_cap: config.number_or_null("final_logit_softcapping", 30.0)?,
        modules: llama::modules_but(POST_NORM_MODULES),
        ..both
    };
    Ok(Description { architecture, names: names(config)? })
}

/// What Gemma 2 and 3 have in common.
pub(super) fn architecture(
    config: &Config<'_>,
    family: &str,
    defaults: &llama::Defaults,
) -> Result<Architecture, ModelError> {
    let root_of = config.number("query_pre_attn_scalar", 256.0)?;
    Ok(Architecture {
        norm_place: NormPlace::Both,
        score_scale: ScoreScale { root_of, by_layer: false },
        ..gemma::architecture(config, family, defaults)?
    })
}

/// Llama's names with norms of what attention and MLP give; `post_attention_layernorm`, which is
/// Llama's norm before the MLP, is one of these.
pub(super) fn names(config: &Config<'_>) -> Result<Names, ModelError> {
    Ok(Names {
        ln1_post: Some("layers.{}.post_attention_layernorm"),
        ln2: Some("layers.{}.pre_feedforward_layernorm"),
        ln2_post: Some("layers.{}.post_feedforward_layernorm"),
        ..llama::names(config)?
    })
}

/// The modules that are other sites than in Llama.
pub(super) const POST_NORM_MODULES: &[(C, &str)] = &[
    (C::AttnModule, "model.layers.{}.self_attn"),
    (C::AttnModule, "model.layers.{}.self_attn.o_proj"),
    (C::AttnOut, "model.layers.{}.post_attention_layernorm"),
    (C::Ln2, "model.layers.{}.pre_feedforward_layernorm"),
    (C::MlpModule, "model.layers.{}.mlp"),
    (C::MlpModule, "model.layers.{}.mlp.down_proj"),
    (C::MlpOut, "model.layers.{}.post_feedforward_layernorm"),
];
