//! Checkpoints that MLX has quantised: tokens and logits.

use anyhow::Result;
use tracewright_ir::{Component, Locus, Reading, Request, Run, Site, State};
use tracewright_models::{Checkpoint, DeviceName};

use super::execute;
use super::families::{self, TEXT};
use super::file::{GoldenFile, fixture};
use super::quantity::{Quantity, largest};

/// Of every checkpoint in `fixtures/quantised`.
///
/// # Errors
///
/// A file that is missing or damaged, and a model that can't be run.
pub fn quantised(device: DeviceName) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for golden in GoldenFile::of_folder("quantised")? {
        let model = Checkpoint::open(&fixture("quantised").join(&golden.name))?.load(device)?;
        let mut tokens = Quantity::new(format!("{} tokens", golden.name), 0.0);
        tokens.equal(TEXT, &model.tokenizer.prompt(TEXT)?.ids, &golden.integers("text_ids")?);
        let mut request = Request::default();
        let ids: Vec<u32> = golden.integers("clean_ids")?;
        let run = request.push(Run::of_tokens("clean", &ids));
        let locus = Locus::at(Site::outside(Component::Logits));
        request.readings.push(Reading { run, locus, state: State::Left });
        let outcome = execute(&model, &request)?;
        let mut logits = Quantity::new(format!("{} logits", golden.name), families::BOUND);
        let expected = golden.floats("logits")?;
        let scale = largest(&expected.data);
        logits.compare_arrays("logits", &outcome.readings[0], &expected, scale)?;
        quantities.extend([tokens, logits]);
    }
    Ok(quantities)
}
