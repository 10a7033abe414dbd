//! `reproduction.toml`: what was published, and how it is read off our tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The file's name in the folder of a reproduction.
pub(super) const NAME: &str = "reproduction.toml";

/// A figure or table of a paper or tutorial.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reproduction {
    /// What it is, as a heading.
    pub(super) title: String,
    /// Who published it, and where.
    pub(super) source: String,
    /// The published model, by its name on the hub.
    pub(super) model: String,
    /// What the program is asked besides for that model.
    #[serde(default)]
    pub(super) flags: Vec<String>,
    /// What was done, in Markdown.
    pub(super) about: String,
    /// What is seen, and why it differs from what was published.
    pub(super) seen: String,
    /// Our figures of it.
    #[serde(default)]
    pub(super) figures: Vec<Figure>,
    /// The numbers.
    pub(super) quantities: Vec<Quantity>,
    /// What is said of them.
    #[serde(default)]
    pub(super) claims: Vec<Claim>,
}

/// A figure that the program draws.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Figure {
    /// The sweep's name and its own in `figures/` of the results folder, without `.png`: `sweep/france_kl`.
    pub(super) file: String,
    /// What it shows.
    pub(super) shows: String,
}

/// A number, or an array of them, of one of a results folder's tables.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quantity {
    /// What it is called in the page and in claims.
    pub(super) name: String,
    /// Which table.
    pub(super) table: Table,
    /// The rows whose columns have these values; of a list, any of them.
    #[serde(default, rename = "where")]
    pub(super) rows: Map<String, Value>,
    /// The column.
    pub(super) column: String,
    /// What is taken of its values.
    pub(super) take: Take,
    /// Of the row that is taken, this column instead of the one by which it was found: the layer of the largest.
    #[serde(default)]
    pub(super) give: Option<String>,
    /// What was published.
    #[serde(default)]
    pub(super) published: Option<Published>,
    /// How far the published model's may be from that.
    #[serde(default)]
    pub(super) tolerance: Option<f64>,
}

/// The tables of a results folder.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Table {
    /// `cells.parquet`
    Cells,
    /// `averages.parquet`
    Averages,
    /// `rome_averages.parquet`
    RomeAverages,
}

/// What is taken of a column.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Take {
    /// The value that all rows have.
    Only,
    /// The largest.
    Largest,
    /// The smallest.
    Smallest,
    /// The mean.
    Mean,
    /// All, in the order of [`super::query::ORDER`].
    All,
}

/// What was published.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Published {
    /// One number.
    Number(f64),
    /// A list of `published.json` by its name.
    Array(String),
}

/// Something that is said of a quantity, which may be false.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    /// In words.
    pub(super) says: String,
    /// The quantity.
    pub(super) quantity: String,
    /// It, with its interval where it has one, is larger than this.
    #[serde(default)]
    pub(super) above: Option<Bound>,
    /// And smaller than this.
    #[serde(default)]
    pub(super) below: Option<Bound>,
    /// Whether it should hold; what was found in another model is said not to hold where it doesn't.
    #[serde(default = "yes")]
    pub(super) holds: bool,
}

fn yes() -> bool {
    true
}

/// What a quantity is compared with.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Bound {
    /// A number.
    Number(f64),
    /// Another quantity, with its interval.
    Quantity(String),
}

impl Reproduction {
    /// Of a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// What doesn't fit together, beside what PyTorch was asked.
    pub(super) fn problems(&self, expected: &BTreeMap<String, Vec<f64>>) -> Vec<String> {
        let mut names: Vec<&String> = self.quantities.iter().map(|one| &one.name).collect();
        let bounds = self.claims.iter().flat_map(|claim| [&claim.above, &claim.below]).flatten();
        let bounds = bounds.filter_map(|bound| match bound {
            Bound::Number(_) => None,
            Bound::Quantity(name) => Some(name),
        });
        let claimed = self.claims.iter().map(|claim| &claim.quantity).chain(bounds);
        let unknown = claimed.filter(|name| !names.contains(name));
        let mut problems: Vec<String> =
            unknown.map(|name| format!("a claim names '{name}', which isn't a quantity")).collect();
        names.sort();
        if !names.iter().copied().eq(expected.keys()) {
            problems.push(format!(
                "the quantities {names:?} aren't those of expected.json, {:?}: run `cargo xtask reproduce --expect`",
                expected.keys()
            ));
        }
        problems
    }
}

/// The sweep files of a reproduction by name, which begins with `sweep`: `sweep*.toml`, or for the published model
/// `published*.toml` where there are any.
pub(super) fn sweeps(folder: &Path, published: bool) -> Result<BTreeMap<String, PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let begin = |prefix: &str| -> BTreeMap<String, PathBuf> {
        let named = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(".toml")?.strip_prefix(prefix)?;
            Some((format!("sweep{name}"), path.clone()))
        };
        files.iter().filter_map(named).collect()
    };
    let theirs = if published { begin("published") } else { BTreeMap::new() };
    let found = if theirs.is_empty() { begin("sweep") } else { theirs };
    ensure!(!found.is_empty(), "{} has no sweep file", folder.display());
    Ok(found)
}
