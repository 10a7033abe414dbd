//! A page of the documentation, taken apart.

use std::fs;
use std::path::{Path, PathBuf};

use super::Place;

/// The folder of the documentation.
pub(crate) fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// A block between two fences.
pub(crate) struct Block {
    /// The line of its fence.
    pub(crate) line: usize,
    /// What follows the fence: a language, and perhaps a word more.
    pub(crate) fence: String,
    pub(crate) content: String,
}

pub(crate) struct Page {
    text: String,
}

impl Page {
    /// Reads a page by its path below `docs`.
    pub(crate) fn read(path: &str) -> Self {
        Self { text: fs::read_to_string(docs().join(path)).expect(path) }
    }

    /// Its blocks, those of list items without their indentation.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let Some((indentation, fence)) = line.split_once("```") else { continue };
            if !indentation.trim().is_empty() {
                continue;
            }
            let inside = lines.by_ref().map(|(_, line)| line);
            let inside = inside.take_while(|line| line.trim() != "```");
            let without =
                |line: &str| format!("{}\n", line.strip_prefix(indentation).unwrap_or(line));
            let content = inside.map(without).collect();
            blocks.push(Block { line: index + 1, fence: fence.to_owned(), content });
        }
        blocks
    }

    /// A folder with the page's files: the blocks with a name, as in "```toml batch.toml".
    pub(crate) fn place(&self) -> Place {
        let place = Place::new();
        for block in self.blocks() {
            let name = block.fence.split_once(' ').map(|(_, name)| name);
            if let Some(name) = name.filter(|name| *name != "ignore") {
                place.write(name, block.content);
            }
        }
        place
    }

    pub(crate) fn headings(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(|line| line.strip_prefix("## "))
    }

    /// The rows of the table below a heading, cell by cell, without the table's head.
    pub(crate) fn table(&self, heading: &str) -> Vec<Vec<String>> {
        let heading = format!("## {heading}");
        let below = self.text.lines().skip_while(|line| *line != heading).skip(1);
        let section = below.take_while(|line| !line.starts_with("## "));
        section.filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
    }
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_matches('|');
    line.split(" | ").map(|cell| cell.trim().replace("\\|", "|")).collect()
}
