//! Why a model can't be had from the hub, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// A model that the hub or its cache doesn't give.
///
/// No message shows the token, nor an address that a server has redirected to (such addresses are signed).
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum HubError {
    /// A name that no model can have.
    #[error(
        "'{given}' isn't the name of a model on the hub: expected 'name' or 'organisation/name' of letters, digits, '-', '_' and '.', such as openai-community/gpt2"
    )]
    BadId { given: String },
    /// A revision that no repository can have.
    #[error("'{given}' isn't a revision: expected a branch, a tag or a commit, such as main")]
    BadRevision { given: String },
    /// Nowhere to keep files.
    #[error("there is no place for the hub's cache: set HF_HUB_CACHE to a folder")]
    NoCacheFolder,
    /// Offline, and not in the cache.
    #[error("the cache '{}' doesn't hold all files of '{id}' at revision '{revision}', and the hub isn't asked (offline): unset HF_HUB_OFFLINE to download them", folder.display())]
    NotCached { id: String, revision: String, folder: PathBuf },
    /// No such model, or none that may be seen.
    #[error(
        "{endpoint} gives no model '{id}'{}: check the name; if the model is private, set HF_TOKEN to a token that may read it",
        said(reason)
    )]
    NoModel { endpoint: String, id: String, reason: String },
    /// A model whose licence has to be accepted first.
    #[error(
        "the model '{id}' is gated{}: accept its conditions at {endpoint}/{id}, then set HF_TOKEN to a token of that account",
        said(reason)
    )]
    Gated { endpoint: String, id: String, reason: String },
    /// A token that isn't valid.
    #[error(
        "{endpoint} doesn't accept the token{}: set HF_TOKEN to a valid one, or unset it (and remove the token file) for public models",
        said(reason)
    )]
    BadToken { endpoint: String, reason: String },
    /// No such branch, tag or commit.
    #[error(
        "the model '{id}' has no revision '{revision}'{}: give one of its branches, tags or commits, or leave it out for main",
        said(reason)
    )]
    NoRevision { id: String, revision: String, reason: String },
    /// Any other refusal.
    #[error("{endpoint} refuses '{what}' with status {status}{}", said(reason))]
    Refused { endpoint: String, what: String, status: u16, reason: String },
    /// Files that this program can't do without.
    #[error(
        "the model '{id}' at revision '{revision}' has no {missing}; it has: {}",
        listed(files)
    )]
    Unusable { id: String, revision: String, missing: String, files: Vec<String> },
    /// An index of weights that can't be followed.
    #[error("the model '{id}': {file} {problem}")]
    BadIndex { id: String, file: String, problem: String },
    /// No connection, or one that broke.
    #[error(
        "can't reach {endpoint} for '{what}': {problem}; check the connection, HF_ENDPOINT and the proxy"
    )]
    Unreachable { endpoint: String, what: String, problem: String },
    /// The hub has too much to do.
    #[error(
        "{endpoint} can't serve '{what}' now (status {status}{}{}): try again later",
        wish(wait),
        said(reason)
    )]
    Busy { endpoint: String, what: String, status: u16, wait: Option<Duration>, reason: String },
    /// An answer that isn't the hub's.
    #[error("{endpoint} answered for '{what}' with something unexpected: {problem}; is it a hub?")]
    BadAnswer { endpoint: String, what: String, problem: String },
    /// A download that broke too often.
    #[error(
        "the download of '{file}' broke off at {done} of {size} bytes ({problem}): start it again, it goes on there"
    )]
    Broken { file: String, done: u64, size: u64, problem: String },
    /// A file that isn't what the hub said, twice.
    #[error(
        "'{file}' came damaged twice: its {kind} is {found}, the hub says {expected}; it isn't kept. Try again later or over another connection"
    )]
    WrongSum { file: String, kind: &'static str, expected: String, found: String },
    /// The cache can't be written.
    #[error("can't write '{}': {error}; set HF_HUB_CACHE to a folder with enough room", path.display())]
    Unwritable { path: PathBuf, error: io::Error },
}

impl HubError {
    /// Whether the same request may succeed a little later.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. })
    }
}

fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" (it says: {reason})") }
}

fn wish(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!(", it wants {} s of waiting", wait.as_secs())).unwrap_or_default()
}

/// The first files of a repository; some have thousands.
fn listed(files: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<&str> = files.iter().take(SHOWN).map(String::as_str).collect();
    match files.len() {
        0 => "no files".to_owned(),
        count if count > SHOWN => format!("{} and {} more", shown.join(", "), count - SHOWN),
        _ => shown.join(", "),
    }
}
