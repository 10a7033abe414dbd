//! What a measurement was made on.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use super::THREADS;

/// The machine and the versions of everything that was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Threads on both sides.
    pub threads: usize,
    /// By package.
    pub versions: BTreeMap<String, String>,
}

impl Machine {
    /// This machine, with the versions of our side.
    pub(super) fn here() -> Result<Self> {
        let cpus = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(cpus);
        let processor = system.cpus().first().map_or("", |cpu| cpu.brand()).to_owned();
        let versions = [
            ("tracewright".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("burn".to_owned(), burn_version()?),
        ];
        Ok(Self { processor, threads: THREADS, versions: versions.into() })
    }
}

/// The version in `Cargo.lock`.
fn burn_version() -> Result<String> {
    let path = crate::root().join("Cargo.lock");
    let lock = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let after = lock.split_once("\nname = \"burn\"\nversion = \"").context("burn isn't locked")?.1;
    Ok(after.split('"').next().unwrap_or_default().to_owned())
}
