//! `qwen3`: Qwen 3 (`Qwen3ForCausalLM` in transformers).
//!
//! **What**: as Qwen 2, with a norm of each head's queries and keys, and biases only where the
//! config asks for them.
//!
//! **Formula**: Llama's; each head's q and k become RMS q and RMS k before they are turned.
//!
//! **Reference**: Yang et al. 2025, "Qwen3 Technical Report", arXiv 2505.09388.
//!
//! **Fails when**: as for Llama; its mixtures of experts are another family, which is unknown here.

use tracewright_ir::{Architecture, Component as C, QueryKeyNorm};

use super::{Config, Description, Family, Names, llama, qwen2, rope, window};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "qwen3",
    describe,
    known_fields: &[
        llama::FIELDS,
        rope::FIELDS,
        window::FIELDS,
        qwen2::WINDOW_FIELDS,
        &["attention_bias"],
    ],
};

const DEFAULTS: llama::Defaults = llama::Defaults { d_head: Some(128), ..qwen2::DEFAULTS };

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let llama = llama::architecture(config, "qwen3", &DEFAULTS)?;
    let architecture = Architecture {
        window: qwen2::window(config, llama.n_layers)?,
        query_key_norm: Some(QueryKeyNorm::PerHead),
        modules: llama::modules_but(QK_NORM_MODULES),
        ..llama
    };
    let names = Names { qk_norm: Some(QK_NORM), ..llama::names(config)? };
    Ok(Description { architecture, names })
}

/// The norms of queries and of keys, in every family that has them.
pub(super) const QK_NORM: [&str; 2] = ["layers.{}.self_attn.q_norm", "layers.{}.self_attn.k_norm"];

pub(super) const QK_NORM_MODULES: &[(C, &str)] = &[
    (C::QNormed, "model.layers.{}.self_attn.q_norm"),
    (C::KNormed, "model.layers.{}.self_attn.k_norm"),
];
