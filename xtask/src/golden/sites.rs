//! Every hook site of a clean run.

use std::collections::BTreeMap;

use anyhow::Result;
use tracewright_engine::Execution;
use tracewright_ir::{Array, Component, Locus, Reading, Request, Run, Site, State};
use tracewright_models::Model;

use super::execute_both;
use super::file::GoldenFile;
use super::quantity::{Quantity, largest};

/// f32 sums in another order, through twelve layers.
pub(super) const BOUND: f64 = 1e-4;

/// All values of every site, relative to the site's largest; a quantity for each component.
///
/// # Errors
///
/// A file that is missing or damaged, a site that the model hasn't got or that has another shape.
pub fn sites(model: &Model) -> Result<Vec<Quantity>> {
    let mut quantities = BTreeMap::new();
    for golden in GoldenFile::of_folder("sites")? {
        for read in file(model, &golden)? {
            let new = || Quantity::new(format!("site {}", read.component), BOUND);
            read.compare(quantities.entry(read.component).or_insert_with(new))?;
        }
    }
    Ok(quantities.into_values().collect())
}

/// A site's value, ours and the golden one.
pub(super) struct Read {
    component: Component,
    at: String,
    ours: Array,
    golden: Array,
}

impl Read {
    pub(super) fn compare(&self, quantity: &mut Quantity) -> Result<()> {
        let Self { at, ours, golden, .. } = self;
        quantity.compare_arrays(at, ours, golden, largest(&golden.data))
    }
}

/// Every site of a file, as each executor reads it.
pub(super) fn file(model: &Model, golden: &GoldenFile) -> Result<Vec<Read>> {
    let mut request = Request::default();
    let run = request.push(Run::of_tokens("clean", &golden.integers::<u32>("input_ids")?));
    let keys: Vec<&str> = golden.keys().filter(|key| *key != "input_ids").collect();
    for key in &keys {
        let locus = Locus::at(Site::parse(key, model.architecture())?);
        request.readings.push(Reading { run, locus, state: State::Left });
    }
    let mut read = Vec::new();
    for outcome in execute_both(model, &request, &Execution::default())? {
        let sites = keys.iter().zip(&request.readings);
        for ((key, reading), ours) in sites.zip(outcome.readings) {
            let component = reading.locus.site.component;
            let (at, golden) = (format!("{} {key}", golden.name), golden.floats(key)?);
            read.push(Read { component, at, ours, golden });
        }
    }
    Ok(read)
}
