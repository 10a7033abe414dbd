//! The part of `files.md` on sweep files, from their JSON schema.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tracewright_sweep::SweepFile;

use super::markdown::{names, table};
use super::source::without_links;

const INTRO: &str = "\
## Sweep files

What `tracewright sweep` reads, as TOML or JSON: a `PairFile` or a `TraceFile`. `tracewright sweep --schema` prints the JSON
schema that this is made from, `--print` of `trace` and `pair` writes a file, and [sweep-files.md](../sweep-files.md) has
whole ones.";

/// A table of each object and each list of words that a sweep file can hold.
pub(super) fn sweep_files() -> Result<String> {
    let schema = json!(SweepFile::schema());
    let parts = schema["$defs"].as_object().context("a schema with parts")?;
    let sections = parts.iter().filter_map(|(name, of)| section(name, of));
    Ok(format!("{INTRO}{}", sections.collect::<String>()))
}

/// `None` for a type with one word, which its key says.
fn section(name: &str, of: &Value) -> Option<String> {
    let (words, keys) = (words(of), keys(of));
    let table = match (words.len(), keys.len()) {
        (1, _) => return None,
        (0, 0) => String::new(),
        (0, _) => table(&["key", "default", "what it says"], &keys),
        _ => table(&["word", "what it says"], &words),
    };
    Some(format!("\n\n### {name}\n\n{}\n\n{table}", about(of)))
}

/// The keys of an object, with what each says.
fn keys(of: &Value) -> Vec<Vec<String>> {
    let keys = of["properties"].as_object().into_iter().flatten();
    keys.map(|(key, of)| vec![names([key]), default(of), about(of)]).collect()
}

/// The words of an enum, with what each says.
fn words(of: &Value) -> Vec<Vec<String>> {
    let words = of["oneOf"].as_array().into_iter().flatten();
    let word = |of: &Value| Some(vec![names([of["const"].as_str()?]), about(of)]);
    words.filter_map(word).collect()
}

/// The first paragraph of what stands there.
fn about(of: &Value) -> String {
    let about = of["description"].as_str().unwrap_or_default();
    let about = about.split("\n\n").next().unwrap_or_default();
    without_links(about.strip_prefix("**What**: ").unwrap_or(about))
}

fn default(of: &Value) -> String {
    let default = of.get("default").filter(|default| !default.is_null());
    default.map(|default| names([default.to_string()])).unwrap_or_default()
}
