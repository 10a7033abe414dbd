//! Model families: from a checkpoint's `config.json` to an [`Architecture`], and the names of its
//! tensors. Everything else is the one decoder's.
//!
//! `docs/models.md` tells how to add one; [`Checkpoint::open_with`](crate::Checkpoint::open_with) takes
//! families of the caller's own.

mod config;
mod gemma;
mod gemma2;
mod gemma3;
mod gpt2;
mod gpt_neox;
mod gptj;
mod inputs;
mod llama;
mod mistral;
mod names;
mod olmo2;
mod opt;
mod phi;
mod phi3;
mod qwen2;
mod qwen3;
pub mod rope;
mod window;

use serde_json::Value;
use tracewright_ir::{Architecture, Component, ModuleName, Position};

use crate::error::ModelError;

pub use config::Config;
pub use names::{Names, Positions, Projection};

/// A family of models that share a layout.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The `model_type` in `config.json`.
    pub model_type: &'static str,
    /// The model's shape and the names of its tensors.
    pub describe: fn(&Config<'_>) -> Result<Description, ModelError>,
    /// The fields that change no number here, or that `describe` reads.
    pub known_fields: &'static [&'static [&'static str]],
}

/// What a config says about a model.
#[derive(Clone, Debug)]
pub struct Description {
    /// The model's shape.
    pub architecture: Architecture,
    /// The names of its tensors.
    pub names: Names,
}

/// The families that are known here.
pub const FAMILIES: [Family; 14] = [
    gemma::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    gpt2::FAMILY,
    gpt_neox::FAMILY,
    gptj::FAMILY,
    llama::FAMILY,
    mistral::FAMILY,
    olmo2::FAMILY,
    opt::FAMILY,
    phi::FAMILY,
    phi3::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
];

/// What a config describes as one of these families, and a warning for each field that we don't know.
pub(crate) fn read(
    origin: &str,
    text: &[u8],
    families: &[Family],
) -> Result<(Description, Vec<String>), ModelError> {
    let bad = |problem: String| ModelError::BadConfig { origin: origin.to_owned(), problem };
    let value: Value =
        serde_json::from_slice(text).map_err(|e| bad(format!("isn't valid JSON: {e}")))?;
    let fields = value.as_object().ok_or_else(|| bad("isn't a JSON object".to_owned()))?;
    let config = Config::new(origin, fields);
    let given = config.text("model_type")?.ok_or_else(|| bad("lacks 'model_type'".to_owned()))?;
    let family = families.iter().find(|f| f.model_type == given).ok_or_else(|| {
        let known = families.iter().map(|f| f.model_type).collect();
        let (origin, given) = (origin.to_owned(), given.to_owned());
        ModelError::UnknownFamily { origin, given, known, fitting: Vec::new() }
    })?;
    let mut description = (family.describe)(&config)?;
    description.check().map_err(|problem| config.bad(problem))?;
    let inputs = inputs::of(&description);
    description.architecture.modules.extend(inputs);
    let unknown = family.unknown_fields(&config);
    if unknown.iter().any(|key| *key == "quantization_config") {
        return Err(bad("has a 'quantization_config': weights quantised that way can't be read; \
                        unquantised ones and MLX's can"
            .to_owned()));
    }
    if let Some(key) = unknown.iter().find(|key| changes_numbers(key)) {
        return Err(bad(format!("has a field '{key}', which isn't supported for {given}")));
    }
    let warning = |key: &&String| {
        format!("{origin}: config.json has a field '{key}' that is not known here; it is ignored")
    };
    Ok((description, unknown.iter().map(warning).collect()))
}

impl Family {
    /// The fields of a config that the family doesn't know, but for those that say nothing.
    pub(crate) fn unknown_fields<'a>(&self, config: &Config<'a>) -> Vec<&'a String> {
        // MLX's own, which is read with the weights, and its copy for transformers.
        let quantised = config.keys().any(|key| key == "quantization");
        let known = |key: &str| {
            let mut lists = self.known_fields.iter().chain([&COMMON_FIELDS]);
            quantised && key.starts_with("quantization") || lists.any(|list| list.contains(&key))
        };
        let unknown = config.keys().filter(|key| !known(key) && !config.is_null(key));
        unknown.collect()
    }
}

/// Whether a field is of a kind that changes every number.
pub(crate) fn changes_numbers(key: &str) -> bool {
    REFUSED_FIELDS.iter().any(|start| key.starts_with(start))
}

impl Description {
    /// What of it contradicts itself, or can't be held by any memory.
    fn check(&self) -> Result<(), String> {
        let Self { architecture, names } = self;
        let Architecture { n_heads, n_kv_heads, d_head, d_model, d_mlp, vocab, .. } = *architecture;
        let (before, after) = (names.ln1.is_some(), names.ln1_post.is_some());
        let mlp_before = names.ln2.is_some() || architecture.shares_norm();
        let learned = architecture.position == Position::Learned;
        let whole = |parts: &[&str], outputs| parts.len() == 1 || parts.len() == outputs;
        let rotary_fits = match &architecture.position {
            Position::Learned => true,
            Position::Rotary(rotary) => rotary.width <= d_head && rotary.width.is_multiple_of(2),
        };
        let wide =
            [n_heads * d_head, d_model, d_mlp, vocab].into_iter().any(|width| width > 1 << 28);
        let mlp_parts = if architecture.gated_mlp { 2 } else { 1 };
        let problems = [
            (wide, "describes a width of more than 2^28"),
            (architecture.n_layers > MOST_LAYERS, "describes more layers than can be held"),
            (
                !n_heads.is_multiple_of(n_kv_heads),
                "describes heads that can't share key/value heads",
            ),
            (!rotary_fits, "describes rotary positions that don't fit a head"),
            (learned != names.pos_embed.is_some(), "describes positions without their tensor"),
            (
                architecture.has_pre_norm() != before || architecture.has_pre_norm() != mlp_before,
                "describes norms before attention and MLP without their tensors",
            ),
            (
                architecture.has_post_norm() != after
                    || architecture.has_post_norm() != names.ln2_post.is_some(),
                "describes norms after attention and MLP without their tensors",
            ),
            (
                architecture.query_key_norm.is_some() != names.qk_norm.is_some(),
                "describes norms of queries and keys without their tensors",
            ),
            (names.unembed.is_empty(), "describes no unembedding"),
            (
                !whole(names.qkv.parts, 3)
                    || !whole(names.mlp_in.parts, mlp_parts)
                    || names.attn_out.parts.len() != 1
                    || names.mlp_out.parts.len() != 1,
                "describes projections of another number of parts than they have outputs",
            ),
        ];
        match problems.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, problem)) => Err(problem.to_owned()),
            None => Ok(()),
        }
    }
}

/// More than any model has; something is made for each.
pub(crate) const MOST_LAYERS: usize = 1 << 14;

/// How fields begin that change every number and that only a family which reads them may have.
const REFUSED_FIELDS: &[&str] = &[
    "attention_multiplier",
    "attn_logit_softcapping",
    "embedding_multiplier",
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "mup_",
    "num_experts",
    "num_local_experts",
    "quantization_config",
    "query_pre_attn_scalar",
    "residual_multiplier",
    "rope_",
    "rotary",
];

/// Fields of any Hugging Face config that change no number of a forward pass in f32.
const COMMON_FIELDS: &[&str] = &[
    "_name_or_path",
    "_attn_implementation",
    "architectures",
    "auto_map",
    "bos_token_id",
    "chunk_size_feed_forward",
    "dtype",
    "eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "label2id",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pad_token_id",
    "problem_type",
    "return_dict",
    "sep_token_id",
    "task_specific_params",
    "tie_word_embeddings",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "use_cache",
    "vocab_size",
];

/// The modules of a table as an architecture has them; `{}` is the layer.
pub fn modules(table: &[(Component, &str)]) -> Vec<ModuleName> {
    let module = |(component, pattern): &(Component, &str)| ModuleName {
        component: *component,
        pattern: (*pattern).to_owned(),
    };
    table.iter().map(module).collect()
}
