//! The template engine, set up as transformers sets up Jinja for chat templates.

use std::fmt;
use std::thread::{self, Builder};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;

use super::ChatError;
use super::python::{Limited, strftime_now, to_json};

const NAME: &str = "the chat template";
/// Bytes of a template; the longest of known ones have 30 thousand.
const SOURCE: usize = 64 << 10;
/// Steps of the engine; templates take some hundreds for a message.
const STEPS: u64 = 100_000;
/// The engine descends into operators and lists of lists without counting. The two limits above let
/// a hostile template go so deep that it takes 140 MB, measured. Only what is used takes memory.
const STACK: usize = 256 << 20;

/// The message of a template's own `raise_exception`.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// An engine that holds one template.
pub(super) fn environment(source: &str) -> Result<Environment<'static>, ChatError> {
    if source.len() > SOURCE {
        return Err(ChatError::TooMuch);
    }
    let mut jinja = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    jinja.set_syntax(syntax.map_err(problem)?);
    jinja.set_unknown_method_callback(unknown_method_callback);
    jinja.set_fuel(Some(STEPS));
    jinja.add_filter("tojson", to_json);
    // For debugging; lists of lists take it minutes.
    jinja.remove_filter("pprint");
    // In Python texts and dictionaries are sequences too.
    jinja.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map)
    });
    jinja.add_function("strftime_now", strftime_now);
    jinja.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, "refused").with_source(Refusal(message)))
    });
    // Jinja reads every kind of line end as one.
    let source = plain_generation(&source.replace("\r\n", "\n").replace('\r', "\n"));
    deep(|| jinja.add_template_owned(NAME, source).map_err(problem))?;
    Ok(jinja)
}

/// What the template writes.
pub(super) fn render(
    jinja: &Environment<'_>,
    variables: &(impl Serialize + Sync),
) -> Result<String, ChatError> {
    deep(|| {
        let mut text = Limited::default();
        let template = jinja.get_template(NAME).map_err(problem)?;
        template.render_captured_to(Serde(variables), &mut text).map_err(problem)?;
        Ok(text.text())
    })
}

/// Runs the engine where a deeply nested template can't overflow the stack.
fn deep<T: Send>(work: impl FnOnce() -> Result<T, ChatError> + Send) -> Result<T, ChatError> {
    let failed = |problem: String| Err(ChatError::BadTemplate { problem });
    thread::scope(|scope| match Builder::new().stack_size(STACK).spawn_scoped(scope, work) {
        Ok(thread) => {
            thread.join().unwrap_or_else(|_| failed("the template engine failed".to_owned()))
        }
        Err(error) => failed(format!("there is no memory for it: {error}")),
    })
}

fn problem(error: Error) -> ChatError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(Refusal(message)) = inner.downcast_ref() {
            return ChatError::Refused { message: message.clone() };
        }
        cause = inner.source();
    }
    match error.kind() {
        ErrorKind::OutOfFuel | ErrorKind::WriteFailure => ChatError::TooMuch,
        kind => {
            let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
            let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
            ChatError::BadTemplate { problem: format!("{line}{kind}{detail}") }
        }
    }
}

/// The template with `{% generation %}` as a plain block. It marks what a model wrote, for
/// training, and writes nothing; but what is set in it ends with it, as in `{% with %}`.
fn plain_generation(source: &str) -> String {
    let mut parts = source.split("{%");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (tag, rest) = part.split_at(part.find("%}").unwrap_or(0));
        plain.push_str("{%");
        match tag.trim_matches(['-', '+']).trim() {
            "generation" => plain.push_str(&tag.replace("generation", "with")),
            "endgeneration" => plain.push_str(&tag.replace("endgeneration", "endwith")),
            _ => plain.push_str(tag),
        }
        plain.push_str(rest);
    }
    plain
}
