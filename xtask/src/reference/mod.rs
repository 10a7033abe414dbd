//! The pages of `docs/reference`, made from the code: from tables in it, and from doc comments.
//!
//! What a page says stands beside what it describes, and is mended there.

mod commands;
mod corruptions;
mod errors;
mod families;
mod files;
mod markdown;
mod metrics;
mod schema;
mod sites;
mod source;
mod unit;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A page's name, its title, and what makes the rest.
type Page = (&'static str, &'static str, fn() -> Result<String>);

const PAGES: [Page; 7] = [
    ("commands", "Commands", commands::page),
    ("corruptions", "Corruptions", corruptions::page),
    ("errors", "Errors", errors::page),
    ("families", "Families of models", families::page),
    ("files", "Files", files::page),
    ("metrics", "Metrics", metrics::page),
    ("sites", "Sites", sites::page),
];

const ORIGIN: &str =
    "<!-- `cargo xtask reference` writes this page from the code: mend what it says there. -->";

/// The folder of the pages.
pub fn folder() -> PathBuf {
    crate::root().join("docs/reference")
}

/// Writes the pages into a folder and gives their paths.
///
/// # Errors
///
/// Code that doesn't say what a page has to tell, such as a metric without its headings; files that can't be read or
/// written.
pub fn write(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let write = |(path, text): (PathBuf, String)| {
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    };
    pages(folder)?.into_iter().map(write).collect()
}

/// Fails where a folder's page isn't what the code says, and names the command that mends it.
///
/// # Errors
///
/// Such a page, and those of [`write()`].
pub fn check(folder: &Path) -> Result<()> {
    let differs =
        |(path, text): &(PathBuf, String)| fs::read_to_string(path).ok().as_ref() != Some(text);
    let different: Vec<_> = pages(folder)?.into_iter().filter(differs).collect();
    if different.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = different.iter().map(|(path, _)| path.display().to_string()).collect();
    bail!("not what the code says: {}. `cargo xtask reference` writes them anew", names.join(", "))
}

/// The path and text of each page.
fn pages(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let page = |(name, title, body): &Page| {
        let body = body().with_context(|| format!("docs/reference/{name}.md"))?;
        let mut text = format!("# {title}\n\n{ORIGIN}\n\n{}\n", body.trim_end());
        while text.contains("\n\n\n") {
            text = text.replace("\n\n\n", "\n\n");
        }
        Ok((folder.join(format!("{name}.md")), text))
    };
    PAGES.iter().map(page).collect()
}
