//! `gpt2`: GPT-2 (`GPT2LMHeadModel` in transformers).
//!
//! **What**: learned positions, LayerNorm, biases, an MLP without a gate; one fused projection for
//! q, k and v, and weights stored `[in, out]`.
//!
//! **Formula**: m = x + attn(LN₁ x); y = m + W₂ gelu_new(W₁ LN₂ m + b₁) + b₂.
//!
//! **Reference**: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
//!
//! **Fails when**: the config asks for cross attention.

use tracewright_ir::{
    Architecture, Component as C, Norm, NormPlace, Position, Residual, ScoreScale,
};

use super::{Config, Description, Family, Names, Positions, Projection, modules};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "gpt2",
    describe,
    known_fields: &[&[
        "activation_function",
        "add_cross_attention",
        "attn_pdrop",
        "embd_pdrop",
        "layer_norm_epsilon",
        "n_ctx",
        "n_embd",
        "n_head",
        "n_inner",
        "n_layer",
        "n_positions",
        "reorder_and_upcast_attn",
        "resid_pdrop",
        "scale_attn_by_inverse_layer_idx",
        "scale_attn_weights",
        "summary_activation",
        "summary_first_dropout",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
    ]],
};

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let [d_model, n_heads, d_head] = config.heads("n_embd", "n_head")?;
    if config.flag("add_cross_attention", false)? {
        return Err(config.bad("asks for cross attention, which isn't supported".to_owned()));
    }
    let scaled = config.flag("scale_attn_weights", true)?;
    let architecture = Architecture {
        family: "gpt2".to_owned(),
        n_layers: config.required_layers("n_layer")?,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: config.size("n_inner")?.unwrap_or(4 * d_model),
        vocab: config.required_size("vocab_size")?,
        context: config.required_size("n_positions")?,
        norm: Norm::LayerNorm { eps: config.number("layer_norm_epsilon", 1e-5)? },
        norm_place: NormPlace::Pre,
        position: Position::Learned,
        window: None,
        score_scale: ScoreScale {
            root_of: if scaled { d_head as f64 } else { 1.0 },
            by_layer: config.flag("scale_attn_by_inverse_layer_idx", false)?,
        },
        score_cap: None,
        query_key_norm: None,
        activation: config.activation("activation_function", "gelu_new")?,
        gated_mlp: false,
        residual: Residual::Sequential,
        embed_scale: 1.0,
        logit_cap: None,
        tied_unembedding: config.flag("tie_word_embeddings", true)?,
        modules: modules(MODULES),
    };
    Ok(Description { architecture, names: names() })
}

fn names() -> Names {
    Names {
        optional_prefix: "transformer.",
        ignored: &[".attn.bias", ".attn.masked_bias"],
        embed: "wte.weight",
        pos_embed: Some(Positions { name: "wpe.weight", before: 0 }),
        ln1: Some("h.{}.ln_1"),
        ln1_post: None,
        ln2: Some("h.{}.ln_2"),
        ln2_post: None,
        qkv: Projection::new(&["h.{}.attn.c_attn"], true),
        qk_norm: None,
        attn_out: Projection::new(&["h.{}.attn.c_proj"], true),
        mlp_in: Projection::new(&["h.{}.mlp.c_fc"], true),
        mlp_out: Projection::new(&["h.{}.mlp.c_proj"], true),
        ln_final: "ln_f",
        unembed: &["lm_head"],
        unembed_bias: false,
        in_first: true,
    }
}

/// The modules of transformers' implementation whose output is a site of ours.
const MODULES: &[(C, &str)] = &[
    (C::Embed, "transformer.wte"),
    (C::PosEmbed, "transformer.wpe"),
    (C::Ln1, "transformer.h.{}.ln_1"),
    (C::AttnOut, "transformer.h.{}.attn"),
    (C::AttnOut, "transformer.h.{}.attn.c_proj"),
    (C::Ln2, "transformer.h.{}.ln_2"),
    (C::MlpPre, "transformer.h.{}.mlp.c_fc"),
    (C::MlpPost, "transformer.h.{}.mlp.act"),
    (C::MlpOut, "transformer.h.{}.mlp"),
    (C::MlpOut, "transformer.h.{}.mlp.c_proj"),
    (C::ResidPost, "transformer.h.{}"),
    (C::FinalNorm, "transformer.ln_f"),
    (C::Logits, "lm_head"),
];
