//! Model families: from a checkpoint's `config.json` to an [`Architecture`], and the names of its
//! tensors. Everything else is the one decoder's.

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
mod rope;
mod window;

use serde_json::{Map, Value};
use tracewright_ir::{Activation, Architecture, Component, ModuleName};

use crate::error::ModelError;

pub(crate) use names::{Names, Positions, Projection};

/// The fields of a `config.json`, with the checkpoint's name for messages.
pub(crate) struct Config<'a> {
    pub(crate) origin: &'a str,
    fields: &'a Map<String, Value>,
}

/// A family of models that share a layout.
struct Family {
    /// The `model_type` in `config.json`.
    model_type: &'static str,
    /// The model's shape and the names of its tensors.
    describe: fn(&Config<'_>) -> Result<Description, ModelError>,
    /// The fields that change no number here, or that `describe` reads.
    known_fields: &'static [&'static [&'static str]],
}

/// What a config says about a model.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) architecture: Architecture,
    pub(crate) names: Names,
}

const FAMILIES: [Family; 14] = [
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

/// What a config describes, and a warning for each field that we don't know.
pub(crate) fn read(origin: &str, text: &[u8]) -> Result<(Description, Vec<String>), ModelError> {
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
    let mut description = (family.describe)(&config)?;
    let inputs = inputs::of(&description);
    description.architecture.modules.extend(inputs);
    let known = |key: &str| {
        let lists = family.known_fields.iter().chain([&COMMON_FIELDS]);
        // MLX's own, which is read with the weights, and its copy for transformers.
        let quantised = key.starts_with("quantization") && fields.contains_key("quantization");
        quantised || lists.into_iter().any(|list| list.contains(&key))
    };
    let unknown = fields.keys().filter(|key| !known(key));
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
        Ok(self.positive(key)?.unwrap_or(default))
    }

    /// A number that null says isn't there, and a config without the field says is `absent`.
    fn number_or_null(&self, key: &str, absent: f64) -> Result<Option<f64>, ModelError> {
        if self.fields.contains_key(key) { self.positive(key) } else { Ok(Some(absent)) }
    }

    fn positive(&self, key: &str) -> Result<Option<f64>, ModelError> {
        // Computed in f32: what is infinite or zero there isn't the number that was meant.
        let positive =
            |v: &Value| v.as_f64().filter(|n| (*n as f32).is_finite() && *n as f32 > 0.0);
        self.read(key, "a positive number that f32 can hold", positive)
    }

    /// A size that null says isn't there, and a config without the field says is `absent`.
    fn size_or_null(&self, key: &str, absent: usize) -> Result<Option<usize>, ModelError> {
        if self.fields.contains_key(key) { self.size(key) } else { Ok(Some(absent)) }
    }

    /// An object within the config, read like the config itself; one without fields is none.
    fn section(&self, key: &str) -> Result<Option<Config<'_>>, ModelError> {
        let object = self.read(key, "an object", Value::as_object)?;
        let fields = object.filter(|fields| !fields.is_empty());
        Ok(fields.map(|fields| Config { origin: self.origin, fields }))
    }

    /// A list of texts, one for each layer.
    fn by_layer(&self, key: &str, n_layers: usize) -> Result<Option<Vec<&str>>, ModelError> {
        let texts = |v: &'_ Value| -> Option<usize> {
            let list = v.as_array()?;
            (list.len() == n_layers && list.iter().all(Value::is_string)).then_some(list.len())
        };
        if self.read(key, "a list of texts, one for each layer", texts)?.is_none() {
            return Ok(None);
        }
        let list = self.get(key).and_then(Value::as_array).into_iter().flatten();
        Ok(Some(list.filter_map(Value::as_str).collect()))
    }

    /// An activation function, by the names that transformers has for those that are computed here.
    fn activation(&self, key: &str, default: &str) -> Result<Activation, ModelError> {
        match self.text(key)?.unwrap_or(default) {
            "gelu_new" | "gelu_accurate" | "gelu_pytorch_tanh" | "gelu_python_tanh"
            | "gelu_fast" => Ok(Activation::GeluTanh),
            "gelu" | "gelu_python" => Ok(Activation::Gelu),
            "relu" => Ok(Activation::Relu),
            "silu" | "swish" => Ok(Activation::Silu),
            other => Err(self.bad(format!(
                "has the {key} '{other}', which isn't supported; supported: gelu_new, \
                 gelu_pytorch_tanh, gelu, relu, silu"
            ))),
        }
    }

    fn size(&self, key: &str) -> Result<Option<usize>, ModelError> {
        // Larger sizes can't be held by any file; refusing them keeps later products from overflow.
        let size = |v: &Value| v.as_u64().filter(|n| (1..=1 << 28).contains(n)).map(|n| n as usize);
        self.read(key, "a whole number from 1 to 2^28", size)
    }

    fn required_size(&self, key: &str) -> Result<usize, ModelError> {
        self.size(key)?.ok_or_else(|| self.bad(format!("lacks '{key}'")))
    }

    /// The width of a model whose heads share it, how many there are, and the width of one.
    fn heads(&self, width: &str, heads: &str) -> Result<[usize; 3], ModelError> {
        let (d_model, n_heads) = (self.required_size(width)?, self.required_size(heads)?);
        if !d_model.is_multiple_of(n_heads) {
            return Err(self.bad(format!(
                "has {width} {d_model}, which can't be divided among {heads} {n_heads} heads"
            )));
        }
        Ok([d_model, n_heads, d_model / n_heads])
    }
}

/// The modules of a table as an architecture has them.
fn modules(table: &[(Component, &str)]) -> Vec<ModuleName> {
    let module = |(component, pattern): &(Component, &str)| ModuleName {
        component: *component,
        pattern: (*pattern).to_owned(),
    };
    table.iter().map(module).collect()
}
