//! The last position's logits under single interventions.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tracewright_engine::{Execution, Extensions, Values};
use tracewright_ir::{
    Along, Array, Call, Component, Intervention, Locus, Operation, Reading, Request, Run, RunId,
    Site, Source, State, Value,
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

/// An index of an axis, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Indices {
    One(usize),
    Several(Vec<usize>),
}

impl Indices {
    fn list(&self) -> Vec<usize> {
        match self {
            Self::One(index) => vec![*index],
            Self::Several(indices) => indices.clone(),
        }
    }
}

/// What a case reads of another run: of a prompt, or of an earlier case. At the case's own locus,
/// if it isn't said where.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    run: String,
    #[serde(default)]
    state: State,
    site: Option<String>,
    position: Option<Indices>,
    head: Option<Indices>,
}

/// A value; arrays are named as the file has them.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Given {
    Constant(f64),
    Array(String),
    Source(Read),
    Mean(Vec<Read>),
}

/// What becomes of the part along a direction.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Out,
    In,
    Of(Read),
}

/// What was done, as the file tells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    key: String,
    operation: String,
    site: String,
    position: Option<Indices>,
    dest: Option<Indices>,
    src: Option<Indices>,
    head: Option<Indices>,
    neuron: Option<Indices>,
    #[serde(default)]
    factor: f64,
    value: Option<Given>,
    #[serde(default)]
    weight: f64,
    #[serde(default)]
    direction: String,
    along: Option<Part>,
    #[serde(default)]
    function: String,
    #[serde(default)]
    reads: Vec<Read>,
}

impl Case {
    fn locus(&self, model: &Model) -> Result<Locus> {
        let site = Site::parse(&self.site, model.architecture())?;
        let positions = self.position.as_ref().or(self.dest.as_ref());
        let mut locus = narrowed(site, positions, self.head.as_ref());
        if let Some(sources) = &self.src {
            locus = locus.src_positions(sources.list());
        }
        if let Some(neurons) = &self.neuron {
            locus = locus.neurons(neurons.list());
        }
        Ok(locus)
    }

    /// `clean` is what the clean run has at the locus.
    fn operation(&self, locus: &Locus, named: &Named<'_>, clean: &Array) -> Result<Operation> {
        let key = &self.key;
        let value = || {
            let value = self.value.as_ref();
            let value = value.with_context(|| format!("the golden case '{key}' has no value"))?;
            named.value(value, locus)
        };
        Ok(match self.operation.as_str() {
            "copy" => Operation::Replace(Value::Source(Source::of(named.run("clean")?))),
            "zero" => Operation::Replace(Value::Constant(0.0)),
            "scale" => Operation::Scale(self.factor),
            "add" if self.value.is_none() => {
                let data = clean.data.iter().map(|value| value * self.factor).collect();
                let array = Array { shape: clean.shape.clone(), data };
                Operation::Add(Value::Array(Arc::new(array)))
            }
            "add" => Operation::Add(value()?),
            "replace" => Operation::Replace(value()?),
            "interpolate" => Operation::Interpolate { value: value()?, weight: self.weight },
            "project" => {
                let along = match &self.along {
                    Some(Part::Out) => Along::Out,
                    Some(Part::In) => Along::In,
                    Some(Part::Of(read)) => Along::Of(named.source(read, locus)?),
                    None => bail!("the golden case '{key}' doesn't say what it does"),
                };
                Operation::Project { direction: named.array(&self.direction)?, along }
            }
            "call" => {
                let reads = self.reads.iter().map(|read| named.source(read, locus));
                let reads = reads.collect::<Result<Vec<Source>>>()?;
                Operation::Call(Call { name: self.function.clone(), reads, flops: 0 })
            }
            other => bail!("the golden case '{key}' has the unknown operation '{other}'"),
        })
    }
}

fn narrowed(site: Site, positions: Option<&Indices>, heads: Option<&Indices>) -> Locus {
    let mut locus = Locus::at(site);
    if let Some(positions) = positions {
        locus = locus.positions(positions.list());
    }
    if let Some(heads) = heads {
        locus = locus.heads(heads.list());
    }
    locus
}

/// What cases name.
struct Named<'a> {
    model: &'a Model,
    golden: &'a GoldenFile,
    /// The prompts, and the runs of the cases so far by their keys.
    runs: BTreeMap<String, RunId>,
}

impl Named<'_> {
    fn run(&self, name: &str) -> Result<RunId> {
        let run = self.runs.get(name).copied();
        run.with_context(|| format!("{} has no run '{name}'", self.golden.name))
    }

    fn array(&self, key: &str) -> Result<Arc<Array>> {
        Ok(Arc::new(self.golden.floats(key)?))
    }

    fn source(&self, read: &Read, locus: &Locus) -> Result<Source> {
        let Read { run, state, site, position, head } = read;
        let elsewhere = site.is_some() || position.is_some() || head.is_some();
        let site = match site {
            Some(site) => Site::parse(site, self.model.architecture())?,
            None => locus.site,
        };
        let locus = elsewhere.then(|| narrowed(site, position.as_ref(), head.as_ref()));
        Ok(Source { run: self.run(run)?, locus, state: *state })
    }

    fn value(&self, given: &Given, locus: &Locus) -> Result<Value> {
        Ok(match given {
            Given::Constant(number) => Value::Constant(*number),
            Given::Array(key) => Value::Array(self.array(key)?),
            Given::Source(read) => Value::Source(self.source(read, locus)?),
            Given::Mean(reads) => {
                let sources = reads.iter().map(|read| self.source(read, locus));
                Value::Mean(sources.collect::<Result<Vec<Source>>>()?)
            }
        })
    }
}

/// The functions that cases call, as `xtask/golden/interventions.py` has them.
fn functions() -> Execution {
    let extensions = Extensions::default()
        .function("mean_and_half", mean_and_half)
        .function("plus_half", plus_half);
    Execution { extensions, ..Execution::default() }
}

/// The mean over the rows, which are the first axis, plus half of the row itself.
fn mean_and_half(own: Values<'_>, _: &[Values<'_>]) -> Vec<f32> {
    let rows = own.shape[0];
    let width = own.numbers.len() / rows;
    let sum = |column: usize| own.numbers.iter().skip(column).step_by(width).sum::<f32>();
    let means: Vec<f32> = (0..width).map(|column| sum(column) / rows as f32).collect();
    own.numbers.iter().zip(means.iter().cycle()).map(|(own, mean)| *mean + 0.5 * *own).collect()
}

/// Half of what is read is added, over and over where it is shorter.
fn plus_half(own: Values<'_>, reads: &[Values<'_>]) -> Vec<f32> {
    let added = |index: usize| -> f32 {
        reads.iter().map(|read| 0.5 * read.numbers[index % read.numbers.len()]).sum()
    };
    own.numbers.iter().enumerate().map(|(index, own)| *own + added(index)).collect()
}

/// The logits, relative to the largest, and each intervention's effect on them, relative to the
/// largest effect.
///
/// # Errors
///
/// A file that is missing or damaged, and an intervention that can't be executed.
pub fn interventions(model: &Model) -> Result<Vec<Quantity>> {
    let mut quantities = quantities("");
    for golden in GoldenFile::of_folder("interventions")? {
        file(model, &golden, &mut quantities)?;
    }
    Ok(quantities.into())
}

/// What is compared of each file, with a prefix for its name.
pub(super) fn quantities(prefix: &str) -> [Quantity; 2] {
    [("logits", LOGITS), ("effects", EFFECT)]
        .map(|(what, bound)| Quantity::new(format!("{prefix}intervention {what}"), bound))
}

/// Compares all cases of a file, by both executors.
pub(super) fn file(
    model: &Model,
    golden: &GoldenFile,
    quantities: &mut [Quantity; 2],
) -> Result<()> {
    let read = |text: &String| {
        serde_json::from_str::<Case>(text).with_context(|| format!("the golden case {text}"))
    };
    let cases = golden.texts("loci")?.iter().map(read).collect::<Result<Vec<_>>>()?;
    let loci = cases.iter().map(|case| case.locus(model)).collect::<Result<Vec<_>>>()?;

    let mut request = Request::default();
    let mut named = Named { model, golden, runs: BTreeMap::new() };
    for key in golden.keys() {
        if let Some(name) = key.strip_suffix("_ids") {
            let run = request.push(Run::of_tokens(name, &golden.integers::<u32>(key)?));
            named.runs.insert(name.to_owned(), run);
        }
    }
    let [clean, corrupted] = [named.run("clean")?, named.run("corrupted")?];
    let last = request.tokens(corrupted)?.len().saturating_sub(1);
    let logits = Locus::at(Site::outside(Component::Logits)).positions([last]);
    request.readings = loci.iter().map(|locus| reading(clean, locus)).collect();
    let values = execute(model, &request)?.readings;

    request.readings = [clean, corrupted].map(|run| reading(run, &logits)).to_vec();
    for ((case, locus), value) in cases.iter().zip(loci).zip(&values) {
        let operation = case.operation(&locus, &named, value)?;
        let change = Intervention { locus, operation };
        let run = request.push(Run::variant(&case.key, corrupted, [change]));
        named.runs.insert(case.key.clone(), run);
        request.readings.push(reading(run, &logits));
    }
    let outcomes = execute_both(model, &request, &functions())?;
    outcomes.iter().try_for_each(|outcome| compare(golden, &cases, &outcome.readings, quantities))
}

/// Logits of the clean, the corrupted and each patched run, and how far they are from the corrupted ones.
fn compare(
    golden: &GoldenFile,
    cases: &[Case],
    ours: &[Array],
    quantities: &mut [Quantity; 2],
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
