//! `gemma3_text`: Gemma 3's language model (`Gemma3ForCausalLM` in transformers; 270m and 1b are
//! nothing else).
//!
//! **What**: as Gemma 2, with norms of each head's queries and keys, scores without a cap, five
//! layers with a window to one without, and angles of their own in those with one.
//!
//! **Formula**: Gemma 2's; each head's q and k become RMS q and RMS k before they are turned.
//!
//! **Reference**: Gemma Team 2025, "Gemma 3 Technical Report", arXiv 2503.19786.
//!
//! **Fails when**: as for Gemma 2; and for checkpoints that see pictures, whose `model_type` is
//! another.

use serde_json::Map;
use tracewright_ir::{Architecture, Pairs, QueryKeyNorm, Rotary};

use super::{Config, Description, Family, Names, gemma, gemma2, llama, qwen3, rope, window};
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    model_type: "gemma3_text",
    describe,
    known_fields: &[
        llama::FIELDS,
        rope::FIELDS,
        window::FIELDS,
        gemma::FIELDS,
        gemma2::FIELDS,
        &["_sliding_window_pattern", "rope_local_base_freq", "sliding_window_pattern"],
    ],
};

const DEFAULTS: llama::Defaults = llama::Defaults { context: 131_072, rotary, ..gemma2::DEFAULTS };

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let both = gemma2::architecture(config, "gemma3_text", &DEFAULTS)?;
    let keys = config.size_or_null("sliding_window", 4096)?;
    let pattern = config.size("sliding_window_pattern")?.unwrap_or(6);
    let slides = |layer: usize| !(layer + 1).is_multiple_of(pattern);
    let architecture = Architecture {
        window: window::by_layer(config, keys, both.n_layers, slides)?,
        query_key_norm: Some(QueryKeyNorm::PerHead),
        logit_cap: config.positive("final_logit_softcapping")?,
        modules: llama::modules_but(&[gemma2::POST_NORM_MODULES, qwen3::QK_NORM_MODULES].concat()),
        ..both
    };
    let names = Names { qk_norm: Some(qwen3::QK_NORM), ..gemma2::names(config)? };
    Ok(Description { architecture, names })
}

/// The angles of layers without a window and of those with one. Transformers 5 has a section for
/// each in `rope_parameters`; transformers 4 has `rope_theta` and `rope_scaling` for those without,
/// `rope_local_base_freq` for those with one.
fn rotary(config: &Config<'_>, d_head: usize) -> Result<Rotary, ModelError> {
    const TYPES: [&str; 2] = ["full_attention", "sliding_attention"];
    let sections = config.section("rope_parameters")?;
    let mut keys = sections.iter().flat_map(|sections| sections.keys());
    if let Some(key) = keys.find(|key| !TYPES.contains(&key.as_str())) {
        return Err(config.bad(format!(
            "has '{key}' in its rope_parameters, which should hold an object for each of \
             full_attention and sliding_attention"
        )));
    }
    let section = |key| -> Result<_, ModelError> {
        Ok(sections.as_ref().map(|all| all.section(key)).transpose()?.flatten())
    };
    let [full, sliding] = TYPES.map(section);
    // Here alone, what `rope_scaling` holds is put into the section instead of replacing it.
    let mut fields = Map::new();
    for given in [full?, config.section("rope_scaling")?].into_iter().flatten() {
        fields.extend(given.fields.clone());
    }
    let full = Config { origin: config.origin, fields: &fields };
    rope::check_width(config, d_head, d_head)?;
    Ok(Rotary {
        width: d_head,
        pairs: Pairs::Halves,
        angles: rope::angles(config, Some(&full), "rope_theta", 1e6)?,
        window_angles: Some(rope::angles(config, sliding?.as_ref(), "rope_local_base_freq", 1e4)?),
    })
}
