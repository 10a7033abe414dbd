//! Where the model is that a flag or a file names: a folder, or a model of the hub.

use std::path::{Path, PathBuf};

use tracewright_models::ModelError;
use tracewright_models::hub::Hub;

use crate::console::Console;
use crate::error::Failure;

/// The folder of a model by its path, or by its name on the hub: `organisation/name`, with `@revision` for
/// another one than what the cache has or the branch `main`.
///
/// What the cache has is taken as it is, so that the same command computes with the same weights. Without
/// `weights` no more than config and tokenizer is downloaded.
pub(crate) fn place(given: &str, weights: bool, console: &Console) -> Result<PathBuf, Failure> {
    let folder = Path::new(given);
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    if folder.exists() || !is_name(given) {
        return Err(ModelError::NoFolder { path: folder.to_owned() }.into());
    }
    let (id, revision) = match given.split_once('@') {
        Some((id, revision)) => (id, Some(revision)),
        None => (given, None),
    };
    let hub = Hub::from_env().weights(weights);
    if let (None, Some(folder)) = (revision, hub.cached(id, None)) {
        return Ok(folder);
    }
    let bar = console.download();
    let found = hub.snapshot(id, revision, &|download| bar.show(&download));
    bar.finish();
    found.map_err(|error| Failure::Hub { given: given.to_owned(), error: Box::new(error) })
}

/// Whether something could be the name of a model, and isn't meant as a path.
fn is_name(given: &str) -> bool {
    let path = given.starts_with(['/', '.', '~']) || given.ends_with('/') || given.contains('\\');
    let id = given.split('@').next().unwrap_or_default();
    !path && id.split('/').count() <= 2 && !id.ends_with(".safetensors") && !id.ends_with(".gguf")
}
