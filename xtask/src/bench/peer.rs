//! A peer: a Python program from `xtask/bench` that answers line by line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::THREADS;
use super::side::Measured;
use crate::python;

/// A running peer, its model loaded.
pub(super) struct Peer {
    /// The versions of what it is made of.
    pub(super) versions: BTreeMap<String, String>,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    log: PathBuf,
}

#[derive(Deserialize)]
struct Ready {
    versions: BTreeMap<String, String>,
    threads: usize,
}

#[derive(Deserialize)]
struct Answer {
    base: f64,
    cells: f64,
    values: Vec<f64>,
}

impl Peer {
    /// Starts a script of `xtask/bench` with its job; what it logs goes into the folder `logs`.
    ///
    /// # Errors
    ///
    /// A peer that can't be started or doesn't get as far as having its model.
    pub(super) fn start(python: &Path, script: &str, mut job: Value, logs: &Path) -> Result<Self> {
        job["threads"] = THREADS.into();
        let path = python::scripts("bench").join(script);
        let log = logs.join(script).with_extension("log");
        let errors = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let mut command = Command::new(python);
        command.arg("-B").arg(&path).arg(job.to_string());
        // Models come from folders: nobody is asked over the network. No progress bars.
        command.envs([("HF_HUB_OFFLINE", "1"), ("TQDM_DISABLE", "1")]);
        command.env("OMP_NUM_THREADS", THREADS.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let starting = || format!("starting {}", path.display());
        let mut child = command.spawn().with_context(starting)?;
        let questions = child.stdin.take().with_context(starting)?;
        let answers = BufReader::new(child.stdout.take().with_context(starting)?);
        let mut peer = Self { versions: BTreeMap::new(), child, questions, answers, log };
        let Ready { versions, threads } = peer.read()?;
        ensure!(threads == THREADS, "{script} has {threads} threads instead of {THREADS}");
        peer.versions = versions;
        Ok(peer)
    }

    /// One measurement of the cells that a message lists.
    ///
    /// # Errors
    ///
    /// A peer that failed: the file that the error names says why.
    pub(super) fn ask(&mut self, cells: &Value) -> Result<Measured> {
        writeln!(self.questions, "{cells}").with_context(|| self.failed())?;
        let Answer { base, cells, values } = self.read()?;
        Ok(Measured { base, cells, values })
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line).with_context(|| self.failed())?;
        serde_json::from_str(&line).with_context(|| self.failed())
    }

    fn failed(&self) -> String {
        format!("a peer gave no answer: see {}", self.log.display())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to be done about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
