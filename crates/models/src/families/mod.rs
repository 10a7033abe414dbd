//! Model families: from a checkpoint's `config.json` to an [`Architecture`], and the names of its
//! tensors. Everything else is the one decoder's.

mod gpt2;

use serde_json::{Map, Value};
use tracewright_ir::Architecture;

use crate::error::ModelError;

/// The fields of a `config.json`, with the checkpoint's name for messages.
pub(crate) struct Config<'a> {
    pub(crate) origin: &'a str,
    fields: &'a Map<String, Value>,
}

/// A family of models that share a layout.
#[derive(Debug)]
pub(crate) struct Family {
    /// The `model_type` in `config.json`.
    pub(crate) model_type: &'static str,
    /// The model's shape.
    pub(crate) architecture: fn(&Config<'_>) -> Result<Architecture, ModelError>,
    /// The names of its tensors.
    pub(crate) names: fn() -> Names,
    /// The fields that change no number here, or that `architecture` reads.
    known_fields: &'static [&'static str],
}

/// Where a model's weights stand in its checkpoint; `{}` is the layer.
pub(crate) struct Names {
    /// A prefix that the checkpoint's names may have or lack.
    pub(crate) optional_prefix: &'static str,
    /// Buffers that older checkpoints hold beside their weights, by the end of their names.
    pub(crate) ignored: &'static [&'static str],
    pub(crate) embed: &'static str,
    pub(crate) pos_embed: Option<&'static str>,
    pub(crate) ln1: &'static str,
    /// The projections whose outputs, side by side, are q, k and v.
    pub(crate) qkv: &'static [&'static str],
    pub(crate) attn_out: &'static str,
    pub(crate) ln2: &'static str,
    pub(crate) mlp_in: &'static str,
    pub(crate) mlp_out: &'static str,
    pub(crate) ln_final: &'static str,
    pub(crate) unembed: &'static str,
    /// True where a projection's weight is stored `[in, out]`, as GPT-2's Conv1D does.
    pub(crate) in_first: bool,
}

const FAMILIES: [Family; 1] = [gpt2::FAMILY];

/// The family of a config, its architecture, and a warning for each field that we don't know.
pub(crate) fn read(
    origin: &str,
    text: &[u8],
) -> Result<(&'static Family, Architecture, Vec<String>), ModelError> {
    let bad = |problem: String| ModelError::BadConfig { origin: origin.to_owned(), problem };
    let value: Value =
        serde_json::from_slice(text).map_err(|e| bad(format!("isn't valid JSON: {e}")))?;
    let fields = value.as_object().ok_or_else(|| bad("isn't a JSON object".to_owned()))?;
    let config = Config { origin, fields };
    let given = config.text("model_type")?.ok_or_else(|| bad("lacks 'model_type'".to_owned()))?;
    let family = FAMILIES.iter().find(|f| f.model_type == given).ok_or_else(|| {
        let known = FAMILIES.iter().map(|f| f.model_type).collect();
        ModelError::UnknownFamily { origin: origin.to_owned(), given: given.to_owned(), known }
    })?;
    let architecture = (family.architecture)(&config)?;
    let unknown = fields.keys().filter(|key| {
        !family.known_fields.contains(&key.as_str()) && !COMMON_FIELDS.contains(&key.as_str())
    });
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
    Ok((family, architecture, warnings))
}

/// How fields begin that change every number and that only a family which reads them may have.
const REFUSED_FIELDS: &[&str] = &["rope_", "rotary", "quantization_config"];

/// Fields of any Hugging Face config that change no number of a forward pass in f32.
const COMMON_FIELDS: &[&str] = &[
    "_name_or_path",
    "_attn_implementation",
    "architectures",
    "bos_token_id",
    "chunk_size_feed_forward",
    "dtype",
    "eos_token_id",
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
    "torch_dtype",
    "transformers_version",
    "use_cache",
    "vocab_size",
];

impl Config<'_> {
    fn bad(&self, problem: String) -> ModelError {
        ModelError::BadConfig { origin: self.origin.to_owned(), problem }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        what: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || self.bad(format!("has {value} for '{key}', which should be {what}"));
        read(value).map(Some).ok_or_else(wrong)
    }

    fn text(&self, key: &str) -> Result<Option<&str>, ModelError> {
        self.read(key, "a text", Value::as_str)
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        Ok(self.read(key, "true or false", Value::as_bool)?.unwrap_or(default))
    }

    fn number(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        // Computed in f32: what is infinite or zero there isn't the number that was meant.
        let positive =
            |v: &Value| v.as_f64().filter(|n| (*n as f32).is_finite() && *n as f32 > 0.0);
        Ok(self.read(key, "a positive number that f32 can hold", positive)?.unwrap_or(default))
    }

    fn size(&self, key: &str) -> Result<Option<usize>, ModelError> {
        // Larger sizes can't be held by any file; refusing them keeps later products from overflow.
        let size = |v: &Value| v.as_u64().filter(|n| (1..=1 << 28).contains(n)).map(|n| n as usize);
        self.read(key, "a whole number from 1 to 2^28", size)
    }

    fn required_size(&self, key: &str) -> Result<usize, ModelError> {
        self.size(key)?.ok_or_else(|| self.bad(format!("lacks '{key}'")))
    }
}
