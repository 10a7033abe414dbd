//! Which files of a repository are wanted, and what the hub says of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::client::Client;
use super::error::HubError;

/// What every model needs.
pub(super) const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];

/// What is taken where it exists.
const OPTIONAL: [&str; 5] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
];

/// The weights: the first of these, as `Weights::of_folder` looks for them.
pub(super) const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// A longer answer isn't a listing.
const LONGEST_LISTING: u64 = 64 << 20;

/// A file in a repository.
#[derive(Clone, Debug)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) sum: Sum,
}

/// What the hub says of a file's content; also the name of its blob in the cache, as its ETag is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// Of large files (LFS, Xet).
    Sha256(String),
    /// Of files within git: its object name.
    Git(String),
}

/// A commit and its files.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    files: BTreeMap<String, Sibling>,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Listing {
    /// One request for the commit, the files, their sizes and their sums.
    pub(super) fn ask(client: &Client<'_>, retry: bool) -> Result<Self, HubError> {
        let revision = client.revision.replace('/', "%2F");
        let path = format!("/api/models/{}/revision/{revision}?blobs=true", client.id);
        let mut tried = 0;
        loop {
            let read = client.get(&path, 0, client.id).and_then(|mut answer| {
                let body = answer.body_mut().with_config().limit(LONGEST_LISTING).read_to_vec();
                body.map_err(|error| client.unreachable(client.id, error.to_string()))
            });
            match read {
                Ok(body) => return Self::read(client, &body),
                // Nothing is lost as yet: without a connection it is told at once.
                Err(error @ HubError::Unreachable { .. }) => return Err(error),
                Err(error) if !retry => return Err(error),
                Err(error) => client.wait(&mut tried, error)?,
            }
        }
    }

    fn read(client: &Client<'_>, body: &[u8]) -> Result<Self, HubError> {
        let bad = |problem: String| client.bad_answer(client.id, problem);
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| bad(format!("it isn't a listing of files: {error}")))?;
        if !is_hex(&answer.sha, 40) {
            return Err(bad("its sha isn't a commit".to_owned()));
        }
        let files = answer.siblings.into_iter().map(|file| (file.rfilename.clone(), file));
        Ok(Self { commit: answer.sha, files: files.collect() })
    }

    /// The files that are wanted without the weights, and the file that is or names the weights.
    pub(super) fn wanted(
        &self,
        client: &Client<'_>,
    ) -> Result<(Vec<RemoteFile>, RemoteFile), HubError> {
        let has = |name: &&&str| self.files.contains_key(**name);
        if let Some(missing) = NEEDED.iter().find(|name| !has(name)) {
            return Err(self.unusable(client, (*missing).to_owned()));
        }
        let Some(weights) = WEIGHTS.iter().find(has) else {
            let missing = format!("weights that can be read (one of {})", WEIGHTS.join(", "));
            return Err(self.unusable(client, missing));
        };
        let small = NEEDED.iter().chain(OPTIONAL.iter().filter(has));
        let small = small.map(|name| self.file(client, name)).collect::<Result<_, _>>()?;
        Ok((small, self.file(client, weights)?))
    }

    /// A file of the listing with its sum, which is checked, as it becomes the name of a file here.
    pub(super) fn file(&self, client: &Client<'_>, name: &str) -> Result<RemoteFile, HubError> {
        let missing = || self.unusable(client, name.to_owned());
        let file = self.files.get(name).ok_or_else(missing)?;
        let lfs = file.lfs.as_ref().map(|lfs| (lfs.size, Sum::Sha256(lfs.sha256.clone())));
        let git = || Some((file.size?, Sum::Git(file.blob_id.clone()?)));
        let (size, sum) = lfs.or_else(git).filter(|(_, sum)| sum.is_valid()).ok_or_else(|| {
            client.bad_answer(client.id, format!("it doesn't say the size and sum of '{name}'"))
        })?;
        Ok(RemoteFile { name: name.to_owned(), size, sum })
    }

    fn unusable(&self, client: &Client<'_>, missing: String) -> HubError {
        let (id, revision) = (client.id.to_owned(), client.revision.to_owned());
        let files = self.files.keys().cloned().collect();
        HubError::Unusable { id, revision, missing, files }
    }
}

impl Sum {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Sha256(text) | Self::Git(text) => text,
        }
    }

    fn is_valid(&self) -> bool {
        match self {
            Self::Sha256(text) => is_hex(text, 64),
            Self::Git(text) => is_hex(text, 40),
        }
    }
}

/// The files that an index names, or what is wrong with it. It comes from strangers: its names may only
/// be those of weights beside it.
pub(super) fn parts(index: &[u8]) -> Result<BTreeSet<String>, String> {
    let index: Index = serde_json::from_slice(index)
        .map_err(|error| format!("isn't an index of weights: {error}"))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = |name: &str| {
        name.chars().all(plain)
            && !name.starts_with('.')
            && (name.ends_with(".safetensors") || name.ends_with(".bin"))
    };
    match names.iter().find(|name| !fits(name)) {
        Some(name) => Err(format!("names {name:?}, which isn't a file of weights beside it")),
        None if names.is_empty() => Err("names no files".to_owned()),
        None => Ok(names),
    }
}

/// Whether a text is a digest or commit of so many digits, as hub and git write them.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
