//! `families.md`: each family's own comment, and its names of modules.

use std::fs;

use anyhow::{Context, Result};
use tracewright_ir::{Architecture, Component, Norm, NormPlace, Position, QueryKeyNorm, Residual};
use tracewright_models::Checkpoint;
use tracewright_models::families::FAMILIES;

use super::markdown::{names, table};
use super::sites::modules;
use super::source::Source;
use super::unit::Unit;

const INTRO: &str = "\
A checkpoint's `model_type` says which family it is of. One decoder computes them all, and what differs is data
([`Architecture`](../../crates/ir/src/architecture.rs)); [models.md](../models.md) says how to add one. The table shows
what the small checkpoints of `fixtures/` have, with which the tests compare each family; some of it depends on the config.";

pub(super) fn page() -> Result<String> {
    let (sources, architectures) = (Source::below("crates/models/src/families")?, architectures()?);
    let columns = [
        "family",
        "norm",
        "normalised",
        "positions",
        "MLP reads",
        "MLP",
        "queries and keys",
        "windows",
    ];
    let rows: Vec<_> = architectures.iter().map(traits).collect();
    let mut text = format!("{INTRO}\n\n{}", table(&columns, &rows));
    for architecture in &architectures {
        let unit = unit_of(&architecture.family, &sources)?;
        text += &section(&unit, architecture);
    }
    Ok(text)
}

/// The comment of the file that begins with a name.
pub(super) fn unit_of(name: &str, sources: &[Source]) -> Result<Unit> {
    let begins = |source: &&Source| source.docs.starts_with(&format!("`{name}`: "));
    let source = sources.iter().find(begins);
    let source =
        source.with_context(|| format!("no file begins with the comment '`{name}`: …'"))?;
    Unit::read(&source.path, &source.docs)
}

/// One of each family, as a small checkpoint has it, in the order of the families.
pub(super) fn architectures() -> Result<Vec<Architecture>> {
    let fixtures = crate::root().join("fixtures");
    let mut folders = fs::read_dir(fixtures.join("families"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    folders.push(fixtures.join("facts-6m"));
    folders.sort();
    let open = |folder| Ok(Checkpoint::open(folder)?.architecture().clone());
    let all = folders.iter().map(|folder| open(folder)).collect::<Result<Vec<Architecture>>>()?;
    let of = |family: &str| {
        let found = all.iter().find(|architecture| architecture.family == family).cloned();
        found.with_context(|| {
            format!("no checkpoint in fixtures/families is of the family '{family}'")
        })
    };
    FAMILIES.iter().map(|family| of(family.model_type)).collect()
}

fn traits(architecture: &Architecture) -> Vec<String> {
    let norm = match architecture.norm {
        Norm::LayerNorm { .. } => "LayerNorm",
        Norm::RmsNorm { plus_one: false, .. } => "RMSNorm",
        Norm::RmsNorm { plus_one: true, .. } => "RMSNorm, gains less 1",
    };
    let place = match architecture.norm_place {
        NormPlace::Pre => "what modules read",
        NormPlace::Post => "what modules give",
        NormPlace::Both => "both",
    };
    let position = match &architecture.position {
        Position::Learned => "learned".to_owned(),
        Position::Rotary(rotary) if rotary.width < architecture.d_head => {
            "rotary, a part of each head".to_owned()
        }
        Position::Rotary(_) => "rotary".to_owned(),
    };
    let reads = match architecture.residual {
        Residual::Sequential => "the stream after attention",
        Residual::Parallel => "what attention reads, by a norm of its own",
        Residual::ParallelSharedNorm => "what attention reads",
    };
    let gate = if architecture.gated_mlp { "gated" } else { "plain" };
    let query_key = match architecture.query_key_norm {
        None => "as they are",
        Some(QueryKeyNorm::PerHead) => "normalised by head",
        Some(QueryKeyNorm::AllHeads) => "normalised together",
    };
    let window = match &architecture.window {
        None => "none",
        Some(window) if window.layers.len() == architecture.n_layers => "in every layer",
        Some(_) => "in some layers",
    };
    let family = format!("[`{0}`](#{0})", architecture.family);
    [&family, norm, place, &position, reads, gate, query_key, window].map(str::to_owned).to_vec()
}

fn section(unit: &Unit, architecture: &Architecture) -> String {
    let row = |site: &Component| {
        let modules = modules(*site, architecture);
        (!modules.is_empty()).then(|| vec![names([site.name()]), names(modules)])
    };
    let rows: Vec<_> = Component::ALL.iter().filter_map(row).collect();
    let (_, summary) = unit.summary.split_once(": ").unwrap_or_default();
    format!(
        "\n## {}\n\n{summary}\n\n{}\n{}",
        architecture.family,
        unit.list(),
        table(&["site", "PyTorch modules"], &rows)
    )
}
