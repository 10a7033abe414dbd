//! The Hugging Face hub: a model's files by its name, from the local cache or downloaded into it.
//!
//! The cache's layout is `hf-hub`'s (0.5, without its client); the transfer is here, over `ureq`:
//! - hf-hub 0.5's download renames a file to its blob before anything could check it, appends where a
//!   server ignores `Range`, can't finish a partial file that is whole, and asserts on odd answers;
//! - it knows no `HF_TOKEN`, no offline mode, no sums and no time limit, and drops the reason of a refusal;
//! - hf-hub 1.0 begins broken downloads anew, checks no sums either, and brings tokio, reqwest and hf-xet;
//! - the layout lets other programs, Python's `huggingface_hub` too, find the same files and locks.

mod client;
mod download;
mod error;
mod fetch;
mod files;
mod folder;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub use error::HubError;

use crate::cache::cache_folder;
use client::Client;
use fetch::fetch;
use files::Listing;
use folder::{Folder, check};

/// The hub and the local cache of it.
#[derive(Clone, Debug)]
pub struct Hub {
    endpoint: String,
    cache: Option<PathBuf>,
    token: Option<Token>,
    offline: bool,
    weights: bool,
    retries: u32,
    wait: Duration,
    agent: ureq::Agent,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download<'a> {
    /// The file's name in the repository.
    pub file: &'a str,
    /// How many of its bytes are there; those of an earlier, broken download count.
    pub done: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Which of the files to download it is, from 1.
    pub number: usize,
    /// How many files are to download.
    pub files: usize,
}

/// Kept apart so that no debug output shows it.
#[derive(Clone)]
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

impl Hub {
    /// As the environment says, in `huggingface_hub`'s words: `HF_ENDPOINT`; the cache of
    /// [`cache_folder`]; the token of `HF_TOKEN` or of the file `HF_TOKEN_PATH`, `HF_HOME/token` or
    /// `~/.cache/huggingface/token`; `HF_HUB_OFFLINE` (1, true, yes, on).
    pub fn from_env() -> Self {
        Self::from_variables(|name| env::var_os(name).filter(|value| !value.is_empty()))
            .cache(cache_folder())
    }

    fn from_variables(read: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name| read(name).and_then(|value| value.into_string().ok());
        let path = |name| read(name).map(PathBuf::from);
        let file = path("HF_TOKEN_PATH")
            .or_else(|| path("HF_HOME").map(|home| home.join("token")))
            .or_else(|| path("HOME").map(|home| home.join(".cache/huggingface/token")));
        let token = text("HF_TOKEN").or_else(|| fs::read_to_string(file?).ok());
        let offline = text("HF_HUB_OFFLINE").map(|value| value.to_lowercase());
        Self {
            endpoint: String::new(),
            cache: None,
            token: None,
            offline: offline.is_some_and(|v| ["1", "true", "yes", "on"].contains(&v.as_str())),
            weights: true,
            retries: 5,
            wait: Duration::from_secs(1),
            agent: client::agent(),
        }
        .endpoint(&text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()))
        .token(token)
    }

    /// Another hub, such as a mirror.
    #[must_use]
    pub fn endpoint(mut self, endpoint: &str) -> Self {
        self.endpoint = endpoint.trim().trim_end_matches('/').to_owned();
        self
    }

    /// Another place for the files.
    #[must_use]
    pub fn cache(mut self, folder: Option<PathBuf>) -> Self {
        self.cache = folder;
        self
    }

    /// Another token; an empty one is none.
    #[must_use]
    pub fn token(mut self, token: Option<String>) -> Self {
        let clean = token.map(|token| token.trim().to_owned());
        self.token = clean.filter(|token| !token.is_empty()).map(Token);
        self
    }

    /// Whether only the cache is used.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Whether weights are wanted, too; config and tokenizer are enough for a plan.
    #[must_use]
    pub fn weights(mut self, wanted: bool) -> Self {
        self.weights = wanted;
        self
    }

    /// How often a request that fails is tried again, and how long the first wait is; each next one is
    /// twice as long. A `Retry-After` of the hub goes before.
    #[must_use]
    pub fn retries(mut self, retries: u32, wait: Duration) -> Self {
        (self.retries, self.wait) = (retries, wait);
        self
    }

    /// The folder of a model at a revision (`main` by default), if all that is wanted of it is in the cache; the
    /// hub isn't asked whether there is a newer one.
    pub fn cached(&self, id: &str, revision: Option<&str>) -> Option<PathBuf> {
        let revision = revision.unwrap_or("main");
        check(id, revision).ok()?;
        Folder::new(self.cache.as_ref()?, id, revision).complete(self.weights)
    }

    /// The folder with the configuration, tokenizer and weights of the model `id` at `revision` (a
    /// branch, tag or commit; `main` by default). What isn't in the cache is downloaded; without a
    /// connection a complete snapshot in the cache serves.
    ///
    /// # Errors
    ///
    /// A name that can't be one, a model that can't be had or used, a connection that fails, and files
    /// that come damaged or can't be written.
    pub fn snapshot(
        &self,
        id: &str,
        revision: Option<&str>,
        progress: &dyn Fn(Download<'_>),
    ) -> Result<PathBuf, HubError> {
        let revision = revision.unwrap_or("main");
        check(id, revision)?;
        let root = self.cache.as_ref().ok_or(HubError::NoCacheFolder)?;
        let folder = Folder::new(root, id, revision);
        let cached = folder.complete(self.weights);
        if self.offline {
            let (id, revision, folder) = (id.to_owned(), revision.to_owned(), root.clone());
            return cached.ok_or(HubError::NotCached { id, revision, folder });
        }
        let client = Client { hub: self, id, revision };
        let listing = match (Listing::ask(&client, cached.is_none()), cached) {
            (Err(error), Some(cached)) if error.may_pass() => return Ok(cached),
            (listing, _) => listing?,
        };
        fetch(&client, &folder, &listing, progress)?;
        folder.note(&listing.commit)?;
        Ok(folder.snapshot(&listing.commit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_as_python_reads_it() -> std::io::Result<()> {
        let home = tempfile::tempdir()?;
        fs::write(home.path().join("token"), "hf_file\n")?;
        let hub = |variables: &[(&str, &str)]| {
            Hub::from_variables(|name| {
                let home = ("HF_HOME", home.path().to_str()?);
                let mut all = variables.iter().chain([&home]);
                all.find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            })
        };
        let token = |hub: Hub| hub.token.map(|token| token.0);
        assert_eq!(hub(&[]).endpoint, "https://huggingface.co");
        assert_eq!(hub(&[("HF_ENDPOINT", "https://mirror.org/")]).endpoint, "https://mirror.org");
        assert_eq!(token(hub(&[])).as_deref(), Some("hf_file"));
        assert_eq!(token(hub(&[("HF_TOKEN", " hf_own ")])).as_deref(), Some("hf_own"));
        assert_eq!(token(hub(&[("HF_TOKEN_PATH", "nowhere")])), None);
        let offline = |value| hub(&[("HF_HUB_OFFLINE", value)]).offline;
        assert_eq!(["1", "TRUE", "on", "0", "no"].map(offline), [true, true, true, false, false]);
        assert!(!format!("{:?}", hub(&[])).contains("hf_file"));
        Ok(())
    }
}
