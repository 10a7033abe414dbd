//! Means that were computed before.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};
use tracewright_ir::Site;
use tracewright_models::Model;
use tracewright_results::{self as results, read_npz, write_npz};

use super::mean::MeanOf;
use super::prompt_file::PromptFile;
use crate::dataset::hex;
use crate::error::SweepError;

/// All that the means of a dataset depend on but for their sites, in short: weights, shape and precision of the
/// model, what its tokenizer makes of the prompts, and how they are grouped.
///
/// # Errors
///
/// A prompt that the tokenizer can't take.
pub(super) fn digest(
    model: &Model,
    mean: &MeanOf,
    dataset: &PromptFile,
) -> Result<String, SweepError> {
    let mut of = Sha256::new();
    of.update(&model.sha256);
    of.update(model.dtype.name());
    of.update(json!(model.architecture()).to_string());
    of.update(&dataset.sha256);
    of.update([mean.by.name(), if mean.bos { "bos" } else { "" }].join(" "));
    for prompt in &dataset.prompts {
        let ids = model.tokenizer.prompt(&prompt.prompt)?.ids;
        ids.iter().for_each(|id| of.update(id.to_le_bytes()));
        of.update([0xff]);
    }
    Ok(hex(&of.finalize()[..8]))
}

/// Where a mean is kept: `TRACEWRIGHT_CACHE`, or `tracewright` in the user's cache folder.
pub(super) fn path(mean: &MeanOf, site: Site, digest: &str) -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("TRACEWRIGHT_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("tracewright")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/tracewright")))?;
    let name = format!("{}-{}-{digest}.npz", site.short_name(), mean.by.name());
    Some(folder.join("means").join(name))
}

/// The means of a file, by what each belongs to.
pub(super) fn read(path: &Path) -> Option<BTreeMap<String, Vec<f64>>> {
    let arrays: BTreeMap<String, results::Array> = read_npz(path).ok()?.into_iter().collect();
    let (keys, means) = (arrays.get("keys")?, arrays.get("means")?);
    let (results::Data::Str(keys), results::Data::F64(means)) = (keys.data(), means.data()) else {
        return None;
    };
    let width = means.len().checked_div(keys.len()).filter(|width| *width > 0)?;
    Some(keys.iter().cloned().zip(means.chunks_exact(width).map(<[f64]>::to_vec)).collect())
}

/// Keeps the means of a site, with what they are of.
pub(super) fn write(
    path: &Path,
    mean: &MeanOf,
    site: Site,
    dataset: &PromptFile,
    model: &Model,
    means: &BTreeMap<String, Vec<f64>>,
) -> Result<(), SweepError> {
    let Some(width) = means.values().next().map(Vec::len) else { return Ok(()) };
    if let Some(folder) = path.parent() {
        let unwritable = |error| SweepError::UnreadableText { path: folder.to_owned(), error };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    let keys: Vec<String> = means.keys().cloned().collect();
    let data: Vec<f64> = means.values().flatten().copied().collect();
    let word = results::Array::text;
    let arrays = [
        ("means", results::Array::new(&[keys.len(), width], data)?),
        ("keys", results::Array::vector(keys)),
        ("site", word(&site.short_name())),
        ("grouping", word(mean.by.name())),
        ("run", word("clean")),
        ("dataset", word(&mean.from.display().to_string())),
        ("dataset_sha256", word(&dataset.sha256)),
        ("model_sha256", word(&model.sha256)),
    ];
    Ok(write_npz(path, &arrays)?)
}
