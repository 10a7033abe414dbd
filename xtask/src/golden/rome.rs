//! ROME's causal traces, as its own code wrote them.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tracewright_corruption::{Noise, NoiseRule};
use tracewright_engine::{Execution, silent};
use tracewright_ir::Array;
use tracewright_models::Model;
use tracewright_results::{Data, NamedArrays, Scores, npz_arrays};
use tracewright_sweep::{Facts, Kind, Settings, SeverNoise, resolve_noise, trace};

use super::file::{GoldenFile, fixture};
use super::quantity::Quantity;

/// Of a probability: f32 sums in another order, through twelve layers and a softmax.
const SCORE: f64 = 2e-5;
/// Of a deviation, relative: it is rounded to f32.
const DEVIATION: f64 = 1e-6;

/// Every trace compared array by array with the file that the program would write: scores by their
/// distance, everything else (tokens, ranges, answers) by equality. Of the severed ones, whose files
/// hold less than ours, the arrays that they have.
///
/// # Errors
///
/// A file that is missing or damaged, and a case that can't be traced.
pub fn rome(model: &Model) -> Result<Vec<Quantity>> {
    let facts = Facts::built_in()?;
    let mut scores = Quantity::new("rome scores", SCORE);
    let mut rest = Quantity::new("rome tokens, answers, other arrays", 0.0);
    for golden in GoldenFile::of_folder("rome")? {
        let name = golden.name.as_str();
        let ours = arrays(model, &facts, name).with_context(|| format!("the trace '{name}'"))?;
        let held: Vec<&str> = golden.keys().collect();
        if !name.starts_with("severed_") {
            rest.equal(&format!("{name} keys"), &keys(&ours), &held);
        }
        for (key, ours) in ours.iter().filter(|(key, _)| held.contains(key)) {
            let at = format!("{name} {key}");
            let (of_ours, expected) = (ours.data(), golden.array(key)?);
            match of_ours {
                Data::F32(_) | Data::F64(_) => {
                    scores.compare_arrays(&at, &floats(ours)?, &golden.floats(key)?, 1.0)?;
                }
                _ => rest.equal(&at, ours, expected),
            }
        }
    }
    Ok(vec![scores, rest])
}

fn keys(arrays: &NamedArrays) -> Vec<&str> {
    arrays.iter().map(|(key, _)| *key).collect()
}

/// What the program would write for a golden file: `knowledge_ID`, `knowledge_ID_KIND`, the same
/// with `@TAG`, or `severed_MODULE_ID`.
fn arrays(model: &Model, facts: &Facts, name: &str) -> Result<NamedArrays> {
    let (name, tag) = name.split_once('@').unwrap_or((name, ""));
    let parts: Vec<&str> = name.split('_').collect();
    let (id, settings) = match parts[..] {
        ["knowledge", id] => (id, settings(Kind::Hidden, tag)?),
        ["knowledge", id, kind] => (id, settings(kind.parse()?, tag)?),
        ["severed", module, id] => {
            let sever = vec![module.parse()?];
            let defaults = settings(Kind::Hidden, tag)?;
            (id, Settings { sever, sever_noise: SeverNoise::Rome, ..defaults })
        }
        _ => bail!("no trace has a file of this name"),
    };
    let noise = resolve_noise(&settings.noise, model, &facts.subjects(), None)?;
    let case = facts.select(&[id.parse()?], None)?.pop().context("there is no such fact")?;
    let fed = case.feed(&model.tokenizer)?;
    let part = trace(&fed, model, &settings, &noise, &Execution::default(), &mut silent)?;
    let case = part.cases.first().context("the trace has no case")?;
    let mut scores = Scores::new(case, case.grids.last().context("the trace has no grid")?);
    part.rows.iter().for_each(|row| scores.take(row));
    npz_arrays(case, &scores).context("the trace isn't whole")
}

/// What a file's tag stands for; without one, ROME's defaults.
fn settings(kind: Kind, tag: &str) -> Result<Settings> {
    let defaults = Settings { kinds: vec![kind], ..Settings::default() };
    Ok(match tag {
        "" => defaults,
        "w5" => Settings { window: 5, ..defaults },
        "u" => Settings { noise: "u0.3".parse()?, ..defaults },
        "rep" => Settings { replace: true, ..defaults },
        "n1" => Settings { noise: "0.1".parse()?, samples: 4, ..defaults },
        other => bail!("the tag '@{other}' isn't known here: xtask/src/golden/rome.rs lists them"),
    })
}

fn floats(array: &tracewright_results::Array) -> Result<Array> {
    let data = match array.data() {
        Data::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Data::F64(values) => values.clone(),
        _ => bail!("the array doesn't hold floats"),
    };
    Ok(Array { shape: array.shape().to_vec(), data })
}

/// What ROME's code found over the subjects of `known_1000.json`.
#[derive(Deserialize)]
struct Deviations {
    embedding_std: f64,
    s3: f64,
}

/// The standard deviation of the subjects' embeddings, and the noise of three of them.
///
/// # Errors
///
/// A file that is missing or damaged.
pub fn embedding_deviation(model: &Model) -> Result<Quantity> {
    let path = fixture("goldens/rome/noise.json");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let golden: Deviations =
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    let facts = Facts::built_in()?;
    ensure!(facts.all().len() == 1209, "the built-in facts aren't ROME's 1,209");
    let mut quantity = Quantity::new("rome embedding deviation", DEVIATION);
    for (times, golden) in [(1.0, golden.embedding_std), (3.0, golden.s3)] {
        let rule = NoiseRule::SubjectDeviations(times);
        let Noise::Gaussian { std } = resolve_noise(&rule, model, &facts.subjects(), None)? else {
            bail!("'{rule}' isn't Gaussian noise");
        };
        quantity.compare(&rule.to_string(), std, golden, golden);
    }
    Ok(quantity)
}
