//! `opt`: OPT (`OPTForCausalLM` in transformers).
//!
//! **What**: GPT-2's shape with ReLU, learned positions whose table begins with two spare rows, and
//! biases that the config can leave out.
//!
//! **Formula**: m = x + attn(LN₁ x); y = m + W₂ relu(W₁ LN₂ m + b₁) + b₂.
//!
//! **Reference**: Zhang et al. 2022, "OPT", arXiv 2205.01068.
//!
//! **Fails when**: the stream itself is normalised or embeddings have another width than the
//! stream, as in OPT-350m.

use tracewright_ir::{
    Architecture, Component as C, Norm, NormPlace, Position, Residual, ScoreScale,
};

use super::{Config, Description, Family, Names, Positions, Projection, modules};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "opt",
    describe,
    known_fields: &[&[
        "_remove_final_layer_norm",
        "activation_dropout",
        "activation_function",
        "attention_dropout",
        "do_layer_norm_before",
        "dropout",
        "enable_bias",
        "ffn_dim",
        "hidden_size",
        "init_std",
        "layer_norm_elementwise_affine",
        "layerdrop",
        "max_position_embeddings",
        "num_attention_heads",
        "num_hidden_layers",
        "prefix",
        "word_embed_proj_dim",
    ]],
};

/// The one value of a field that is supported, and what another would ask for.
const SETTLED: [(&str, bool, &str); 3] = [
    ("do_layer_norm_before", true, "norms of the stream after attention and MLP"),
    ("layer_norm_elementwise_affine", true, "norms without gain and bias"),
    ("_remove_final_layer_norm", false, "a model without a last norm"),
];

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let [d_model, n_heads, d_head] = config.heads("hidden_size", "num_attention_heads")?;
    for (field, settled, asked) in SETTLED {
        if config.flag(field, settled)? != settled {
            return Err(config.bad(format!("asks for {asked} ('{field}'), which isn't supported")));
        }
    }
    let d_embed = config.size("word_embed_proj_dim")?.unwrap_or(d_model);
    if d_embed != d_model {
        return Err(config.bad(format!(
            "has a word_embed_proj_dim of {d_embed} beside hidden_size {d_model}; embeddings of \
             another width aren't supported"
        )));
    }
    let architecture = Architecture {
        family: "opt".to_owned(),
        n_layers: config.required_layers("num_hidden_layers")?,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: config.required_size("ffn_dim")?,
        vocab: config.required_size("vocab_size")?,
        context: config.size("max_position_embeddings")?.unwrap_or(2048),
        norm: Norm::LayerNorm { eps: 1e-5 },
        norm_place: NormPlace::Pre,
        position: Position::Learned,
        window: None,
        score_scale: ScoreScale::by_head_width(d_head),
        score_cap: None,
        query_key_norm: None,
        activation: config.activation("activation_function", "relu")?,
        gated_mlp: false,
        residual: Residual::Sequential,
        embed_scale: 1.0,
        logit_cap: None,
        tied_unembedding: config.flag("tie_word_embeddings", true)?,
        modules: modules(MODULES),
    };
    Ok(Description { architecture, names: names(config.flag("enable_bias", true)?) })
}

fn names(bias: bool) -> Names {
    Names {
        optional_prefix: "model.",
        ignored: &[],
        embed: "decoder.embed_tokens.weight",
        pos_embed: Some(Positions { name: "decoder.embed_positions.weight", before: 2 }),
        ln1: Some("decoder.layers.{}.self_attn_layer_norm"),
        ln1_post: None,
        ln2: Some("decoder.layers.{}.final_layer_norm"),
        ln2_post: None,
        qkv: Projection::new(
            &[
                "decoder.layers.{}.self_attn.q_proj",
                "decoder.layers.{}.self_attn.k_proj",
                "decoder.layers.{}.self_attn.v_proj",
            ],
            bias,
        ),
        qk_norm: None,
        attn_out: Projection::new(&["decoder.layers.{}.self_attn.out_proj"], bias),
        mlp_in: Projection::new(&["decoder.layers.{}.fc1"], bias),
        mlp_out: Projection::new(&["decoder.layers.{}.fc2"], bias),
        ln_final: "decoder.final_layer_norm",
        unembed: &["lm_head"],
        unembed_bias: false,
        in_first: false,
    }
}

/// The modules of transformers' implementation whose output is a site of ours.
const MODULES: &[(C, &str)] = &[
    (C::Embed, "model.decoder.embed_tokens"),
    (C::PosEmbed, "model.decoder.embed_positions"),
    (C::Ln1, "model.decoder.layers.{}.self_attn_layer_norm"),
    (C::Q, "model.decoder.layers.{}.self_attn.q_proj"),
    (C::K, "model.decoder.layers.{}.self_attn.k_proj"),
    (C::V, "model.decoder.layers.{}.self_attn.v_proj"),
    (C::AttnOut, "model.decoder.layers.{}.self_attn"),
    (C::AttnOut, "model.decoder.layers.{}.self_attn.out_proj"),
    (C::Ln2, "model.decoder.layers.{}.final_layer_norm"),
    (C::MlpPre, "model.decoder.layers.{}.fc1"),
    (C::MlpPost, "model.decoder.layers.{}.activation_fn"),
    (C::MlpOut, "model.decoder.layers.{}.fc2"),
    (C::ResidPost, "model.decoder.layers.{}"),
    (C::FinalNorm, "model.decoder.final_layer_norm"),
    (C::Logits, "lm_head"),
];
