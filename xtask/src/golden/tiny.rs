//! Logits of the tiny checkpoints: settings of a config that `facts-6m` hasn't got.

use anyhow::{Result, ensure};
use tracewright_ir::{Component, Locus, Reading, Request, Run, Site, State};
use tracewright_models::{Checkpoint, DeviceName};

use super::execute;
use super::file::{GoldenFile, fixture};
use super::quantity::{Quantity, largest};

/// f32 sums in another order; the models are small, so this is generous.
const BOUND: f64 = 1e-4;

/// All logits of every checkpoint in `fixtures/tiny`, relative to the largest.
///
/// # Errors
///
/// A file that is missing or damaged, and a model that can't be run.
pub fn tiny(device: DeviceName) -> Result<Vec<Quantity>> {
    GoldenFile::of_folder("tiny")?.iter().map(|golden| checkpoint(golden, device)).collect()
}

fn checkpoint(golden: &GoldenFile, device: DeviceName) -> Result<Quantity> {
    let folder = fixture("tiny").join(&golden.name);
    let model = Checkpoint::open(&folder)?.load(device)?;
    let prompts: Vec<&str> = golden.keys().filter_map(|key| key.strip_prefix("ids_")).collect();
    ensure!(!prompts.is_empty(), "the golden file of {} has no prompts", golden.name);
    let mut request = Request::default();
    for prompt in &prompts {
        let ids: Vec<u32> = golden.integers(&format!("ids_{prompt}"))?;
        let run = request.push(Run::of_tokens(format!("prompt {prompt}"), &ids));
        let locus = Locus::at(Site::outside(Component::Logits));
        request.readings.push(Reading { run, locus, state: State::Left });
    }
    let outcome = execute(&model, &request)?;
    let mut quantity = Quantity::new(format!("tiny {}", golden.name), BOUND);
    for (prompt, ours) in prompts.iter().zip(&outcome.readings) {
        let logits = golden.floats(&format!("logits_{prompt}"))?;
        let at = format!("prompt {prompt}");
        quantity.compare_arrays(&at, ours, &logits, largest(&logits.data))?;
    }
    Ok(quantity)
}
