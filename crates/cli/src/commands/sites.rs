//! `tracewright sites`

use std::process::ExitCode;

use serde_json::json;
use tracewright_ir::{Architecture, Axis, Component, Site};

use crate::console::{Console, table};
use crate::error::Failure;
use crate::session::Session;

pub(crate) fn run(session: &Session, console: &Console) -> Result<ExitCode, Failure> {
    let checkpoint = session.checkpoint(None, false, console)?;
    let architecture = checkpoint.architecture();
    let Architecture { n_layers, n_heads, n_kv_heads, d_model, .. } = architecture;
    let shared = match n_kv_heads < n_heads {
        true => format!(" that share {n_kv_heads} key/value heads"),
        false => String::new(),
    };
    console.explain(&format!(
        "{}: {n_layers} layers, {n_heads} heads{shared}, d_model {d_model}; N is the layer, 0 to {}\n",
        checkpoint.name(),
        n_layers - 1
    ))?;
    let mut rows =
        vec![["site", "shape", "TransformerLens", "PyTorch"].map(str::to_owned).to_vec()];
    // The sites of layer 0 stand for those of every layer.
    let shown = architecture.sites().into_iter().filter(|site| site.layer.unwrap_or(0) == 0);
    rows.extend(shown.map(|site| row(site, architecture)));
    console.answer(&table(&rows))?;
    let documents = architecture.sites().into_iter().map(|site| {
        json!({
            "site": site.short_name(),
            "component": site.component.name(),
            "layer": site.layer,
            "aliases": site.component.aliases(),
            "transformer_lens": site.hook_name(),
            "pytorch": site.module_names(architecture),
            "same_place": same_place(site, architecture).map(Site::hook_name),
            "axes": site.component.axes().iter().map(|axis| axis.name()).collect::<Vec<_>>(),
            "shape": shape(site, architecture),
        })
    });
    let documents: Vec<_> = documents.collect();
    console.json(&json!({ "model": checkpoint.name(), "sites": documents }))?;
    Ok(ExitCode::SUCCESS)
}

/// The shape with positions by name: their number is the prompt's.
fn shape(site: Site, architecture: &Architecture) -> Vec<String> {
    let length = |axis: &Axis| match axis {
        Axis::Position | Axis::SrcPosition => axis.name().to_owned(),
        axis => architecture.axis_len(*axis, 0).to_string(),
    };
    site.component.axes().iter().map(length).collect()
}

/// The stream after a layer is the stream before the next one.
fn same_place(site: Site, architecture: &Architecture) -> Option<Site> {
    let next = site.layer? + 1;
    let found = site.component == Component::ResidPost && next < architecture.n_layers;
    found.then(|| Site::in_layer(Component::ResidPre, next))
}

fn row(site: Site, architecture: &Architecture) -> Vec<String> {
    let for_any_layer = |name: String| match site.layer {
        Some(_) => name.replacen("@0", "@N", 1).replacen(".0", ".N", 1),
        None => name,
    };
    let short =
        std::iter::once(site.component.name()).chain(site.component.aliases().iter().copied());
    let modules = site.module_names(architecture).into_iter().map(for_any_layer);
    vec![
        short.collect::<Vec<_>>().join(", "),
        format!("[{}]", shape(site, architecture).join(", ")),
        for_any_layer(site.hook_name()),
        modules.collect::<Vec<_>>().join(", "),
    ]
}
