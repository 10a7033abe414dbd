//! `sites.md`: every kind of activation, from the table of components.

use anyhow::Result;
use tracewright_ir::{Architecture, Axis, Component};

use super::families::architectures;
use super::markdown::{names, table};
use super::source::Source;

const INTRO: &str = "\
A site is a component at a layer, as `resid_post@3`; `{}` stands for the layer. All names of a site are one place, and
every command takes any of them: the short one, TransformerLens', and the name of the PyTorch module that gives it (here
of GPT-2 and Llama; [families.md](families.md) has those of each family). The order is that of a forward pass.
`tracewright sites` lists the sites of a model with their sizes.";

pub(super) fn page() -> Result<String> {
    let architectures = architectures()?;
    let columns = [
        "site",
        "other names",
        "TransformerLens",
        "GPT-2",
        "Llama",
        "shape",
        "what it is",
        "families",
    ];
    let rows: Vec<_> = Component::ALL.iter().map(|site| row(*site, &architectures)).collect();
    let source = Source::read("crates/ir/src/component.rs")?;
    let axes = source.item("Axis")?.variants(&Axis::ALL.map(Axis::name))?;
    Ok(format!(
        "{INTRO}\n\n{}\n## Axes\n\n{}",
        table(&columns, &rows),
        table(&["axis", "what it counts"], &axes)
    ))
}

fn row(site: Component, architectures: &[Architecture]) -> Vec<String> {
    let of = |family: &str| {
        let architecture = architectures.iter().find(|one| one.family == family);
        names(architecture.and_then(|one| module(site, one)))
    };
    let axes = site.axes().iter().map(|axis| axis.name());
    vec![
        names([site.name()]),
        names(site.aliases()),
        names([site.hook()]),
        of("gpt2"),
        of("llama"),
        format!("`[{}]`", axes.collect::<Vec<_>>().join(", ")),
        site.what().to_owned(),
        families(site, architectures),
    ]
}

/// The families that have a site or, where these are fewer, those that lack it.
fn families(site: Component, architectures: &[Architecture]) -> String {
    let (with, without): (Vec<_>, Vec<_>) =
        architectures.iter().partition(|architecture| architecture.lacks(site).is_none());
    let names = |of: &[&Architecture]| names(of.iter().map(|architecture| &architecture.family));
    match (with.len(), without.len()) {
        (_, 0) => "all".to_owned(),
        (some, few) if few < some => format!("not {}", names(&without)),
        _ => names(&with),
    }
}

/// The module whose output a site is, or else one whose input it is.
fn module(site: Component, architecture: &Architecture) -> Option<String> {
    let module = modules(site, architecture);
    module.into_iter().min_by_key(|name| (name.ends_with(".input"), name.len()))
}

/// The modules of a model that give a site.
pub(super) fn modules(site: Component, architecture: &Architecture) -> Vec<String> {
    let modules = architecture.modules.iter().filter(|module| module.component == site);
    modules.map(|module| module.pattern.clone()).collect()
}
