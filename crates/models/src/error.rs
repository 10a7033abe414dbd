//! What can go wrong between a checkpoint and its numbers.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::chat::ChatError;

/// A model, tokenizer or device that can't be used, with what to do about it.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum ModelError {
    /// The folder isn't there.
    #[error("'{}' isn't a model's folder: give a folder with config.json, tokenizer.json and model.safetensors, a model's name on the hub, or leave --model out for the built-in model", path.display())]
    NoFolder { path: PathBuf },
    /// No weights in the folder.
    #[error("the model folder '{}' has no weights: one of {} is looked for", path.display(), known.join(", "))]
    NoWeights { path: PathBuf, known: Vec<&'static str> },
    /// One of the folder's files isn't there.
    #[error("the model folder '{}' has no {file}: a checkpoint in Hugging Face's layout has config.json, tokenizer.json and model.safetensors", path.display())]
    NoFile { path: PathBuf, file: &'static str },
    /// A file can't be read.
    #[error("can't read '{}': {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// config.json is no JSON, or not what the family needs.
    #[error("{origin}: config.json {problem}")]
    BadConfig { origin: String, problem: String },
    /// A family that isn't known.
    #[error("{origin}: config.json has the model_type '{given}', which isn't supported; supported: {}{}", known.join(", "), to_try(fitting))]
    UnknownFamily {
        origin: String,
        given: String,
        known: Vec<&'static str>,
        /// Those whose fields and tensors it has.
        fitting: Vec<&'static str>,
    },
    /// The safetensors file is damaged or isn't one.
    #[error("{origin}: the weights can't be read: {problem}")]
    BadWeights { origin: String, problem: String },
    /// The weights aren't those that config.json promises.
    #[error("{origin}: the weights don't fit config.json:\n  {}", problems.join("\n  "))]
    Mismatch { origin: String, problems: Vec<String> },
    /// A weight that is infinite or not a number.
    #[error(
        "{origin}: weight '{tensor}' holds {value} at index {index}: the file is damaged, or the model's training failed"
    )]
    NotFinite { origin: String, tensor: String, index: usize, value: f32 },
    /// tokenizer.json can't be read.
    #[error("{origin}: tokenizer.json can't be used: {problem}")]
    BadTokenizer { origin: String, problem: String },
    /// A type that weights can't be kept in.
    #[error("there is no dtype '{given}'; known: {}", known.join(", "))]
    UnknownDtype { given: String, known: Vec<&'static str> },
    /// A setting for BOS that there isn't.
    #[error("--bos is '{given}': give own (the tokenizer's rule), on or off")]
    UnknownBos { given: String },
    /// BOS is wanted, and nobody says which token it is.
    #[error(
        "{origin}: neither config.json (bos_token_id) nor tokenizer_config.json (bos_token) names a BOS token, so it can't be put before prompts"
    )]
    NoBos { origin: String },
    /// A prompt that can't be written in the model's chat format.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A prompt without tokens.
    #[error("the prompt is empty: give at least one word")]
    EmptyPrompt,
    /// A prompt longer than the model's context.
    #[error(
        "the prompt has {len} tokens, but the model's context is {context}: shorten the prompt"
    )]
    PromptTooLong { len: usize, context: usize },
    /// A token that the model's embedding hasn't got.
    #[error(
        "the tokenizer gives token {id} ('{text}'), but the model's vocabulary has {vocab}: tokenizer.json belongs to another model"
    )]
    TokenOutsideVocab { id: u32, text: String, vocab: usize },
    /// An answer of several tokens.
    #[error(
        "the answer '{answer}' is {} tokens here ({}), but a metric reads one: give an answer of one \
         token, or a beginning that is one",
        texts.len(),
        texts.join("|")
    )]
    LongAnswer { answer: String, texts: Vec<String> },
    /// An answer without text.
    #[error("the answer is empty: give the text that should follow the prompt")]
    EmptyAnswer,
    /// An answer that changes how the prompt is tokenised.
    #[error(
        "'{answer}' doesn't continue the prompt as tokens of its own: add a space before it, or end the prompt at a word's end"
    )]
    NoContinuation { answer: String },
    /// A device name that can't be read.
    #[error("there is no device '{given}': use {}", known.join(", "))]
    UnknownDevice { given: String, known: Vec<&'static str> },
    /// A device whose backend isn't compiled in.
    #[error("this program was built without device '{device}': build it with --features {feature}")]
    DeviceNotBuilt { device: String, feature: &'static str },
    /// A device that can't be opened.
    #[error("device '{device}' can't be used: {problem}")]
    DeviceFailed { device: String, problem: String },
}

/// What to do with a model whose fields and tensors are those of other families.
fn to_try(fitting: &[&str]) -> String {
    if fitting.is_empty() {
        return String::new();
    }
    format!(
        ". Its fields and tensors fit {}: write that as model_type into a copy of its config.json to try it, \
         and compare the logits with the original's",
        fitting.join(" and ")
    )
}
