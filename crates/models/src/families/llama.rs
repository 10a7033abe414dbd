//! `llama`: Llama (`LlamaForCausalLM` in transformers) and what shares its layout, TinyLlama and
//! SmolLM among others.
//!
//! Other families have its fields and names but for a few; they begin with what is here.
//!
//! **What**: rotary positions, RMSNorm, a gated MLP, grouped heads; biases where the config has
//! them.
//!
//! **Formula**: m = x + attn(RMS₁ x); y = m + W_down (silu(W_gate n) ⊙ W_up n), n = RMS₂ m.
//!
//! **Reference**: Touvron et al. 2023, arXiv 2302.13971; Grattafiori et al. 2024, "The Llama 3 Herd
//! of Models", arXiv 2407.21783.
//!
//! **Fails when**: the config asks for another rotary scaling than `linear` and `llama3`; the heads
//! can't be divided among the key/value heads.

use tracewright_ir::{
    Architecture, Component as C, ModuleName, Norm, NormPlace, Position, Residual, Rotary,
    ScoreScale,
};

use super::{Config, Description, Family, Names, Projection, modules, rope};
use crate::error::ModelError;

pub(super) const FAMILY: Family =
    Family { model_type: "llama", describe, known_fields: &[FIELDS, rope::FIELDS, OWN_FIELDS] };

/// The fields that are read here, and those that change no number.
pub(super) const FIELDS: &[&str] = &[
    "attention_dropout",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "pretraining_tp",
    "rms_norm_eps",
];

/// Those that not every family has; the last two are SmolLM's, and transformers doesn't read them.
const OWN_FIELDS: &[&str] = &["attention_bias", "mlp_bias", "is_llama_config", "rope_interleaved"];

/// What a config that lacks a field means by that, and what a family reads in another way.
pub(super) struct Defaults {
    /// `num_key_value_heads`; as many as query heads where this is none, or the config says null.
    pub(super) n_kv_heads: Option<usize>,
    /// `head_dim`; the model's width divided among the heads where this is none.
    pub(super) d_head: Option<usize>,
    /// `rms_norm_eps`
    pub(super) eps: f64,
    /// `tie_word_embeddings`
    pub(super) tied: bool,
    /// `max_position_embeddings`
    pub(super) context: usize,
    /// The field of the activation function, and the function.
    pub(super) activation: (&'static str, &'static str),
    /// Rotary positions over heads of a width.
    pub(super) rotary: fn(&Config<'_>, usize) -> Result<Rotary, ModelError>,
}

/// Llama's own.
pub(super) const DEFAULTS: Defaults = Defaults {
    n_kv_heads: None,
    d_head: None,
    eps: 1e-6,
    tied: false,
    context: 2048,
    activation: ("hidden_act", "silu"),
    rotary: rope::whole_heads,
};

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let architecture = architecture(config, "llama", &DEFAULTS)?;
    let bias = config.flag("mlp_bias", false)?;
    let names = Names {
        mlp_in: Projection { bias, ..MLP_IN },
        mlp_out: Projection { bias, ..MLP_OUT },
        ..names(config)?
    };
    Ok(Description { architecture, names })
}

/// The shape that Llama's fields describe.
pub(super) fn architecture(
    config: &Config<'_>,
    family: &str,
    defaults: &Defaults,
) -> Result<Architecture, ModelError> {
    let d_model = config.required_size("hidden_size")?;
    let n_heads = config.required_size("num_attention_heads")?;
    let n_kv_heads = match defaults.n_kv_heads {
        Some(absent) => config.size_or_null("num_key_value_heads", absent)?,
        None => config.size("num_key_value_heads")?,
    };
    let n_kv_heads = n_kv_heads.unwrap_or(n_heads);
    if !n_heads.is_multiple_of(n_kv_heads) {
        return Err(config.bad(format!(
            "has {n_heads} heads, which can't share {n_kv_heads} key/value heads in groups of \
             equal size"
        )));
    }
    let d_head = match defaults.d_head {
        Some(absent) => config.size_or_null("head_dim", absent)?,
        None => config.size("head_dim")?,
    };
    let d_head = match d_head {
        Some(d_head) => d_head,
        None if d_model.is_multiple_of(n_heads) => d_model / n_heads,
        None => {
            return Err(config.bad(format!(
                "has hidden_size {d_model}, which can't be divided among {n_heads} heads, and no \
                 head_dim"
            )));
        }
    };
    let (activation, absent) = defaults.activation;
    Ok(Architecture {
        family: family.to_owned(),
        n_layers: config.required_layers("num_hidden_layers")?,
        d_model,
        n_heads,
        n_kv_heads,
        d_head,
        d_mlp: config.required_size("intermediate_size")?,
        vocab: config.required_size("vocab_size")?,
        context: config.size("max_position_embeddings")?.unwrap_or(defaults.context),
        norm: Norm::RmsNorm { eps: config.number("rms_norm_eps", defaults.eps)?, plus_one: false },
        norm_place: NormPlace::Pre,
        position: Position::Rotary((defaults.rotary)(config, d_head)?),
        window: None,
        score_scale: ScoreScale::by_head_width(d_head),
        score_cap: None,
        query_key_norm: None,
        activation: config.activation(activation, absent)?,
        gated_mlp: true,
        residual: Residual::Sequential,
        embed_scale: 1.0,
        logit_cap: None,
        tied_unembedding: config.flag("tie_word_embeddings", defaults.tied)?,
        modules: modules(MODULES),
    })
}

pub(super) const QKV: Projection = Projection::new(
    &["layers.{}.self_attn.q_proj", "layers.{}.self_attn.k_proj", "layers.{}.self_attn.v_proj"],
    false,
);
const ATTN_OUT: Projection = Projection::new(&["layers.{}.self_attn.o_proj"], false);
const MLP_IN: Projection =
    Projection::new(&["layers.{}.mlp.gate_proj", "layers.{}.mlp.up_proj"], false);
const MLP_OUT: Projection = Projection::new(&["layers.{}.mlp.down_proj"], false);

/// Llama's names, with the biases of attention that the config asks for.
pub(super) fn names(config: &Config<'_>) -> Result<Names, ModelError> {
    let bias = config.flag("attention_bias", false)?;
    let qkv = Projection { bias, ..QKV };
    Ok(Names { qkv, attn_out: Projection { bias, ..ATTN_OUT }, ..NAMES })
}

/// Llama's names, without biases.
pub(super) const NAMES: Names = Names {
    optional_prefix: "model.",
    ignored: &[".rotary_emb.inv_freq"],
    embed: "embed_tokens.weight",
    pos_embed: None,
    ln1: Some("layers.{}.input_layernorm"),
    ln1_post: None,
    ln2: Some("layers.{}.post_attention_layernorm"),
    ln2_post: None,
    qkv: QKV,
    qk_norm: None,
    attn_out: ATTN_OUT,
    mlp_in: MLP_IN,
    mlp_out: MLP_OUT,
    ln_final: "norm",
    unembed: &["lm_head"],
    unembed_bias: false,
    in_first: false,
};

/// Llama's modules with those of a family that it hasn't got, or that are another site there.
pub(super) fn modules_but(others: &[(C, &str)]) -> Vec<ModuleName> {
    let stays = |(_, name): &&(C, &str)| others.iter().all(|(_, other)| other != name);
    modules(&MODULES.iter().filter(stays).chain(others).copied().collect::<Vec<_>>())
}

/// The modules of transformers' implementation whose output is a site of ours.
const MODULES: &[(C, &str)] = &[
    (C::Embed, "model.embed_tokens"),
    (C::Ln1, "model.layers.{}.input_layernorm"),
    (C::Q, "model.layers.{}.self_attn.q_proj"),
    (C::K, "model.layers.{}.self_attn.k_proj"),
    (C::V, "model.layers.{}.self_attn.v_proj"),
    (C::AttnOut, "model.layers.{}.self_attn"),
    (C::AttnOut, "model.layers.{}.self_attn.o_proj"),
    (C::Ln2, "model.layers.{}.post_attention_layernorm"),
    (C::MlpPre, "model.layers.{}.mlp.gate_proj"),
    (C::MlpPreLinear, "model.layers.{}.mlp.up_proj"),
    (C::MlpOut, "model.layers.{}.mlp"),
    (C::MlpOut, "model.layers.{}.mlp.down_proj"),
    (C::ResidPost, "model.layers.{}"),
    (C::FinalNorm, "model.norm"),
    (C::Logits, "lm_head"),
];
