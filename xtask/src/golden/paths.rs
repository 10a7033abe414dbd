//! Path patching between two prompts as `tracewright pair --receiver` does it.

use anyhow::{Context, Result, ensure};
use tracewright_engine::{Execution, silent};
use tracewright_ir::{Component, Direction};
use tracewright_models::Model;
use tracewright_sweep::{PairMetric, PairSettings, Pairs, Paths, Per, Positions, Receiver};

use super::file::GoldenFile;
use super::protocol::pair;
use super::quantity::Quantity;

/// Of the largest absolute clean logit: f32 sums in another order, through twelve layers.
const LOGITS: f64 = 1e-4;

/// Every head, every MLP and the embedding as senders, a quantity for each set of receivers.
///
/// # Errors
///
/// A file that is missing or damaged, and paths that can't be patched.
pub fn paths(model: &Model) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for golden in GoldenFile::of_folder("paths")? {
        let name = golden.name.clone();
        quantities.extend(file(model, &golden).with_context(|| format!("the paths '{name}'"))?);
    }
    Ok(quantities)
}

fn file(model: &Model, golden: &GoldenFile) -> Result<Vec<Quantity>> {
    let texts: &[String; 4] =
        golden.texts("texts")?.try_into().context("the array 'texts' should hold four texts")?;
    let pair = pair(golden, texts.clone());
    let (base, scale) = (golden.floats("base")?.data[0], golden.floats("scale")?.data[0]);
    let values = golden.floats("values")?;
    let keys = golden.texts("keys")?;
    // A file has every head as a sender, or the MLPs and the embedding.
    let senders: &[Component] = match golden.keys().any(|key| key == "senders") {
        true => &[Component::MlpOut, Component::Embed],
        false => &[Component::Z],
    };
    let mut quantities = Vec::new();
    for (key, expected) in keys.iter().zip(values.data.chunks(values.data.len() / keys.len())) {
        let (receivers, frozen) = key.split_once('|').context("a key without a '|'")?;
        let receivers = receivers.split(',').map(str::parse::<Receiver>);
        let settings = PairSettings {
            sites: senders.iter().map(|site| (*site).into()).collect(),
            per: vec![Per::Layer, Per::Head],
            positions: vec![Positions::All],
            metrics: vec![PairMetric::LogitDiff],
            direction: Direction::Noise,
            paths: Some(Paths {
                receivers: receivers.collect::<Result<_, _>>()?,
                freeze_mlp: frozen == "mlp",
                by_group: false,
            }),
            ..PairSettings::default()
        };
        let pairs = Pairs::new(model, settings, vec![pair.clone()])?;
        let rows = pairs.patch(0, &Execution::default(), &mut silent)?.rows;
        ensure!(rows.len() == expected.len(), "{} senders to {key}", rows.len());
        let mut quantity = Quantity::new(format!("paths {} {key}", golden.name), LOGITS * scale);
        for (row, expected) in rows.iter().zip(expected) {
            let at = row.sender.clone().unwrap_or_default();
            match row.value {
                None => ensure!(expected.is_nan(), "{at} has a path to {key} in the golden file"),
                Some(value) => quantity.compare(&at, value, *expected, 1.0),
            }
        }
        quantity.compare("clean", rows[0].clean.context("a row without the clean run")?, base, 1.0);
        quantities.push(quantity);
    }
    Ok(quantities)
}
