//! The last position's logits under single interventions.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tracewright_ir::{
    Array, Component, Intervention, Locus, Operation, Reading, Request, Run, RunId, Site, State,
    Value,
};
use tracewright_models::Model;

use super::file::GoldenFile;
use super::quantity::{Quantity, largest};
use super::{execute, execute_both};

/// f32 sums in another order, through twelve layers.
const LOGITS: f64 = 1e-4;
/// An effect is a difference of logits, some of them a thousandth of the logits' own size, so it
/// may be off by 2e-5 besides a hundredth of itself: what rounding does to the logits.
const EFFECT: f64 = 1e-2;
const EFFECT_FLOOR: f64 = 2e-5;

/// What was done, as the file tells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    key: String,
    operation: String,
    site: String,
    position: Option<usize>,
    dest: Option<usize>,
    head: Option<usize>,
    neuron: Option<usize>,
    #[serde(default)]
    factor: f64,
}

impl Case {
    fn locus(&self, model: &Model) -> Result<Locus> {
        let mut locus = Locus::at(Site::parse(&self.site, model.architecture())?);
        if let Some(position) = self.position.or(self.dest) {
            locus = locus.positions([position]);
        }
        if let Some(head) = self.head {
            locus = locus.heads([head]);
        }
        if let Some(neuron) = self.neuron {
            locus = locus.neurons([neuron]);
        }
        Ok(locus)
    }

    /// `added` is what the clean run has at the locus.
    fn intervention(&self, locus: Locus, clean: RunId, added: &Array) -> Result<Intervention> {
        let operation = match self.operation.as_str() {
            "copy" => return Ok(Intervention::copy(locus, clean)),
            "zero" => return Ok(Intervention::zero(locus)),
            "scale" => Operation::Scale(self.factor),
            "add" => {
                let data = added.data.iter().map(|value| value * self.factor).collect();
                let array = Array { shape: added.shape.clone(), data };
                Operation::Add(Value::Array(Arc::new(array)))
            }
            other => bail!("the golden case '{}' has the unknown operation '{other}'", self.key),
        };
        Ok(Intervention { locus, operation })
    }
}

/// The logits, relative to the largest, and each intervention's effect on them, relative to the
/// largest effect.
///
/// # Errors
///
/// A file that is missing or damaged, and an intervention that can't be executed.
pub fn interventions(model: &Model) -> Result<Vec<Quantity>> {
    let mut quantities = vec![
        Quantity::new("intervention logits", LOGITS),
        Quantity::new("intervention effects", EFFECT),
    ];
    for golden in GoldenFile::of_folder("interventions")? {
        file(model, &golden, &mut quantities)?;
    }
    Ok(quantities)
}

fn file(model: &Model, golden: &GoldenFile, quantities: &mut [Quantity]) -> Result<()> {
    let read = |text: &String| {
        serde_json::from_str::<Case>(text).with_context(|| format!("the golden case {text}"))
    };
    let cases = golden.texts("loci")?.iter().map(read).collect::<Result<Vec<_>>>()?;
    let loci = cases.iter().map(|case| case.locus(model)).collect::<Result<Vec<_>>>()?;

    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &golden.integers::<u32>("clean_ids")?));
    let ids: Vec<u32> = golden.integers("corrupted_ids")?;
    let last = ids.len().saturating_sub(1);
    let logits = Locus::at(Site::outside(Component::Logits)).positions([last]);
    let corrupted = request.push(Run::of_tokens("corrupted", &ids));
    request.readings = loci.iter().map(|locus| reading(clean, locus)).collect();
    let added = execute(model, &request)?.readings;

    request.readings = [clean, corrupted].map(|run| reading(run, &logits)).to_vec();
    for ((case, locus), added) in cases.iter().zip(loci).zip(&added) {
        let change = case.intervention(locus, clean, added)?;
        let run = request.push(Run::variant(&case.key, corrupted, [change]));
        request.readings.push(reading(run, &logits));
    }
    let outcomes = execute_both(model, &request)?;
    outcomes.iter().try_for_each(|outcome| compare(golden, &cases, &outcome.readings, quantities))
}

/// Logits of the clean, the corrupted and each patched run, and how far they are from the corrupted ones.
fn compare(
    golden: &GoldenFile,
    cases: &[Case],
    ours: &[Array],
    quantities: &mut [Quantity],
) -> Result<()> {
    let base = (&ours[1].data, golden.floats("corrupted")?.data);
    let keys = ["clean", "corrupted"].into_iter().chain(cases.iter().map(|case| case.key.as_str()));
    for (key, ours) in keys.zip(ours) {
        let golden = golden.floats(key)?.data;
        let scale = largest(&golden);
        let effects = [effect(&ours.data, base.0), effect(&golden, &base.1)];
        let effect_scale = largest(&effects[1]) + EFFECT_FLOOR / EFFECT;
        let sides = [([ours.data.clone(), golden], scale), (effects, effect_scale)];
        for (quantity, ([ours, golden], scale)) in quantities.iter_mut().zip(sides) {
            let array = |data: Vec<f64>| Array { shape: vec![data.len()], data };
            quantity.compare_arrays(key, &array(ours), &array(golden), scale)?;
        }
    }
    Ok(())
}

fn reading(run: RunId, locus: &Locus) -> Reading {
    Reading { run, locus: locus.clone(), state: State::Left }
}

fn effect(logits: &[f64], base: &[f64]) -> Vec<f64> {
    logits.iter().zip(base).map(|(logit, base)| logit - base).collect()
}
