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
use tracewright_ir::{Architecture, Component, ModuleName};

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
    let inputs = inputs::of(&description);
    description.architecture.modules.extend(inputs);
    let known = |key: &str| {
        let lists = family.known_fields.iter().chain([&COMMON_FIELDS]);
        // MLX's own, which is read with the weights, and its copy for transformers.
        let quantised = key.starts_with("quantization") && fields.contains_key("quantization");
        quantised || lists.into_iter().any(|list| list.contains(&key))
    };
    let unknown = config.keys().filter(|key| !known(key));
    let unknown: Vec<&String> = unknown.collect();
    let changes_numbers = |key: &str| REFUSED_FIELDS.iter().any(|start| key.starts_with(start));
    if let Some(key) = unknown.iter().find(|key| changes_numbers(key)) {
        return Err(bad(format!("has a field '{key}', which isn't supported for {given}")));
    }
    let warnings = unknown
        .into_iter()
        .map(|key| {
            format!(
                "{origin}: config.json has a field '{key}' that is not known here; it is ignored"
            )
        })
        .collect();
    Ok((description, warnings))
}

/// How fields begin that change every number and that only a family which reads them may have.
const REFUSED_FIELDS: &[&str] = &["rope_", "rotary", "quantization_config"];

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
