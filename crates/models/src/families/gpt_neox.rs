//! `gpt_neox`: GPT-NeoX and Pythia (`GPTNeoXForCausalLM` in transformers).
//!
//! **What**: attention and MLP side by side, each after a LayerNorm of its own, or one after the
//! other; partly rotary heads; one projection for q, k and v, head after head.
//!
//! **Formula**: y = x + attn(LN₁ x) + mlp(LN₂ x); without `use_parallel_residual` as GPT-2.
//!
//! **Reference**: Black et al. 2022, "GPT-NeoX-20B", arXiv 2204.06745; Biderman et al. 2023,
//! "Pythia", arXiv 2304.01373.
//!
//! **Fails when**: side by side, `resid_mid` is asked for: nothing lies between attention and MLP.

use tracewright_ir::{
    Architecture, Component as C, Norm, NormPlace, Position, Residual, ScoreScale,
};

use super::{Config, Description, Family, Names, Projection, modules, rope};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "gpt_neox",
    describe,
    known_fields: &[
        // Without an effect at the top: a `rope_theta` and a `partial_rotary_factor`, which
        // transformers 4.4x wrote beside this family's own fields for them.
        rope::FIELDS,
        &[
            "attention_bias",
            "attention_dropout",
            "attention_probs_dropout_prob",
            "classifier_dropout",
            "hidden_act",
            "hidden_dropout",
            "hidden_dropout_prob",
            "hidden_size",
            "intermediate_size",
            "layer_norm_eps",
            "max_position_embeddings",
            "num_attention_heads",
            "num_hidden_layers",
            "rotary_emb_base",
            "rotary_pct",
            "use_parallel_residual",
        ],
    ],
};

const ROPE: rope::Spelling =
    rope::Spelling { base: "rotary_emb_base", part: "rotary_pct", absent_part: 0.25 };

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let [d_model, n_heads, d_head] = config.heads("hidden_size", "num_attention_heads")?;
    let parallel = config.flag("use_parallel_residual", true)?;
    let architecture = Architecture {
        family: "gpt_neox".to_owned(),
        n_layers: config.required_layers("num_hidden_layers")?,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: config.required_size("intermediate_size")?,
        vocab: config.required_size("vocab_size")?,
        context: config.size("max_position_embeddings")?.unwrap_or(2048),
        norm: Norm::LayerNorm { eps: config.number("layer_norm_eps", 1e-5)? },
        norm_place: NormPlace::Pre,
        position: Position::Rotary(rope::rotary(config, d_head, &ROPE)?),
        window: None,
        score_scale: ScoreScale::by_head_width(d_head),
        score_cap: None,
        query_key_norm: None,
        activation: config.activation("hidden_act", "gelu")?,
        gated_mlp: false,
        residual: if parallel { Residual::Parallel } else { Residual::Sequential },
        embed_scale: 1.0,
        logit_cap: None,
        tied_unembedding: config.flag("tie_word_embeddings", false)?,
        modules: modules(MODULES),
    };
    Ok(Description { architecture, names: names(config.flag("attention_bias", true)?) })
}

fn names(attention_bias: bool) -> Names {
    let qkv = Projection::new(&["layers.{}.attention.query_key_value"], attention_bias);
    Names {
        optional_prefix: "gpt_neox.",
        ignored: &[".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"],
        embed: "embed_in.weight",
        pos_embed: None,
        ln1: Some("layers.{}.input_layernorm"),
        ln1_post: None,
        ln2: Some("layers.{}.post_attention_layernorm"),
        ln2_post: None,
        qkv: Projection { by_head: true, ..qkv },
        qk_norm: None,
        attn_out: Projection::new(&["layers.{}.attention.dense"], attention_bias),
        mlp_in: Projection::new(&["layers.{}.mlp.dense_h_to_4h"], true),
        mlp_out: Projection::new(&["layers.{}.mlp.dense_4h_to_h"], true),
        ln_final: "final_layer_norm",
        unembed: &["embed_out", "lm_head"],
        unembed_bias: false,
        in_first: false,
    }
}

/// The modules of transformers' implementation whose output is a site of ours; the unembedding is
/// called `embed_out` in transformers 4.
const MODULES: &[(C, &str)] = &[
    (C::Embed, "gpt_neox.embed_in"),
    (C::Ln1, "gpt_neox.layers.{}.input_layernorm"),
    (C::AttnOut, "gpt_neox.layers.{}.attention"),
    (C::AttnOut, "gpt_neox.layers.{}.attention.dense"),
    (C::Ln2, "gpt_neox.layers.{}.post_attention_layernorm"),
    (C::MlpPre, "gpt_neox.layers.{}.mlp.dense_h_to_4h"),
    (C::MlpPost, "gpt_neox.layers.{}.mlp.act"),
    (C::MlpOut, "gpt_neox.layers.{}.mlp"),
    (C::MlpOut, "gpt_neox.layers.{}.mlp.dense_4h_to_h"),
    (C::ResidPost, "gpt_neox.layers.{}"),
    (C::FinalNorm, "gpt_neox.final_layer_norm"),
    (C::Logits, "lm_head"),
    (C::Logits, "embed_out"),
];
