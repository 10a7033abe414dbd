//! `corruptions.md`: kinds of corruption and rules of noise, from the comments of their variants.

use anyhow::{Result, ensure};
use tracewright_sweep::By;

use super::markdown::table;
use super::source::{Item, Source};
use super::unit::Unit;

const INTRO: &str = "\
What makes the corrupted run. `tracewright trace` puts noise on the subject; `tracewright pair` takes another prompt
(`--corrupted`), noise (`--noise RULE`) or what `--corrupt KIND` names; a sweep file has them under `corruptions`.";

const NOISE: &str = "\
What `--noise` takes. The numbers are those of `numpy.random.RandomState`, bit for bit, multiplied in f64 and rounded once,
as in ROME's code.";

pub(super) fn page() -> Result<String> {
    let kinds = Source::read("crates/sweep/src/pair/corruption.rs")?;
    let rules = Source::read("crates/corruption/src/noise_rule.rs")?;
    let kinds = units(kinds.item("By")?)?;
    let rules = units(rules.item("NoiseRule")?)?;
    ensure!(kinds.len() == By::ALL.len(), "a kind of corruption isn't among By::ALL");
    let kinds: Vec<_> = kinds
        .into_iter()
        .zip(By::ALL)
        .map(|((_, unit), by)| (by.name().to_owned(), unit))
        .collect();
    let rules: Vec<_> =
        rules.into_iter().map(|(_, unit)| (unit.summary.replace('`', ""), unit)).collect();
    Ok(format!("{INTRO}\n\n## Kinds\n\n{}\n## Noise\n\n{NOISE}\n\n{}", list(&kinds), list(&rules)))
}

/// The variants of an enum.
fn units(item: &Item) -> Result<Vec<(&str, Unit)>> {
    let unit =
        |variant: &'_ Item| Unit::read(&format!("{}::{}", item.name, variant.name), &variant.docs);
    item.parts.iter().map(|variant| Ok((variant.name.as_str(), unit(variant)?))).collect()
}

/// An overview, and a section for each.
fn list(units: &[(String, Unit)]) -> String {
    let rows: Vec<_> = units
        .iter()
        .map(|(name, unit)| vec![format!("`{name}`"), unit.what().to_owned()])
        .collect();
    let sections = units.iter().map(|(name, unit)| format!("\n### `{name}`\n\n{}", unit.list()));
    table(&["name", "what"], &rows) + &sections.collect::<String>()
}
