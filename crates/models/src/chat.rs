//! A checkpoint's chat template: how a message is written in the model's own format.

mod jinja;
mod python;

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use minijinja::Environment;
use serde_json::{Map, Value, json};
use thiserror::Error;

const CONFIG: &str = "tokenizer_config.json";

/// Stands in for a message to see where the template puts it: private characters, which no
/// template looks for.
const MARK: &str = "\u{f5a1}\u{f5a2}\u{f5a3}";

/// Why a prompt can't be written in a checkpoint's chat format, with what to do about it.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum ChatError {
    /// A base model, most likely.
    #[error("the model folder '{}' has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): leave --chat out, or take the instruct checkpoint", folder.display())]
    NoTemplate { folder: PathBuf },
    /// The model within the program.
    #[error(
        "the built-in model has no chat format: leave --chat out, or name an instruct checkpoint with --model"
    )]
    BuiltIn,
    /// Several templates, none of them the default.
    #[error("{}: of the chat templates none is named 'default' ({}): write the right one to chat_template.jinja beside it", path.display(), names.join(", "))]
    NoDefault { path: PathBuf, names: Vec<String> },
    /// A file can't be read.
    #[error("can't read '{}': {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// A file that isn't what it should be.
    #[error("{}: {problem}", path.display())]
    BadFile { path: PathBuf, problem: String },
    /// A template that isn't Jinja, or uses what isn't supported of it.
    #[error(
        "the chat template can't be used: {problem}. It may need a part of Jinja that isn't supported: leave --chat out and write the prompt in the model's format"
    )]
    BadTemplate { problem: String },
    /// A template after which nobody could say which token is which part of the message.
    #[error(
        "the chat template leaves the message out or changes more of it than the spaces around it: leave --chat out and write the prompt in the model's format"
    )]
    Changed,
    /// The template's own error.
    #[error("the chat template refuses the prompt: {message}")]
    Refused { message: String },
    /// A template that doesn't end, or nearly so, or that is no chat template at all.
    #[error(
        "the chat template is too long, takes too many steps or writes too much: it must be damaged, leave --chat out"
    )]
    TooMuch,
}

/// A checkpoint's chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    jinja: Environment<'static>,
    special: Map<String, Value>,
}

impl ChatTemplate {
    /// Reads the template of a checkpoint's folder, and the special tokens that it may name.
    ///
    /// # Errors
    ///
    /// [`ChatError::NoTemplate`] where the checkpoint has none; a file that can't be read, and a
    /// template that can't.
    pub fn open(folder: &Path) -> Result<Self, ChatError> {
        let config = read_json(folder.join(CONFIG))?;
        let source = template(folder, &config)?;
        Self::new(&source, special_tokens(folder, config)?)
    }

    fn new(source: &str, special: Map<String, Value>) -> Result<Self, ChatError> {
        Ok(Self { source: source.to_owned(), jinja: jinja::environment(source)?, special })
    }

    /// The template as it stands in the checkpoint.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The text of a special token, by its field: `bos_token`.
    pub(crate) fn special_token(folder: &Path, field: &str) -> Result<Option<String>, ChatError> {
        let tokens = special_tokens(folder, read_json(folder.join(CONFIG))?)?;
        Ok(tokens.get(field).and_then(Value::as_str).map(str::to_owned))
    }

    /// The text which the model is fed for one user message, ending where its answer begins. The
    /// special tokens are in it: it is tokenised without adding any.
    ///
    /// # Errors
    ///
    /// A message that the template refuses, and a template that fails.
    pub fn prompt(&self, user: &str) -> Result<String, ChatError> {
        let mut variables = self.special.clone();
        variables.insert("messages".to_owned(), json!([{ "role": "user", "content": user }]));
        variables.insert("add_generation_prompt".to_owned(), Value::Bool(true));
        variables.insert("tools".to_owned(), Value::Null);
        variables.insert("documents".to_owned(), Value::Null);
        jinja::render(&self.jinja, &variables)
    }

    /// The bytes of a rendered prompt which are the user's message, without the whitespace around
    /// it where the template trims that; `None` where the template changes more.
    pub fn message(&self, prompt: &str, user: &str) -> Option<Range<usize>> {
        let marked = self.prompt(MARK).ok()?;
        let (before, after) = marked.rsplit_once(MARK)?;
        [user, user.trim(), user.trim_start(), user.trim_end()].into_iter().find_map(|text| {
            // A template may write the message twice.
            let before = before.replace(MARK, text);
            let rest = prompt.strip_prefix(&before)?.strip_prefix(text)?;
            (rest == after).then(|| before.len()..before.len() + text.len())
        })
    }
}

/// Where transformers looks for it, in the same order.
fn template(folder: &Path, config: &Map<String, Value>) -> Result<String, ChatError> {
    let own_file = folder.join("chat_template.jinja");
    if let Some(bytes) = read(&own_file)? {
        let bad = |error| ChatError::BadFile { path: own_file, problem: format!("{error}") };
        return String::from_utf8(bytes).map_err(bad);
    }
    if let Some(given) = config.get("chat_template").filter(|given| !given.is_null()) {
        return default(folder.join(CONFIG), given);
    }
    // A processor's, of models that also see or hear.
    let path = folder.join("chat_template.json");
    match read_json(path.clone())?.get("chat_template") {
        Some(given) => default(path, given),
        None => Err(ChatError::NoTemplate { folder: folder.to_owned() }),
    }
}

/// The template itself, or the one named "default" of several.
fn default(path: PathBuf, given: &Value) -> Result<String, ChatError> {
    let named = |entry: &Value| {
        Some((entry.get("name")?.as_str()?.to_owned(), entry.get("template")?.as_str()?.to_owned()))
    };
    let several: Vec<(String, String)> = match given {
        Value::String(source) => return Ok(source.clone()),
        Value::Array(entries) => entries.iter().filter_map(named).collect(),
        _ => {
            let problem = "chat_template is neither a text nor a list of templates".to_owned();
            return Err(ChatError::BadFile { path, problem });
        }
    };
    let (names, sources): (Vec<String>, Vec<String>) = several.into_iter().unzip();
    match names.iter().position(|name| name == "default") {
        Some(index) => Ok(sources[index].clone()),
        None => Err(ChatError::NoDefault { path, names }),
    }
}

/// `bos_token` and the like. Newer checkpoints name them all in the tokenizer's config, which then
/// lists the added tokens too; in older ones special_tokens_map.json goes first.
fn special_tokens(
    folder: &Path,
    mut config: Map<String, Value>,
) -> Result<Map<String, Value>, ChatError> {
    if !config.contains_key("added_tokens_decoder") {
        config.extend(read_json(folder.join("special_tokens_map.json"))?);
    }
    let token = |(name, value): (String, Value)| {
        let text = value.get("content").unwrap_or(&value).as_str()?.to_owned();
        name.ends_with("_token").then_some((name, Value::String(text)))
    };
    Ok(config.into_iter().filter_map(token).collect())
}

/// A file's bytes; `None` where there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ChatError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ChatError::Unreadable { path: path.to_owned(), error }),
    }
}

/// A JSON file's fields; none where there is no such file.
fn read_json(path: PathBuf) -> Result<Map<String, Value>, ChatError> {
    let Some(bytes) = read(&path)? else { return Ok(Map::new()) };
    serde_json::from_slice(&bytes)
        .map_err(|error| ChatError::BadFile { path, problem: error.to_string() })
}

#[cfg(test)]
#[path = "chat/tests.rs"]
mod tests;
