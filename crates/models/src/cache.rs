//! The local hub cache: models that other programs have downloaded.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A model in the local hub cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// Its name on the hub: `openai-community/gpt2`; with `@` and the commit where the cache doesn't have the
    /// branch `main`.
    pub id: String,
    /// The folder of its newest snapshot that has a `config.json`.
    pub folder: PathBuf,
}

/// Where the local hub cache is, as `huggingface_hub` has it: `HF_HUB_CACHE`, `HF_HOME/hub`, or
/// `~/.cache/huggingface/hub`.
pub fn cache_folder() -> Option<PathBuf> {
    let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("HF_HUB_CACHE")
        .or_else(|| path("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| path("HOME").map(|home| home.join(".cache/huggingface/hub")))
}

/// The models in the local hub cache, by name.
pub fn cached() -> Vec<Cached> {
    cache_folder().map(|root| in_folder(&root)).unwrap_or_default()
}

fn in_folder(root: &Path) -> Vec<Cached> {
    let mut models: Vec<Cached> = entries(root).into_iter().filter_map(|e| model(&e)).collect();
    models.sort_by(|a, b| a.id.cmp(&b.id));
    models
}

fn model(folder: &Path) -> Option<Cached> {
    let id = folder.file_name()?.to_str()?.strip_prefix("models--")?.replace("--", "/");
    let main = fs::read_to_string(folder.join("refs/main")).ok();
    let main = main.map(|commit| folder.join("snapshots").join(commit.trim()));
    if let Some(folder) = main.filter(|snapshot| snapshot.join("config.json").is_file()) {
        return Some(Cached { id, folder });
    }
    let snapshots = entries(&folder.join("snapshots"));
    let usable = snapshots.into_iter().filter(|snapshot| snapshot.join("config.json").is_file());
    let newest = usable.max_by_key(|snapshot| {
        let modified = fs::metadata(snapshot).and_then(|metadata| metadata.modified()).ok();
        (modified, snapshot.clone())
    })?;
    let commit = newest.file_name()?.to_str()?.to_owned();
    Some(Cached { id: format!("{id}@{commit}"), folder: newest })
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_their_hub_names() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        let snapshot = root.path().join("models--openai-community--gpt2/snapshots/607a30d");
        fs::create_dir_all(&snapshot)?;
        fs::create_dir_all(root.path().join("datasets--wikitext"))?;
        assert_eq!(in_folder(root.path()), []);
        fs::write(snapshot.join("config.json"), "{}")?;
        // Without a branch that stands for it, it goes by its commit.
        let id = "openai-community/gpt2".to_owned();
        let folder = snapshot.clone();
        let gpt2 = Cached { id: format!("{id}@607a30d"), folder };
        assert_eq!(in_folder(root.path()), [gpt2]);
        let refs = root.path().join("models--openai-community--gpt2/refs");
        fs::create_dir_all(&refs)?;
        fs::write(refs.join("main"), "607a30d\n")?;
        assert_eq!(in_folder(root.path()), [Cached { id, folder: snapshot }]);
        assert_eq!(in_folder(&root.path().join("nowhere")), []);
        Ok(())
    }
}
