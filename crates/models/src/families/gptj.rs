//! `gptj`: GPT-J (`GPTJForCausalLM` in transformers).
//!
//! **What**: attention and MLP side by side after one LayerNorm, rotary positions over neighbours,
//! no biases in attention, one of the unembedding.
//!
//! **Formula**: y = x + attn(n) + mlp(n), n = LN x.
//!
//! **Reference**: Wang and Komatsuzaki 2021, "GPT-J-6B".
//!
//! **Fails when**: the config has no width of rotary positions; `resid_mid` or `ln2` is asked for:
//! there is neither.

use tracewright_ir::{
    AngleScaling, Angles, Architecture, Component as C, Norm, NormPlace, Pairs, Position, Residual,
    Rotary, ScoreScale,
};

use super::{Config, Description, Family, Names, Projection, modules, rope};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "gptj",
    describe,
    known_fields: &[&[
        "activation_function",
        "attn_pdrop",
        "embd_pdrop",
        "layer_norm_epsilon",
        "n_ctx",
        "n_embd",
        "n_head",
        "n_inner",
        "n_layer",
        "n_positions",
        "resid_pdrop",
        "rotary",
        "rotary_dim",
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
    let architecture = Architecture {
        family: "gptj".to_owned(),
        n_layers: config.required_layers("n_layer")?,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: config.size("n_inner")?.unwrap_or(4 * d_model),
        vocab: config.required_size("vocab_size")?,
        context: config.size("n_positions")?.unwrap_or(2048),
        norm: Norm::LayerNorm { eps: config.number("layer_norm_epsilon", 1e-5)? },
        norm_place: NormPlace::Pre,
        position: Position::Rotary(rotary(config, d_head)?),
        window: None,
        score_scale: ScoreScale::by_head_width(d_head),
        score_cap: None,
        query_key_norm: None,
        activation: config.activation("activation_function", "gelu_new")?,
        gated_mlp: false,
        residual: Residual::ParallelSharedNorm,
        embed_scale: 1.0,
        logit_cap: None,
        tied_unembedding: config.flag("tie_word_embeddings", false)?,
        modules: modules(MODULES),
    };
    Ok(Description { architecture, names: NAMES })
}

fn rotary(config: &Config<'_>, d_head: usize) -> Result<Rotary, ModelError> {
    let lacks = || config.bad("has no width of rotary positions ('rotary_dim')".to_owned());
    let width = config.size_or_null("rotary_dim", 64)?.ok_or_else(lacks)?;
    rope::check_width(config, width, d_head)?;
    let angles = Angles { base: 10_000.0, scaling: AngleScaling::None };
    Ok(Rotary { width, pairs: Pairs::Neighbours, angles, window_angles: None })
}

const NAMES: Names = Names {
    optional_prefix: "transformer.",
    ignored: &[".attn.bias", ".attn.masked_bias"],
    embed: "wte.weight",
    pos_embed: None,
    ln1: Some("h.{}.ln_1"),
    ln1_post: None,
    ln2: None,
    ln2_post: None,
    qkv: Projection::new(&["h.{}.attn.q_proj", "h.{}.attn.k_proj", "h.{}.attn.v_proj"], false),
    qk_norm: None,
    attn_out: Projection::new(&["h.{}.attn.out_proj"], false),
    mlp_in: Projection::new(&["h.{}.mlp.fc_in"], true),
    mlp_out: Projection::new(&["h.{}.mlp.fc_out"], true),
    ln_final: "ln_f",
    unembed: &["lm_head"],
    unembed_bias: true,
    in_first: false,
};

/// The modules of transformers' implementation whose output is a site of ours.
const MODULES: &[(C, &str)] = &[
    (C::Embed, "transformer.wte"),
    (C::Ln1, "transformer.h.{}.ln_1"),
    (C::Q, "transformer.h.{}.attn.q_proj"),
    (C::K, "transformer.h.{}.attn.k_proj"),
    (C::V, "transformer.h.{}.attn.v_proj"),
    (C::AttnOut, "transformer.h.{}.attn"),
    (C::AttnOut, "transformer.h.{}.attn.out_proj"),
    (C::MlpPre, "transformer.h.{}.mlp.fc_in"),
    (C::MlpPost, "transformer.h.{}.mlp.act"),
    (C::MlpOut, "transformer.h.{}.mlp"),
    (C::MlpOut, "transformer.h.{}.mlp.fc_out"),
    (C::ResidPost, "transformer.h.{}"),
    (C::FinalNorm, "transformer.ln_f"),
    (C::Logits, "lm_head"),
];
