//! What a request names and doesn't hold: arrays of files, means over a dataset, noise levels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tracewright_ir::{Architecture, Array, Site};
use tracewright_models::{Model, read_arrays};
use tracewright_results::{Data, read_npz};

use super::change::{Change, Vector, Vectors};
use super::corruption::{By, Corruption, Embeddings};
use super::mean::Means;
use super::prompt_file::PromptFile;
use super::settings::PairSettings;
use crate::dataset::hex;
use crate::error::SweepError;
use crate::facts::Facts;
use crate::noise;

/// The numbers of a request.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) vectors: Vectors,
    pub(crate) means: Means,
    /// For each of the settings' corruptions.
    pub(crate) embeddings: Vec<Embeddings>,
    /// The digest of every file that was read.
    pub(crate) files: BTreeMap<String, String>,
}

impl Numbers {
    /// Reads and computes what the settings name.
    ///
    /// # Errors
    ///
    /// Files that can't be read or don't hold what they should, a failing device.
    pub(crate) fn of(model: &Model, settings: &PairSettings) -> Result<Self, SweepError> {
        let architecture = model.architecture();
        let mut numbers = Self { vectors: vectors(settings)?, ..Self::default() };
        let embeddings = |corruption| embeddings(model, corruption);
        numbers.embeddings =
            settings.corruptions.iter().map(embeddings).collect::<Result<_, _>>()?;
        if let Some(mean) = &settings.mean {
            numbers.means = Means::of(model, mean, &sites(settings, architecture)?)?;
        }
        numbers.files = digests(settings)?;
        Ok(numbers)
    }

    /// The same for plans, which haven't got the weights.
    ///
    /// # Errors
    ///
    /// Arrays and datasets that can't be read, sites without means.
    pub(crate) fn stand_ins(
        settings: &PairSettings,
        architecture: &Architecture,
    ) -> Result<Self, SweepError> {
        let embeddings = |corruption| Embeddings::stand_in(corruption, architecture);
        if let Some(mean) = &settings.mean {
            PromptFile::read(&mean.from)?;
            Means::check_sites(&sites(settings, architecture)?)?;
        }
        Ok(Self {
            vectors: vectors(settings)?,
            means: Means::stand_in(),
            embeddings: settings.corruptions.iter().map(embeddings).collect(),
            files: BTreeMap::new(),
        })
    }
}

/// The sites that are patched, each in its layer.
fn sites(
    settings: &PairSettings,
    architecture: &Architecture,
) -> Result<BTreeSet<Site>, SweepError> {
    let mut sites = BTreeSet::new();
    let cells = settings.sites.iter().map(|site| (site, &settings.change));
    let named = settings.runs.iter().flat_map(|run| &run.changes);
    let all = cells.chain(named.map(|change| (&change.site, &change.change)));
    for (target, _) in all.filter(|(_, change)| **change == Change::Mean) {
        for member in target.members(architecture)? {
            sites.extend(member.in_each_layer(architecture).iter().map(|member| member.site));
        }
    }
    Ok(sites)
}

fn embeddings(model: &Model, corruption: &Corruption) -> Result<Embeddings, SweepError> {
    match corruption.by {
        By::Noise => {
            let facts = Facts::built_in()?;
            let text = corruption.noise_text.as_deref();
            let noise = noise::resolve(&corruption.noise, model, &facts.subjects(), text)?;
            Ok(Embeddings::Noise(noise))
        }
        By::Mean => {
            let mut ids = Vec::new();
            match &corruption.from {
                Some(path) => {
                    for prompt in PromptFile::read(path)?.prompts {
                        ids.extend(model.tokenizer.plain(&prompt.prompt)?);
                    }
                }
                None => {
                    for subject in Facts::built_in()?.subjects() {
                        ids.extend(model.tokenizer.plain(subject)?);
                    }
                }
            }
            let d_model = model.architecture().d_model;
            let rows = noise::embeddings(model, &ids)?;
            let mut mean = vec![0.0; d_model];
            for row in rows.chunks_exact(d_model) {
                mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
            }
            mean.iter_mut().for_each(|sum| *sum /= ids.len() as f64);
            Ok(Embeddings::Mean(mean))
        }
        _ => Ok(Embeddings::Nothing),
    }
}

fn vectors(settings: &PairSettings) -> Result<Vectors, SweepError> {
    let read = |vector: &Vector| Ok((vector.to_string(), Arc::new(array(vector)?)));
    changes(settings).filter_map(Change::vector).map(read).collect()
}

/// Every change that is asked for.
fn changes(settings: &PairSettings) -> impl Iterator<Item = &Change> {
    let named = settings.runs.iter().flat_map(|run| &run.changes);
    std::iter::once(&settings.change).chain(named.map(|change| &change.change))
}

/// An array of an npz or safetensors file.
fn array(vector: &Vector) -> Result<Array, SweepError> {
    let path = &vector.path;
    let ends = |name: &str| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(name));
    let npz = ends("npz");
    if !npz && !ends("safetensors") {
        return Err(SweepError::NoVectorFile { path: path.clone() });
    }
    let arrays: Vec<(String, Array)> = match npz {
        true => read_npz(path)?
            .into_iter()
            .filter_map(|(name, array)| {
                let data: Vec<f64> = match array.data() {
                    Data::F32(data) => data.iter().map(|x| f64::from(*x)).collect(),
                    Data::F64(data) => data.clone(),
                    Data::I64(data) => data.iter().map(|x| *x as f64).collect(),
                    Data::Bool(_) | Data::Str(_) => return None,
                };
                Some((name, Array { shape: array.shape().to_vec(), data }))
            })
            .collect(),
        false => read_arrays(path)?,
    };
    let known = || arrays.iter().map(|(name, _)| name.clone()).collect();
    let missing =
        |key: &str| SweepError::NoArray { path: path.clone(), key: key.to_owned(), known: known() };
    let found = match (&vector.key, arrays.as_slice()) {
        (Some(key), all) => all.iter().find(|(name, _)| name == key).ok_or_else(|| missing(key))?,
        (None, [only]) => only,
        (None, _) => return Err(missing("")),
    };
    let mut array = found.1.clone();
    array.data.iter_mut().for_each(|number| *number *= vector.factor);
    match array.data.iter().all(|number| (*number as f32).is_finite()) {
        true => Ok(array),
        false => Err(SweepError::NoNumbers { path: path.clone(), key: found.0.clone() }),
    }
}

/// The digests of the files that the settings name.
fn digests(settings: &PairSettings) -> Result<BTreeMap<String, String>, SweepError> {
    let of_corruptions = settings.corruptions.iter();
    let of_corruptions = of_corruptions.flat_map(|c| [c.from.as_deref(), c.noise_text.as_deref()]);
    let vectors = changes(settings).filter_map(Change::vector);
    let vectors = vectors.map(|vector| Some(vector.path.as_path()));
    let mean = settings.mean.as_ref().map(|mean| mean.from.as_path());
    let paths = of_corruptions.chain(vectors).chain([mean]).flatten();
    let digest = |path: &Path| {
        let unreadable = |error| SweepError::UnreadableText { path: path.to_owned(), error };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Ok((path.display().to_string(), hex(&Sha256::digest(bytes))))
    };
    paths.map(digest).collect()
}
