//! What can go wrong between a results folder and the object store that mirrors it.

use std::fmt;
use std::path::PathBuf;

/// An error of an object store. Addresses and messages hold no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address names no store that can hold results.
    #[error(
        "{url} isn't an address for results: {problem}. Give s3://BUCKET/PATH, file:///PATH or \
         the path of a local folder"
    )]
    Address {
        /// The address, without user, query and fragment.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting from the environment can't be used.
    #[error("{url} can't be opened with the AWS_ variables of the environment: {problem}")]
    Settings {
        /// The address.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// This build has no object stores.
    #[error(
        "this program was built without object stores, so {url} can't be used: build it with \
         `--features object-store`, or give a local folder"
    )]
    NotBuilt {
        /// The address.
        url: String,
    },
    /// Something else is stored there.
    #[error(
        "{url} holds objects but no run.json (for example {found}), so it doesn't hold results: \
         choose another path, or an empty one"
    )]
    NotOurs {
        /// The address.
        url: String,
        /// The name of one object below it.
        found: String,
    },
    /// The store and the folder hold finished passes of two sweeps.
    #[error(
        "{url} and {} hold two sweeps that were begun apart; what differs:\n{differences}\nRemove \
         that folder to go on with what is stored, or choose another path for the new results",
        .path.display()
    )]
    BegunApart {
        /// The address.
        url: String,
        /// The local folder.
        path: PathBuf,
        /// One line for each difference: JSON path, stored and local value.
        differences: String,
    },
    /// The store refused, failed or didn't answer.
    #[error(
        "{url}: {failure} ({said}). {}. Every finished pass is kept in {}: give the same command \
         again to go on", .failure.advice(), .path.display()
    )]
    Failed {
        /// The address.
        url: String,
        /// The local folder, which is complete.
        path: PathBuf,
        /// What it was.
        failure: StoreFailure,
        /// The store's words, or the operating system's.
        said: String,
    },
}

/// Why a store couldn't be read or written, by what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFailure {
    /// No such bucket, or an object that has just been removed.
    Missing,
    /// Keys are wrong, or not allowed to do this.
    Refused,
    /// No keys are given, and the machine has none of its own.
    NoKeys,
    /// No connection, or one that broke off; after several attempts.
    Unreachable,
    /// Anything else.
    Other,
}

impl StoreFailure {
    fn advice(self) -> &'static str {
        match self {
            Self::Missing => "Make the bucket, or correct the address",
            Self::Refused => {
                "Check the keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), \
                 the region (AWS_REGION), and that they may list, read and write there"
            }
            Self::NoKeys => {
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN where \
                 there is one); the files of ~/.aws aren't read"
            }
            Self::Unreachable => {
                "Check the network and the endpoint (AWS_ENDPOINT_URL; one with http:// also \
                 needs AWS_ALLOW_HTTP=true)"
            }
            Self::Other => "If it stays so, ask those who run the store",
        }
    }
}

impl fmt::Display for StoreFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no such bucket or object",
            Self::Refused => "the store refuses access",
            Self::NoKeys => "there are no keys for the store",
            Self::Unreachable => "the store can't be reached",
            Self::Other => "the store failed",
        })
    }
}
