//! The tiny random checkpoints: settings of a config that `facts-6m` hasn't got.

use anyhow::{Result, ensure};
use tracewright_ir::{Component, Locus, Reading, Request, Run, Site, State};
use tracewright_models::{Checkpoint, DeviceName, Model};

use super::file::{GoldenFile, fixture};
use super::quantity::{Quantity, largest};
use super::{execute, interventions, sites};

/// f32 sums in another order; the models are small, so this is generous.
const BOUND: f64 = 1e-4;

/// Of every checkpoint in `fixtures/tiny`: all logits, relative to the largest, the values of every
/// site, and logits under interventions.
///
/// # Errors
///
/// A file that is missing or damaged, and a model that can't be run.
pub fn tiny(device: DeviceName) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for golden in GoldenFile::of_folder("tiny")? {
        quantities.push(logits(&checkpoint(&golden, device)?, &golden)?);
    }
    for golden in GoldenFile::of_folder("tiny_sites")? {
        let mut quantity = Quantity::new(format!("tiny {} sites", golden.name), sites::BOUND);
        for read in sites::file(&checkpoint(&golden, device)?, &golden)? {
            read.compare(&mut quantity)?;
        }
        quantities.push(quantity);
    }
    for golden in GoldenFile::of_folder("tiny_interventions")? {
        let mut both = interventions::quantities(&format!("tiny {} ", golden.name));
        interventions::file(&checkpoint(&golden, device)?, &golden, &mut both)?;
        quantities.extend(both);
    }
    Ok(quantities)
}

/// The checkpoint that a file is of.
fn checkpoint(golden: &GoldenFile, device: DeviceName) -> Result<Model> {
    Ok(Checkpoint::open(&fixture("tiny").join(&golden.name))?.load(device)?)
}

fn logits(model: &Model, golden: &GoldenFile) -> Result<Quantity> {
    let prompts: Vec<&str> = golden.keys().filter_map(|key| key.strip_prefix("ids_")).collect();
    ensure!(!prompts.is_empty(), "the golden file of {} has no prompts", golden.name);
    let mut request = Request::default();
    for prompt in &prompts {
        let ids: Vec<u32> = golden.integers(&format!("ids_{prompt}"))?;
        let run = request.push(Run::of_tokens(format!("prompt {prompt}"), &ids));
        let locus = Locus::at(Site::outside(Component::Logits));
        request.readings.push(Reading { run, locus, state: State::Left });
    }
    let outcome = execute(model, &request)?;
    let mut quantity = Quantity::new(format!("tiny {}", golden.name), BOUND);
    for (prompt, ours) in prompts.iter().zip(&outcome.readings) {
        let logits = golden.floats(&format!("logits_{prompt}"))?;
        let at = format!("prompt {prompt}");
        quantity.compare_arrays(&at, ours, &logits, largest(&logits.data))?;
    }
    Ok(quantity)
}
