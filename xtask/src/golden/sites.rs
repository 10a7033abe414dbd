//! Every hook site of a clean run.

use std::collections::BTreeMap;

use anyhow::Result;
use tracewright_ir::{Component, Locus, Reading, Request, Run, Site, State};
use tracewright_models::Model;

use super::execute_both;
use super::file::GoldenFile;
use super::quantity::{Quantity, largest};

/// f32 sums in another order, through twelve layers.
const BOUND: f64 = 1e-4;

/// All values of every site, relative to the site's largest; a quantity for each component.
///
/// # Errors
///
/// A file that is missing or damaged, a site that the model hasn't got or that has another shape.
pub fn sites(model: &Model) -> Result<Vec<Quantity>> {
    let mut quantities = BTreeMap::new();
    for golden in GoldenFile::of_folder("sites")? {
        prompt(model, &golden, &mut quantities)?;
    }
    Ok(quantities.into_values().collect())
}

fn prompt(
    model: &Model,
    golden: &GoldenFile,
    quantities: &mut BTreeMap<Component, Quantity>,
) -> Result<()> {
    let mut request = Request::default();
    let run = request.push(Run::of_tokens("clean", &golden.integers::<u32>("input_ids")?));
    let keys: Vec<&str> = golden.keys().filter(|key| *key != "input_ids").collect();
    for key in &keys {
        let locus = Locus::at(Site::parse(key, model.architecture())?);
        request.readings.push(Reading { run, locus, state: State::Left });
    }
    let outcomes = execute_both(model, &request)?;
    let all = outcomes.iter().flat_map(|outcome| &outcome.readings);
    for ((key, reading), ours) in keys.iter().zip(&request.readings).cycle().zip(all) {
        let (values, component) = (golden.floats(key)?, reading.locus.site.component);
        let new = || Quantity::new(format!("site {component}"), BOUND);
        let quantity = quantities.entry(component).or_insert_with(new);
        let at = format!("{} {key}", golden.name);
        quantity.compare_arrays(&at, ours, &values, largest(&values.data))?;
    }
    Ok(())
}
