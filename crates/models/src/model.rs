//! Checkpoints and the models made from them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tracewright_ir::Architecture;

use crate::chat::{ChatError, ChatTemplate};
use crate::decoder::Decoder;
use crate::device::DeviceName;
use crate::dtype::Dtype;
use crate::error::ModelError;
use crate::families::{self, Config, Description, FAMILIES, Family};
use crate::load;
use crate::promised::{self, Footprint};
use crate::quantised::Quantisation;
use crate::stream::BLOCK_BYTES;
use crate::tokenizer::{Bos, Tokenizer};
use crate::weights::{self, Weights};

/// The name of the model that is embedded in the program.
pub const BUILT_IN: &str = "facts-6m";

macro_rules! built_in_file {
    ($file:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/facts-6m/", $file))
    };
}

/// A checkpoint's config and tokenizer; its weights stay where they are until
/// [`Checkpoint::load`].
#[derive(Clone, Debug)]
pub struct Checkpoint {
    name: String,
    weights: Location,
    description: Description,
    quantisation: Option<Quantisation>,
    tokenizer: Tokenizer,
    warnings: Vec<String>,
    dtype: Dtype,
    streamed: bool,
    /// The bytes of a number in the files, as the config says.
    stored_width: u64,
    /// The token that the config names as BOS.
    bos_id: Option<u32>,
}

#[derive(Clone, Debug)]
enum Location {
    BuiltIn,
    Folder(PathBuf),
}

/// A model that is ready to run.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it is called: the built-in name, that on the hub, or its folder.
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
        let config = (&config[..], &FAMILIES[..]);
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
        Self::open_with(folder, &FAMILIES)
    }

    /// The same with other families than those of this crate: some of your own, say, and [`FAMILIES`].
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::open`].
    pub fn open_with(folder: &Path, families: &[Family]) -> Result<Self, ModelError> {
        if !folder.is_dir() {
            return Err(ModelError::NoFolder { path: folder.to_owned() });
        }
        let file = |name| file(folder, name);
        let read =
            |path: PathBuf| fs::read(&path).map_err(|error| ModelError::Unreadable { path, error });
        let config = read(file("config.json")?)?;
        let tokenizer = read(file("tokenizer.json")?)?;
        let weights = Location::Folder(folder.to_owned());
        let name = folder.display().to_string();
        Self::new(name, weights, (&config, families), &tokenizer).map_err(|error| match error {
            ModelError::UnknownFamily { origin, given, known, .. } => {
                let fitting = fitting(folder, &config, families);
                ModelError::UnknownFamily { origin, given, known, fitting }
            }
            error => error,
        })
    }

    fn new(
        name: String,
        weights: Location,
        (config, families): (&[u8], &[Family]),
        tokenizer: &[u8],
    ) -> Result<Self, ModelError> {
        let (description, mut warnings) = families::read(&name, config, families)?;
        let Architecture { vocab, context, .. } = description.architecture;
        let tokenizer = Tokenizer::from_bytes(&name, tokenizer, vocab, context)?;
        if tokenizer.len() != vocab {
            let known = tokenizer.len();
            warnings.push(format!(
                "{name}: the tokenizer knows {known} tokens, the model has {vocab} embeddings"
            ));
        }
        let (quantisation, dtype) = (Quantisation::read(&name, config)?, Dtype::default());
        Ok(Self {
            name,
            weights,
            description,
            quantisation,
            tokenizer,
            warnings,
            dtype,
            streamed: false,
            stored_width: stored_width(config),
            bos_id: bos_id(config),
        })
    }

    /// The same under another name than its folder's: that of a model of the hub.
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
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

    /// What its matrices are stored in: `f32`, `bf16`, `4 bits`, …
    ///
    /// # Errors
    ///
    /// No weights, or files that can't be read.
    pub fn stored_as(&self) -> Result<String, ModelError> {
        let weights = self.weights()?;
        Ok(weights.stored_as(&promised::embedding(&weights, &self.description.names)))
    }

    /// What its weights take; where there are none, as its config says that they are stored.
    pub fn footprint(&self) -> Footprint {
        let (names, file) = (&self.description.names, self.weights().ok());
        let prefix = file.as_ref().map_or("", |file| promised::prefix(file, names));
        let stored = |name: &str, numbers: u64| match (&file, &self.quantisation) {
            (Some(file), _) if file.has(name) => file.stored_bytes(name),
            (Some(file), _) => file.stored_bytes(&format!("{prefix}{name}")),
            (None, Some(quantisation)) => quantisation.stored_bytes(name, numbers),
            (None, None) => numbers * self.stored_width,
        };
        let embed = promised::full_name(prefix, names.embed, None);
        let in_blocks = file.as_ref().is_none_or(|file| file.has_ranges(&embed));
        let blocks = if in_blocks { BLOCK_BYTES as u64 } else { u64::MAX / 2 };
        Footprint::new(&self.description, self.dtype.bytes(), blocks, stored)
    }

    fn weights(&self) -> Result<Weights, ModelError> {
        match &self.weights {
            Location::BuiltIn => Weights::embedded(&self.name, built_in_file!("model.safetensors")),
            Location::Folder(folder) => Weights::of_folder(folder, self.quantisation.clone()),
        }
    }

    /// The same with its weight matrices kept and multiplied in another type.
    pub fn with_dtype(self, dtype: Dtype) -> Self {
        Self { dtype, ..self }
    }

    /// The same with prompts that begin with BOS or don't, whatever the tokenizer's own rule is.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoBos`] where BOS is wanted and the checkpoint names none; files that can't be read.
    pub fn with_bos(self, bos: Bos) -> Result<Self, ModelError> {
        if bos == Bos::Own {
            return Ok(self);
        }
        let named = match (&self.weights, self.bos_id) {
            (Location::Folder(folder), None) => ChatTemplate::special_token(folder, "bos_token")?,
            _ => None,
        };
        let id = self.bos_id.or_else(|| self.tokenizer.id(&named?));
        let vocab = self.architecture().vocab;
        if let Some(id) = id.filter(|id| *id as usize >= vocab) {
            let problem = format!("names {id} as bos_token_id, but the model has {vocab} tokens");
            return Err(ModelError::BadConfig { origin: self.name, problem });
        }
        if bos == Bos::On && id.is_none() {
            return Err(ModelError::NoBos { origin: self.name });
        }
        Ok(Self { tokenizer: self.tokenizer.with_bos(bos, id), ..self })
    }

    /// The same with each prompt written as a message in the checkpoint's own chat format.
    ///
    /// # Errors
    ///
    /// A checkpoint without a chat template, or with one that can't be used.
    pub fn with_chat(self) -> Result<Self, ModelError> {
        let template = match &self.weights {
            Location::Folder(folder) => ChatTemplate::open(folder)?,
            Location::BuiltIn => {
                return Err(ChatError::BuiltIn.into());
            }
        };
        Ok(Self { tokenizer: self.tokenizer.with_chat(template), ..self })
    }

    /// The same with its layers, embedding and unembedding left in their files until a pass needs them: a
    /// model of any size then takes the memory of two of its layers, and every pass reads it once.
    pub fn streamed(self, streamed: bool) -> Self {
        Self { streamed, ..self }
    }

    /// Whether they are to be left there.
    pub fn is_streamed(&self) -> bool {
        self.streamed
    }

    /// Reads the weights onto a device; unless [`Checkpoint::with_dtype`] says otherwise they are f32
    /// there, whatever they are stored in.
    ///
    /// # Errors
    ///
    /// A damaged file, tensors that don't fit the config, numbers that are infinite or not
    /// numbers, a device that can't be used.
    pub fn load(self, device: DeviceName) -> Result<Model, ModelError> {
        let file = self.weights()?;
        let place = load::Place {
            device: device.open()?,
            on_host: device == DeviceName::Cpu,
            dtype: self.dtype,
        };
        let sha256 = file.sha256()?;
        let decoder = load::decoder(file, &self.description, place, self.streamed)?;
        // Not the weights alone: the same ones under another config or tokenizer are another model.
        let mut identity = Sha256::new();
        identity.update(sha256);
        identity.update(serde_json::to_string(self.architecture()).unwrap_or_default());
        identity.update(self.tokenizer.identity());
        let sha256 = weights::hex(&identity.finalize());
        let Self { name, tokenizer, dtype, .. } = self;
        Ok(Model { name, sha256, dtype, decoder, tokenizer })
    }
}

/// The token that a config names as BOS.
fn bos_id(config: &[u8]) -> Option<u32> {
    let config: Value = serde_json::from_slice(config).unwrap_or_default();
    config["bos_token_id"].as_u64().and_then(|id| id.try_into().ok())
}

/// The bytes of a number in the files, as a config says; transformers stores f32 where it says nothing.
fn stored_width(config: &[u8]) -> u64 {
    let config: Value = serde_json::from_slice(config).unwrap_or_default();
    match config["dtype"].as_str().or_else(|| config["torch_dtype"].as_str()) {
        Some("bfloat16" | "float16") => 2,
        _ => 4,
    }
}

/// The families whose fields and tensors a checkpoint of another one has; the plainest alone where that is
/// one of them, since no tensor shows what others compute otherwise.
fn fitting(folder: &Path, config: &[u8], families: &[Family]) -> Vec<&'static str> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(config) else { return Vec::new() };
    let quantisation = Quantisation::read("", config).ok().flatten();
    let Ok(weights) = Weights::of_folder(folder, quantisation) else { return Vec::new() };
    let mut fits = |family: &&Family| {
        fields.insert("model_type".to_owned(), family.model_type.into());
        let config = Config::new("", &fields);
        let known =
            !family.unknown_fields(&config).iter().any(|key| families::changes_numbers(key));
        let description = (family.describe)(&config);
        known
            && description.is_ok_and(|description| promised::check(&weights, &description).is_ok())
    };
    let fitting = families.iter().filter(|family| fits(family));
    let fitting: Vec<&str> = fitting.map(|family| family.model_type).collect();
    if fitting.contains(&PLAINEST) { vec![PLAINEST] } else { fitting }
}

/// The family whose tensors most others have, too.
const PLAINEST: &str = "llama";

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
