//! Where an experiment's results go.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tracewright_results::{Mirror, RunFile, SHARD, differences};
use tracewright_sweep::Job;

use crate::args::FolderArgs;
use crate::console::{Console, count};
use crate::error::Failure;
use crate::session::Session;

/// Where an experiment's results are to go.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) folder: &'a FolderArgs,
    /// What is on record of the run that is run again.
    pub(crate) recorded: Option<&'a RunFile>,
}

impl Target<'_> {
    /// A job's part that is asked for.
    ///
    /// # Errors
    ///
    /// A run that isn't the recorded one any more.
    pub(crate) fn part<'a>(&self, session: &Session, job: Job<'a>) -> Result<Job<'a>, Failure> {
        let shard = self.folder.shard()?;
        session.check_shard(shard)?;
        let Some(recorded) = self.recorded else { return Ok(job.shard(shard)) };
        // Another shard of the same run is another part of it.
        let mut request = recorded.request.clone();
        if let Some(fields) = request.as_object_mut() {
            fields.shift_remove(SHARD);
        }
        let differences = differences(&request, &job.request());
        match differences.is_empty() {
            true => Ok(job.shard(shard)),
            false => Err(Failure::Usage(format!(
                "this isn't the run on record any more, because the model or a file has changed; what \
                 differs:\n{differences}"
            ))),
        }
    }

    /// The results folder of a job; `what` is a prompt, or whatever a person knows the request by.
    ///
    /// # Errors
    ///
    /// An address that no store has.
    pub(crate) fn of(
        &self,
        job: &Job<'_>,
        command: &str,
        what: &str,
    ) -> Result<Destination, Failure> {
        let Some(out) = &self.folder.out else {
            let folder = default_folder(command, what, &job.request());
            return Ok(Destination { folder, mirror: None });
        };
        Destination::at(out)
    }
}

/// A results folder, and the object store that is kept equal to it.
pub(crate) struct Destination {
    pub(crate) folder: PathBuf,
    pub(crate) mirror: Option<Mirror>,
}

impl Destination {
    /// A folder, or an address in an object store with a folder for its copy.
    ///
    /// # Errors
    ///
    /// An address that no store has.
    pub(crate) fn at(given: &Path) -> Result<Self, Failure> {
        let Some(address) = given.to_str().filter(|given| given.contains("://")) else {
            return Ok(Self { folder: given.to_owned(), mirror: None });
        };
        let mirror = Mirror::open(address)?;
        let folder = default_folder("store", mirror.url(), &mirror.url().into());
        Ok(Self { folder, mirror: Some(mirror) })
    }

    /// What the store has comes into the folder.
    pub(crate) fn fetch(&self, console: &Console) -> Result<(), Failure> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        match mirror.fetch(&self.folder)? {
            0 => Ok(()),
            parts => {
                console.explain(&format!("{} fetched from {}", count(parts, "part"), mirror.url()))
            }
        }
    }

    /// What was made goes into the store.
    pub(crate) fn store(&self, files: &[PathBuf]) -> Result<(), Failure> {
        match &self.mirror {
            Some(mirror) => Ok(mirror.finish(&self.folder, files)?),
            None => Ok(()),
        }
    }

    /// Where a person finds the results.
    pub(crate) fn shown(&self) -> String {
        match &self.mirror {
            Some(mirror) => format!("{} (and in {})", mirror.url(), self.folder.display()),
            None => self.folder.display().to_string(),
        }
    }
}

/// A folder of its own for each request, so that the same command goes on where it was and
/// another one is never refused. `what` is a prompt, or whatever a person knows the request by.
pub(crate) fn default_folder(command: &str, what: &str, request: &Value) -> PathBuf {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = what.chars().take(40).map(word).collect();
    let digest = Sha256::digest(request.to_string());
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from("runs").join(format!("{command}-{}-{digest}", slug.trim_matches('-')))
}
