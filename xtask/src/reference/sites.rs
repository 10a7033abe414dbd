//! `sites.md`: every kind of activation, from the table of components.

use anyhow::{Result, ensure};
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
        "not in",
    ];
    let rows: Vec<_> = Component::ALL.iter().map(|site| row(*site, &architectures)).collect();
    let source = Source::read("crates/ir/src/component.rs")?;
    let variants = &source.item("Axis")?.parts;
    ensure!(variants.len() == Axis::ALL.len(), "an axis isn't among Axis::ALL");
    let axes = Axis::ALL.iter().zip(variants);
    let axes: Vec<_> =
        axes.map(|(axis, variant)| vec![names([axis.name()]), variant.summary()]).collect();
    Ok(format!(
        "{INTRO}\n\n{}\n## Axes\n\n{}",
        table(&columns, &rows),
        table(&["axis", "what it counts"], &axes)
    ))
}

fn row(site: Component, architectures: &[Architecture]) -> Vec<String> {
    let of = |family: &str| {
        let architecture = architectures.iter().find(|one| one.family == family);
        names(architecture.map(|one| modules(site, one)).unwrap_or_default())
    };
    let axes = site.axes().iter().map(|axis| axis.name());
    let lacking = architectures.iter().filter(|architecture| architecture.lacks(site).is_some());
    vec![
        names([site.name()]),
        names(site.aliases()),
        names([site.hook()]),
        of("gpt2"),
        of("llama"),
        format!("`[{}]`", axes.collect::<Vec<_>>().join(", ")),
        site.what().to_owned(),
        names(lacking.map(|architecture| &architecture.family)),
    ]
}

/// The modules of a model that give a site.
pub(super) fn modules(site: Component, architecture: &Architecture) -> Vec<String> {
    let modules = architecture.modules.iter().filter(|module| module.component == site);
    modules.map(|module| module.pattern.clone()).collect()
}
