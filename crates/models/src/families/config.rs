//! Reading the fields of a `config.json`, with errors that name them.

use serde_json::{Map, Value};
use tracewright_ir::Activation;

use super::MOST_LAYERS;
use crate::error::ModelError;

/// The fields of a `config.json`, with the checkpoint's name for messages.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    pub(super) origin: &'a str,
    pub(super) fields: &'a Map<String, Value>,
}

impl<'a> Config<'a> {
    pub(crate) fn new(origin: &'a str, fields: &'a Map<String, Value>) -> Self {
        Self { origin, fields }
    }

    /// The names of all fields.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a String> + use<'a> {
        self.fields.keys()
    }
}

impl Config<'_> {
    /// What is wrong with the config, as an error: `problem` goes on after "config.json".
    pub fn bad(&self, problem: String) -> ModelError {
        ModelError::BadConfig { origin: self.origin.to_owned(), problem }
    }

    /// Whether a field says nothing.
    pub(crate) fn is_null(&self, key: &str) -> bool {
        self.get(key).is_none()
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn read<'a, T>(
        &'a self,
        key: &str,
        what: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || self.bad(format!("has {value} for '{key}', which should be {what}"));
        read(value).map(Some).ok_or_else(wrong)
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadConfig`] where it is something else, as all of these give it.
    pub fn text(&self, key: &str) -> Result<Option<&str>, ModelError> {
        self.read(key, "a text", Value::as_str)
    }

    /// True or false; `default` where the config doesn't say.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        Ok(self.read(key, "true or false", Value::as_bool)?.unwrap_or(default))
    }

    /// A positive number; `default` where the config doesn't say.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn number(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        Ok(self.positive(key)?.unwrap_or(default))
    }

    /// A number that null says isn't there, and a config without the field says is `absent`.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn number_or_null(&self, key: &str, absent: f64) -> Result<Option<f64>, ModelError> {
        if self.fields.contains_key(key) { self.positive(key) } else { Ok(Some(absent)) }
    }

    /// A positive number, if it is there.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn positive(&self, key: &str) -> Result<Option<f64>, ModelError> {
        // Computed in f32: what is infinite or zero there isn't the number that was meant.
        let positive =
            |v: &Value| v.as_f64().filter(|n| (*n as f32).is_finite() && *n as f32 > 0.0);
        self.read(key, "a positive number that f32 can hold", positive)
    }

    /// A size that null says isn't there, and a config without the field says is `absent`.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn size_or_null(&self, key: &str, absent: usize) -> Result<Option<usize>, ModelError> {
        if self.fields.contains_key(key) { self.size(key) } else { Ok(Some(absent)) }
    }

    /// An object within the config, read like the config itself; one without fields is none.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn section(&self, key: &str) -> Result<Option<Config<'_>>, ModelError> {
        let object = self.read(key, "an object", Value::as_object)?;
        let fields = object.filter(|fields| !fields.is_empty());
        Ok(fields.map(|fields| Config { origin: self.origin, fields }))
    }

    /// A list of texts, one for each layer.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn by_layer(&self, key: &str, n_layers: usize) -> Result<Option<Vec<&str>>, ModelError> {
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
    ///
    /// # Errors
    ///
    /// Any other.
    pub fn activation(&self, key: &str, default: &str) -> Result<Activation, ModelError> {
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

    /// A whole number from 1 on.
    ///
    /// # Errors
    ///
    /// Anything else, and more than any file can hold.
    pub fn size(&self, key: &str) -> Result<Option<usize>, ModelError> {
        // Larger sizes can't be held by any file; refusing them keeps later products from overflow.
        let size = |v: &Value| v.as_u64().filter(|n| (1..=1 << 28).contains(n)).map(|n| n as usize);
        self.read(key, "a whole number from 1 to 2^28", size)
    }

    /// A size that the config has to have.
    ///
    /// # Errors
    ///
    /// None, and anything else.
    pub fn required_size(&self, key: &str) -> Result<usize, ModelError> {
        self.size(key)?.ok_or_else(|| self.bad(format!("lacks '{key}'")))
    }

    /// A number of layers: fewer than any other size, since something is made for each.
    ///
    /// # Errors
    ///
    /// None, and anything else.
    pub fn required_layers(&self, key: &str) -> Result<usize, ModelError> {
        match self.required_size(key)? {
            layers if layers <= MOST_LAYERS => Ok(layers),
            layers => {
                Err(self.bad(format!("has {layers} layers in '{key}', more than {MOST_LAYERS}")))
            }
        }
    }

    /// The width of a model whose heads share it, how many there are, and the width of one.
    ///
    /// # Errors
    ///
    /// A width that can't be divided.
    pub fn heads(&self, width: &str, heads: &str) -> Result<[usize; 3], ModelError> {
        let (d_model, n_heads) = (self.required_size(width)?, self.required_size(heads)?);
        if !d_model.is_multiple_of(n_heads) {
            return Err(self.bad(format!(
                "has {width} {d_model}, which can't be divided among {heads} {n_heads} heads"
            )));
        }
        Ok([d_model, n_heads, d_model / n_heads])
    }
}
