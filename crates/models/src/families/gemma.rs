//! `gemma`: Gemma (`GemmaForCausalLM` in transformers).
//!
//! **What**: Llama's layout with scaled embeddings, gains that are stored less 1, and the tanh form
//! of GELU in its MLP.
//!
//! **Formula**: Llama's; x₀ = √d_model E[token]; RMS x = (1 + g) x / sqrt(mean square + eps).
//!
//! **Reference**: Gemma Team 2024, arXiv 2403.08295.
//!
//! **Fails when**: the config asks for bidirectional attention.

use tracewright_ir::{Activation, Architecture, Norm};

use super::{Config, Description, Family, llama, rope};
use crate::error::ModelError;

pub(super) const FAMILY: Family =
    Family { model_type: "gemma", describe, known_fields: &[llama::FIELDS, rope::FIELDS, FIELDS] };

/// The fields that every Gemma may have beside Llama's.
pub(super) const FIELDS: &[&str] =
    &["attention_bias", "hidden_activation", "use_bidirectional_attention"];

pub(super) const DEFAULTS: llama::Defaults = llama::Defaults {
    n_kv_heads: Some(16),
    d_head: Some(256),
    tied: true,
    context: 8192,
    activation: ("hidden_act", "gelu_pytorch_tanh"),
    ..llama::DEFAULTS
};

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let mut architecture = architecture(config, "gemma", &DEFAULTS)?;
    // Google's first files say "gelu" and mean its tanh form, which transformers puts in its place.
    if config.text("hidden_act")? == Some("gelu") {
        architecture.activation = Activation::GeluTanh;
    }
    Ok(Description { architecture, names: llama::names(config)? })
}

/// What all Gemmas have in common.
pub(super) fn architecture(
    config: &Config<'_>,
    family: &str,
    defaults: &llama::Defaults,
) -> Result<Architecture, ModelError> {
    if config.flag("use_bidirectional_attention", false)? {
        let problem = "asks for bidirectional attention, which isn't supported";
        return Err(config.bad(problem.to_owned()));
    }
    let llama = llama::architecture(config, family, defaults)?;
    let eps = config.number("rms_norm_eps", defaults.eps)?;
    Ok(Architecture {
        norm: Norm::RmsNorm { eps, plus_one: true },
        embed_scale: (llama.d_model as f64).sqrt(),
        ..llama
    })
}
