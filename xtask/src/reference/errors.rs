//! `errors.md`: what can go wrong, from the `#[error("…")]` of every crate.

use anyhow::Result;

use super::markdown::table;
use super::source::{Item, Source};

const INTRO: &str = "\
Every message that the program can end with, by the crate and type that give it. Words in braces are what was given;
`…` stands for a part that is put together when it is told. [commands.md](commands.md#exit-codes) has the exit codes.";

pub(super) fn page() -> Result<String> {
    let mut text = INTRO.to_owned();
    for source in Source::below("crates")? {
        for item in source.items.iter().filter(|item| item.parts.iter().any(has_message)) {
            text += &section(&source, item);
        }
    }
    Ok(text)
}

fn has_message(item: &Item) -> bool {
    item.message.is_some()
}

fn section(source: &Source, item: &Item) -> String {
    let path = &source.path;
    let rows = item.parts.iter().filter_map(|variant| {
        let message = variant.message.as_ref()?;
        let said = match message.as_str() {
            "" | "…" => "*said by what it holds*".to_owned(),
            message => message.to_owned(),
        };
        Some(vec![format!("`{}`", variant.name), said, variant.summary()])
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!(
        "\n\n## {}\n\n{} ([{path}](../../{path}))\n\n{}",
        item.name,
        item.summary(),
        table(&["error", "message", "when"], &rows)
    )
}
