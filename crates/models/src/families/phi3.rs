//! `phi3`: Phi-3 and Phi-4 (`Phi3ForCausalLM` in transformers).
//!
//! **What**: Llama's shape with q, k and v from one projection and the MLP's two factors from
//! another, partly rotary heads, and in some a sliding window in every layer.
//!
//! **Formula**: Llama's.
//!
//! **Reference**: Abdin et al. 2024, "Phi-3 Technical Report", arXiv 2404.14219.
//!
//! **Fails when**: the config has a rotary scaling, as those with a context of 128k have
//! (`longrope`).

use tracewright_ir::{AngleScaling, Architecture, Component as C, Rotary};

use super::{Config, Description, Family, Names, Projection, llama, rope, window};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "phi3",
    describe,
    known_fields: &[
        llama::FIELDS,
        rope::FIELDS,
        &["attention_bias", "embd_pdrop", "resid_pdrop", "sliding_window"],
    ],
};

const DEFAULTS: llama::Defaults =
    llama::Defaults { eps: 1e-5, context: 4096, rotary, ..llama::DEFAULTS };

/// The sites that are a part of a fused module's output.
const FUSED: [C; 5] = [C::Q, C::K, C::V, C::MlpPre, C::MlpPreLinear];

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let llama = llama::architecture(config, "phi3", &DEFAULTS)?;
    let keys = config.size("sliding_window")?;
    let mut architecture =
        Architecture { window: window::everywhere(keys, llama.n_layers), ..llama };
    architecture.modules.retain(|module| !FUSED.contains(&module.component));
    let names = Names {
        qkv: Projection::new(&["layers.{}.self_attn.qkv_proj"], false),
        mlp_in: Projection::new(&["layers.{}.mlp.gate_up_proj"], false),
        ..llama::NAMES
    };
    Ok(Description { architecture, names })
}

fn rotary(config: &Config<'_>, d_head: usize) -> Result<Rotary, ModelError> {
    let rotary = rope::rotary(config, d_head, &rope::USUAL)?;
    // Transformers refuses the other types for this family.
    if rotary.angles.scaling != AngleScaling::None {
        return Err(config.bad(
            "has a rope type that phi3 doesn't have; supported for phi3: default".to_owned(),
        ));
    }
    Ok(rotary)
}
