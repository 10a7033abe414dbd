//! A checkpoint's tokenizer.

use std::borrow::Cow;
use std::panic::catch_unwind;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tracewright_ir::Tokens;

use crate::chat::{ChatError, ChatTemplate};
use crate::error::ModelError;

/// Turns texts into what the model is fed.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    vocab: usize,
    context: usize,
    bos: Bos,
    /// The token that `bos` is about.
    bos_id: Option<u32>,
    chat: Option<Arc<ChatTemplate>>,
}

/// Whether a prompt begins with the model's BOS token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bos {
    /// As the checkpoint's own tokenizer has it.
    #[default]
    Own,
    /// Always, as TransformerLens has it.
    On,
    /// Never; other special tokens that the tokenizer adds aren't added either.
    Off,
}

impl Bos {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Own, Self::On, Self::Off];

    /// Its name, as the program's flag has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl FromStr for Bos {
    type Err = ModelError;

    fn from_str(given: &str) -> Result<Self, ModelError> {
        let known = Self::ALL.into_iter().find(|bos| bos.name() == given);
        known.ok_or_else(|| ModelError::UnknownBos { given: given.to_owned() })
    }
}

/// The sections of a `tokenizer.json` in which the tokenizers crate panics at broken JSON.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed only to see that they can be")]
struct Fragile {
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    normalizer: Value,
}

/// Reads a `tokenizer.json` without panicking, whatever is in it.
fn parse(bytes: &[u8]) -> tokenizers::Result<tokenizers::Tokenizer> {
    serde_json::from_slice::<Fragile>(bytes)?;
    // What is left are settings of a wrong type, such as those of a `Precompiled` normalizer.
    catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes))
        .unwrap_or_else(|_| Err("one of its settings has a wrong type".into()))
}

impl Tokenizer {
    /// Reads a `tokenizer.json` for a model with `vocab` embeddings and `context` positions.
    pub(crate) fn from_bytes(
        origin: &str,
        bytes: &[u8],
        vocab: usize,
        context: usize,
    ) -> Result<Self, ModelError> {
        let bad = |error: tokenizers::Error| ModelError::BadTokenizer {
            origin: origin.to_owned(),
            problem: error.to_string(),
        };
        let mut inner = parse(bytes).map_err(bad)?;
        // What a file says about cutting and padding is for training batches.
        inner.with_truncation(None).map_err(bad)?;
        inner.with_padding(None);
        Ok(Self { inner, vocab, context, bos: Bos::Own, bos_id: None, chat: None })
    }

    /// The same with BOS as it is wanted; `id` is the token, where the checkpoint names one.
    pub(crate) fn with_bos(self, bos: Bos, id: Option<u32>) -> Self {
        Self { bos, bos_id: id, ..self }
    }

    /// The same with each prompt as a message in the model's chat format.
    pub(crate) fn with_chat(self, template: ChatTemplate) -> Self {
        Self { chat: Some(Arc::new(template)), ..self }
    }

    /// The id of a token by its own name, such as `<s>`.
    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Whether a prompt begins with BOS.
    pub fn bos(&self) -> Bos {
        self.bos
    }

    /// Whether a prompt is written as a message in the model's chat format.
    pub fn is_chat(&self) -> bool {
        self.chat.is_some()
    }

    /// Tokens that the tokenizer knows; may differ from the rows of the model's embedding.
    pub fn len(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The whole of it as text, by which two are told apart.
    pub(crate) fn identity(&self) -> String {
        let template = self.chat.as_ref().map_or("", |chat| chat.source());
        self.inner.to_string(false).unwrap_or_default() + template
    }

    /// True for a tokenizer without tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A prompt's tokens, with BOS where the checkpoint's own tokenizer adds it (or as [`Bos`] says), in the
    /// model's chat format where that is wanted. Offsets are those of `text`; what stands around it in
    /// the chat format has none.
    ///
    /// # Errors
    ///
    /// An empty prompt, one longer than the context, tokens that the model hasn't got, and a chat template
    /// that fails.
    pub fn prompt(&self, text: &str) -> Result<Tokens, ModelError> {
        let tokens = self.fed(text, "")?;
        match tokens.len() {
            0 => Err(ModelError::EmptyPrompt),
            _ if text.is_empty() => Err(ModelError::EmptyPrompt),
            len if len > self.context => {
                Err(ModelError::PromptTooLong { len, context: self.context })
            }
            _ => Ok(tokens),
        }
    }

    /// The ids of a text by itself, without special tokens, as ROME encodes subjects.
    ///
    /// # Errors
    ///
    /// Tokens that the model hasn't got.
    pub fn plain(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        Ok(self.encode(text, false)?.ids)
    }

    /// A single token as text within a longer one; an id that can't be decoded is shown as `<19954>`.
    pub fn text(&self, id: u32) -> String {
        let unknown = || format!("<{id}>");
        if self.inner.id_to_token(id).is_none() {
            return unknown();
        }
        let decode = |ids: &[u32]| self.inner.decode(ids, false).unwrap_or_else(|_| unknown());
        // Tokenizers in SentencePiece's style drop the space at the beginning of a text, and so the first
        // token's: the second one has it.
        let (alone, twice) = (decode(&[id]), decode(&[id, id]));
        twice.strip_prefix(&alone).unwrap_or(&alone).to_owned()
    }

    /// The token of an answer that continues a prompt, with the leading space if that is how the
    /// text goes on.
    ///
    /// # Errors
    ///
    /// [`ModelError::EmptyAnswer`], [`ModelError::LongAnswer`] where the answer is several tokens,
    /// and [`ModelError::NoContinuation`] where it merges with the prompt's last token.
    pub fn answer(&self, prompt: &str, answer: &str) -> Result<u32, ModelError> {
        match self.answer_tokens(prompt, answer)?.as_slice() {
            [id] => Ok(*id),
            ids => {
                let texts = ids.iter().map(|&id| self.text(id)).collect();
                Err(ModelError::LongAnswer { answer: answer.to_owned(), texts })
            }
        }
    }

    /// All tokens of an answer that continues a prompt; at least one.
    ///
    /// # Errors
    ///
    /// [`ModelError::EmptyAnswer`], and [`ModelError::NoContinuation`] where it merges with the prompt's last
    /// token.
    pub fn answer_tokens(&self, prompt: &str, answer: &str) -> Result<Vec<u32>, ModelError> {
        let no_continuation = || ModelError::NoContinuation { answer: answer.to_owned() };
        let written = self.written(prompt)?;
        let space = if needs_space(&written, answer) { " " } else { "" };
        let before = self.fed(prompt, "")?.ids;
        let whole = self.fed(prompt, &format!("{space}{answer}"))?.ids;
        match whole.strip_prefix(before.as_slice()).ok_or_else(no_continuation)? {
            [] if answer.is_empty() => Err(ModelError::EmptyAnswer),
            [] => Err(no_continuation()),
            ids => Ok(ids.to_vec()),
        }
    }

    /// A prompt as it is written for the model.
    fn written<'a>(&self, prompt: &'a str) -> Result<Cow<'a, str>, ModelError> {
        match &self.chat {
            Some(chat) => Ok(Cow::Owned(chat.prompt(prompt)?)),
            None => Ok(Cow::Borrowed(prompt)),
        }
    }

    /// The tokens of a prompt that goes on with `more`.
    fn fed(&self, prompt: &str, more: &str) -> Result<Tokens, ModelError> {
        let written = self.written(prompt)?;
        // The special tokens of a chat format stand in its text.
        let special = self.chat.is_none() && self.bos != Bos::Off;
        let mut tokens = self.encode(&format!("{written}{more}"), special)?;
        if let Some(chat) = &self.chat {
            let message = chat.message(&written, prompt).ok_or(ChatError::Changed)?;
            let trimmed = prompt.find(&written[message.clone()]).unwrap_or_default();
            for offsets in &mut tokens.offsets {
                let inside = offsets.start.max(message.start)..offsets.end.min(message.end);
                *offsets = match inside.is_empty() {
                    true => 0..0,
                    false => {
                        inside.start - message.start + trimmed..inside.end - message.start + trimmed
                    }
                };
            }
        }
        let begins = self.bos_id.is_some() && tokens.ids.first().copied() == self.bos_id;
        match (self.bos, self.bos_id) {
            (Bos::On, Some(id)) if !begins => {
                tokens.ids.insert(0, id);
                tokens.texts.insert(0, self.text(id));
                tokens.offsets.insert(0, 0..0);
            }
            (Bos::Off, Some(_)) if begins => {
                tokens.ids.remove(0);
                tokens.texts.remove(0);
                tokens.offsets.remove(0);
            }
            _ => {}
        }
        Ok(tokens)
    }

    fn encode(&self, text: &str, special: bool) -> Result<Tokens, ModelError> {
        let encoding = self.inner.encode(text, special).map_err(|error| {
            ModelError::BadTokenizer { origin: "the model".to_owned(), problem: error.to_string() }
        })?;
        let ids = encoding.get_ids().to_vec();
        if let Some(&id) = ids.iter().find(|id| **id as usize >= self.vocab) {
            let text = self.text(id);
            return Err(ModelError::TokenOutsideVocab { id, text, vocab: self.vocab });
        }
        Ok(Tokens {
            texts: ids.iter().map(|&id| self.text(id)).collect(),
            offsets: encoding.get_offsets().iter().map(|&(start, end)| start..end).collect(),
            ids,
        })
    }
}

/// Whether a text that ends in `prompt` goes on to `answer` with a space: after a word or a closing
/// mark, before a word, in scripts that separate words.
fn needs_space(prompt: &str, answer: &str) -> bool {
    // From here on: Chinese, Japanese and Korean.
    let unspaced = |c: char| c >= '\u{2e80}';
    let ends_word = |c: char| c.is_alphanumeric() || ",.;:!?)]%”’".contains(c);
    let before = prompt.chars().next_back().is_some_and(|c| ends_word(c) && !unspaced(c));
    before && answer.starts_with(|c: char| c.is_alphanumeric() && !unspaced(c))
}

#[cfg(test)]
mod tests {
    use super::needs_space;

    #[test]
    fn a_space_stands_where_the_text_goes_on_with_one() {
        for (prompt, answer) in [("is in", "Paris"), ("Jackson.\nA:", "Isaac"), ("(so)", "x")] {
            assert!(needs_space(prompt, answer), "{prompt:?} {answer:?}");
        }
        let without = [("is in ", "Paris"), ("is in", " Paris"), ("is", "."), ("“", "Paris")];
        for (prompt, answer) in without.into_iter().chain([("東京は", "日本"), ("", "Paris")])
        {
            assert!(!needs_space(prompt, answer), "{prompt:?} {answer:?}");
        }
    }
}
