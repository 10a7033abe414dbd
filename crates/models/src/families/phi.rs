//! `phi`: Phi 1, 1.5 and 2 (`PhiForCausalLM` in transformers).
//!
//! **What**: attention and MLP side by side after one LayerNorm, partly rotary heads, biases
//! everywhere, that of the unembedding among them.
//!
//! **Formula**: y = x + attn(n) + mlp(n), n = LN x.
//!
//! **Reference**: Gunasekar et al. 2023, "Textbooks Are All You Need", arXiv 2306.11644.
//!
//! **Fails when**: the config asks for norms of queries and keys; `resid_mid` or `ln2` is asked
//! for: there is neither.

use tracewright_ir::{Architecture, Component as C, Norm, Residual, Rotary};

use super::{Config, Description, Family, Names, Projection, llama, modules, rope};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "phi",
    describe,
    known_fields: &[
        llama::FIELDS,
        rope::FIELDS,
        &["embd_pdrop", "layer_norm_eps", "qk_layernorm", "resid_pdrop"],
    ],
};

const DEFAULTS: llama::Defaults =
    llama::Defaults { activation: ("hidden_act", "gelu_new"), rotary, ..llama::DEFAULTS };

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    if config.flag("qk_layernorm", false)? {
        return Err(config.bad(
            "asks for norms of queries and keys ('qk_layernorm'), which aren't supported for phi"
                .to_owned(),
        ));
    }
    let architecture = Architecture {
        norm: Norm::LayerNorm { eps: config.number("layer_norm_eps", 1e-5)? },
        gated_mlp: false,
        residual: Residual::ParallelSharedNorm,
        modules: modules(MODULES),
        ..llama::architecture(config, "phi", &DEFAULTS)?
    };
    Ok(Description { architecture, names: NAMES })
}

fn rotary(config: &Config<'_>, d_head: usize) -> Result<Rotary, ModelError> {
    rope::rotary(config, d_head, &rope::Spelling { absent_part: 0.5, ..rope::USUAL })
}

const NAMES: Names = Names {
    ln2: None,
    qkv: Projection { bias: true, ..llama::QKV },
    attn_out: Projection::new(&["layers.{}.self_attn.dense"], true),
    mlp_in: Projection::new(&["layers.{}.mlp.fc1"], true),
    mlp_out: Projection::new(&["layers.{}.mlp.fc2"], true),
    ln_final: "final_layernorm",
    unembed_bias: true,
    ..llama::NAMES
};

/// The modules of transformers' implementation whose output is a site of ours.
const MODULES: &[(C, &str)] = &[
    (C::Embed, "model.embed_tokens"),
    (C::Ln1, "model.layers.{}.input_layernorm"),
    (C::Q, "model.layers.{}.self_attn.q_proj"),
    (C::K, "model.layers.{}.self_attn.k_proj"),
    (C::V, "model.layers.{}.self_attn.v_proj"),
    (C::AttnOut, "model.layers.{}.self_attn"),
    (C::AttnOut, "model.layers.{}.self_attn.dense"),
    (C::MlpPre, "model.layers.{}.mlp.fc1"),
    (C::MlpPost, "model.layers.{}.mlp.activation_fn"),
    (C::MlpOut, "model.layers.{}.mlp"),
    (C::MlpOut, "model.layers.{}.mlp.fc2"),
    (C::ResidPost, "model.layers.{}"),
    (C::FinalNorm, "model.final_layernorm"),
    (C::Logits, "lm_head"),
];
