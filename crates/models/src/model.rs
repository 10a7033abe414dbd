//! Checkpoints and the models made from them.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tracewright_ir::Architecture;

use crate::decoder::Decoder;
use crate::device::DeviceName;
use crate::dtype::Dtype;
use crate::error::ModelError;
use crate::families::{self, Description};
use crate::load;
use crate::quantised::Quantisation;
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;

/// The name of the model that is embedded in the program.
pub const BUILT_IN: &str = "facts-6m";

macro_rules! built_in_file {
    ($file:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/facts-6m/", $file))
    };
}

/// A checkpoint's config and tokenizer; its weights stay where they are until
/// [`Checkpoint::load`].
#[derive(Debug)]
pub struct Checkpoint {
    name: String,
    weights: Location,
    description: Description,
    quantisation: Option<Quantisation>,
    tokenizer: Tokenizer,
    warnings: Vec<String>,
    dtype: Dtype,
}

#[derive(Debug)]
enum Location {
    BuiltIn,
    Folder(PathBuf),
}

/// A model that is ready to run.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it is called: the built-in name, or its folder.
    pub name: String,
    /// The SHA-256 of its weights, its shape and its tokenizer, in hexadecimal digits.
    pub sha256: String,
    /// What its weight matrices are kept and multiplied in.
    pub dtype: Dtype,
    /// The decoder with its weights.
    pub decoder: Decoder,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
}

impl Checkpoint {
    /// The model that is embedded in the program: a small GPT-2 that knows ROME's facts.
    ///
    /// # Errors
    ///
    /// None in a program whose tests have passed.
    pub fn built_in() -> Result<Self, ModelError> {
        let (config, tokenizer) = (built_in_file!("config.json"), built_in_file!("tokenizer.json"));
        Self::new(BUILT_IN.to_owned(), Location::BuiltIn, config, tokenizer)
    }

    /// A folder in Hugging Face's layout: `config.json`, `tokenizer.json`, and for
    /// [`Checkpoint::load`] the weights: safetensors or PyTorch's `pytorch_model.bin`, in one file or in
    /// several with their index.
    ///
    /// # Errors
    ///
    /// A folder or file that isn't there or can't be read, a config of an unknown family or with
    /// settings that aren't supported.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        if !folder.is_dir() {
            return Err(ModelError::NoFolder { path: folder.to_owned() });
        }
        let file = |name| file(folder, name);
        let read =
            |path: PathBuf| fs::read(&path).map_err(|error| ModelError::Unreadable { path, error });
        let config = read(file("config.json")?)?;
        let tokenizer = read(file("tokenizer.json")?)?;
        let weights = Location::Folder(folder.to_owned());
        Self::new(folder.display().to_string(), weights, &config, &tokenizer)
    }

    fn new(
        name: String,
        weights: Location,
        config: &[u8],
        tokenizer: &[u8],
    ) -> Result<Self, ModelError> {
        let (description, mut warnings) = families::read(&name, config)?;
        let Architecture { vocab, context, .. } = description.architecture;
        let tokenizer = Tokenizer::from_bytes(&name, tokenizer, vocab, context)?;
        if tokenizer.len() != vocab {
            let known = tokenizer.len();
            warnings.push(format!(
                "{name}: the tokenizer knows {known} tokens, the model has {vocab} embeddings"
            ));
        }
        let (quantisation, dtype) = (Quantisation::read(&name, config)?, Dtype::default());
        Ok(Self { name, weights, description, quantisation, tokenizer, warnings, dtype })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model's shape.
    pub fn architecture(&self) -> &Architecture {
        &self.description.architecture
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// What is odd about the checkpoint without being wrong.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The same with its weight matrices kept and multiplied in another type.
    pub fn with_dtype(self, dtype: Dtype) -> Self {
        Self { dtype, ..self }
    }

    /// Reads the weights onto a device; unless [`Checkpoint::with_dtype`] says otherwise they are f32
    /// there, whatever they are stored in.
    ///
    /// # Errors
    ///
    /// A damaged file, tensors that don't fit the config, numbers that are infinite or not
    /// numbers, a device that can't be used.
    pub fn load(self, device: DeviceName) -> Result<Model, ModelError> {
        let file = match &self.weights {
            Location::BuiltIn => {
                Weights::embedded(&self.name, built_in_file!("model.safetensors"))?
            }
            Location::Folder(folder) => Weights::of_folder(folder, self.quantisation.clone())?,
        };
        let place = load::Place {
            device: device.open()?,
            on_host: device == DeviceName::Cpu,
            dtype: self.dtype,
        };
        let decoder = load::decoder(&file, &self.description, place)?;
        // Not the weights alone: the same ones under another config or tokenizer are another model.
        let mut identity = Sha256::new();
        identity.update(file.sha256()?);
        identity.update(serde_json::to_string(self.architecture()).unwrap_or_default());
        identity.update(self.tokenizer.json());
        let sha256 = identity.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let Self { name, tokenizer, dtype, .. } = self;
        Ok(Model { name, sha256, dtype, decoder, tokenizer })
    }
}

/// A file that a checkpoint's folder must hold.
fn file(folder: &Path, file: &'static str) -> Result<PathBuf, ModelError> {
    let path = folder.join(file);
    let found = path.is_file();
    found.then_some(path).ok_or(ModelError::NoFile { path: folder.to_owned(), file })
}

impl Model {
    /// The model's shape.
    pub fn architecture(&self) -> &Architecture {
        self.decoder.architecture()
    }
}
