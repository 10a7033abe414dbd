//! GPT-2 (`GPT2LMHeadModel` in transformers): learned positions, LayerNorm, one fused projection
//! for q, k and v, weights stored `[in, out]`.

use tracewright_ir::{
    Activation, Architecture, Component as C, ModuleName, Norm, Position, ScoreScale,
};

use super::{Config, Family, Names};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "gpt2",
    architecture,
    names,
    known_fields: &[
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
    ],
};

fn architecture(config: &Config<'_>) -> Result<Architecture, ModelError> {
    let d_model = config.required_size("n_embd")?;
    let n_heads = config.required_size("n_head")?;
    if !d_model.is_multiple_of(n_heads) {
        return Err(config.bad(format!(
            "has n_embd {d_model}, which can't be divided among n_head {n_heads} heads"
        )));
    }
    if config.flag("add_cross_attention", false)? {
        return Err(config.bad("asks for cross attention, which isn't supported".to_owned()));
    }
    Ok(Architecture {
        family: "gpt2".to_owned(),
        n_layers: config.required_size("n_layer")?,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head: d_model / n_heads,
        d_mlp: config.size("n_inner")?.unwrap_or(4 * d_model),
        vocab: config.required_size("vocab_size")?,
        context: config.required_size("n_positions")?,
        norm: Norm::LayerNorm { eps: config.number("layer_norm_epsilon", 1e-5)? },
        position: Position::Learned,
        score_scale: ScoreScale {
            by_head_width: config.flag("scale_attn_weights", true)?,
            by_layer: config.flag("scale_attn_by_inverse_layer_idx", false)?,
        },
        query_key_norm: false,
        activation: activation(config)?,
        gated_mlp: false,
        parallel_residual: false,
        tied_unembedding: config.flag("tie_word_embeddings", true)?,
        modules: modules(),
    })
}

fn activation(config: &Config<'_>) -> Result<Activation, ModelError> {
    match config.text("activation_function")?.unwrap_or("gelu_new") {
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "gelu" => Ok(Activation::Gelu),
        "relu" => Ok(Activation::Relu),
        "silu" | "swish" => Ok(Activation::Silu),
        other => Err(config.bad(format!(
            "has the activation_function '{other}', which isn't supported; supported: gelu_new, \
             gelu_pytorch_tanh, gelu, relu, silu"
        ))),
    }
}

fn names() -> Names {
    Names {
        optional_prefix: "transformer.",
        ignored: &[".attn.bias", ".attn.masked_bias"],
        embed: "wte.weight",
        pos_embed: Some("wpe.weight"),
        ln1: "h.{}.ln_1",
        qkv: &["h.{}.attn.c_attn"],
        attn_out: "h.{}.attn.c_proj",
        ln2: "h.{}.ln_2",
        mlp_in: "h.{}.mlp.c_fc",
        mlp_out: "h.{}.mlp.c_proj",
        ln_final: "ln_f",
        unembed: "lm_head.weight",
        in_first: true,
    }
}

/// The modules of transformers' implementation whose output is a site of ours.
fn modules() -> Vec<ModuleName> {
    let table = [
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
    table.map(|(component, pattern)| ModuleName { component, pattern: pattern.to_owned() }).to_vec()
}
