//! Joining the shards of a sweep.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::ResultsError;
use crate::differences::differences;
use crate::entries::{list_parts, part_path};
use crate::folder::ResultsFolder;
use crate::outputs::Written;
use crate::part::read_cases;
use crate::run_file::{RunFile, SHARD};

/// What a merge has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The files of the whole sweep.
    pub written: Written,
    /// Where shards ran in another environment than the first one: the numbers are equal within rounding
    /// then, not bit for bit.
    pub differences: Vec<(PathBuf, String)>,
}

/// What decides which cases share a pass; shards that disagree on it aren't parts of one division.
const DIVIDES: [&str; 4] = ["tracewright", "memory", "executor", "streamed"];

/// Joins the folders of all shards of a sweep to one, which is what the sweep would have made by itself.
///
/// # Errors
///
/// [`ResultsError::NotOneSweep`] for folders of different requests or divisions, or with another result for
/// one pass; [`ResultsError::MissingShards`] where passes are missing; [`ResultsError::Damaged`] for a damaged
/// part; and the errors of opening and writing the joined folder.
pub fn merge(shards: &[PathBuf], into: &Path) -> Result<Merged, ResultsError> {
    let mut runs: Vec<(&Path, RunFile)> = Vec::new();
    for path in shards {
        let none = || ResultsError::NoResults { path: path.clone() };
        runs.push((path, RunFile::read(path)?.ok_or_else(none)?));
    }
    let Some((first, whole)) = runs.first() else {
        return Err(ResultsError::NoShards);
    };
    for (path, run) in &runs[1..] {
        refuse_other_sweep((first, whole), (path, run))?;
    }
    let passes = passes(shards)?;
    refuse_missing(&runs, passes.len())?;
    let mut folder = ResultsFolder::open(
        into,
        &without_shard(&whole.request),
        &whole.environment,
        passes.len(),
    )?;
    for (pass, from) in &passes {
        folder.adopt(*pass, from)?;
    }
    let written = folder.finish(&cost(&runs))?;
    let differences = runs[1..]
        .iter()
        .map(|(path, run)| (path.to_path_buf(), differences(&whole.environment, &run.environment)));
    let differences = differences.filter(|(_, lines)| !lines.is_empty()).collect();
    Ok(Merged { written, differences })
}

/// The folder of each pass.
fn passes(shards: &[PathBuf]) -> Result<BTreeMap<usize, &Path>, ResultsError> {
    let bytes = |path: &Path| fs::read(path).map_err(|error| ResultsError::reading(path, error));
    let mut passes: BTreeMap<usize, &Path> = BTreeMap::new();
    let mut cases: BTreeMap<String, (usize, &Path)> = BTreeMap::new();
    for path in shards {
        for (pass, part) in list_parts(path)? {
            // Whether it is sound is seen before anything is written.
            for case in read_cases(&part, pass)? {
                let (known, other) = *cases.entry(case.name.clone()).or_insert((pass, path));
                if known != pass {
                    let problem = format!(
                        "they divide it differently: case {} is in pass {known} and in pass {pass}",
                        case.name
                    );
                    return Err(not_one(other, path, problem));
                }
            }
            match passes.get(&pass) {
                Some(known) if bytes(&part_path(known, pass))? != bytes(&part)? => {
                    return Err(not_one(known, path, format!("they differ in pass {pass}")));
                }
                Some(_) => {}
                None => drop(passes.insert(pass, path)),
            }
        }
    }
    Ok(passes)
}

/// What the shards took together.
fn cost(runs: &[(&Path, RunFile)]) -> Value {
    let mut total = Map::new();
    for (name, value) in runs.iter().filter_map(|(_, run)| run.cost.as_ref()?.as_object()).flatten()
    {
        let (known, new) = (total.get(name).cloned().unwrap_or(Value::from(0)), value);
        let sum = match (name.as_str(), known.as_u64(), new.as_u64()) {
            ("peak_bytes", Some(known), Some(new)) => known.max(new).into(),
            (_, Some(known), Some(new)) => (known + new).into(),
            _ => (known.as_f64().unwrap_or(0.0) + new.as_f64().unwrap_or(0.0)).into(),
        };
        total.insert(name.clone(), sum);
    }
    Value::Object(total)
}

fn without_shard(request: &Value) -> Value {
    let mut request = request.clone();
    if let Some(fields) = request.as_object_mut() {
        fields.shift_remove(SHARD);
    }
    request
}

fn refuse_other_sweep(
    (first, whole): (&Path, &RunFile),
    (path, run): (&Path, &RunFile),
) -> Result<(), ResultsError> {
    let requests = differences(&without_shard(&whole.request), &without_shard(&run.request));
    if !requests.is_empty() {
        return Err(not_one(first, path, format!("they ask for different things:\n{requests}")));
    }
    let divides = |run: &RunFile| {
        let named = DIVIDES.map(|name| (name.to_owned(), run.environment[name].clone()));
        let mut division: Value = named.into_iter().collect();
        division["passes"] = run.finished.of.into();
        division
    };
    let divisions = differences(&divides(whole), &divides(run));
    match divisions.is_empty() {
        true => Ok(()),
        false => Err(not_one(first, path, format!("they divide it differently:\n{divisions}"))),
    }
}

fn not_one(first: &Path, second: &Path, problem: String) -> ResultsError {
    let (first, second) = (first.to_path_buf(), second.to_path_buf());
    ResultsError::NotOneSweep { first, second, problem }
}

/// Says which shards aren't given, or else which aren't finished.
fn refuse_missing(runs: &[(&Path, RunFile)], found: usize) -> Result<(), ResultsError> {
    let of = runs.first().map_or(0, |(_, run)| run.finished.of);
    if found == of {
        return Ok(());
    }
    let given: Vec<&str> =
        runs.iter().filter_map(|(_, run)| run.request.get(SHARD)?.as_str()).collect();
    let shards = given.iter().filter_map(|shard| shard.split_once('/')?.1.parse().ok()).max();
    let missing: Vec<String> = (1..=shards.unwrap_or(0))
        .map(|index: usize| format!("{index}/{}", shards.unwrap_or(0)))
        .filter(|shard| !given.contains(&shard.as_str()))
        .collect();
    let what = match missing.as_slice() {
        [] => "not all of the shards are finished: give their commands again".to_owned(),
        missing => format!("give also the folders of the shards {}", missing.join(", ")),
    };
    Err(ResultsError::MissingShards { found, of, what })
}
