//! Chores of the workspace, run as `cargo xtask …`.
//!
//! [`golden`] compares Tracewright's numbers with those that PyTorch gave; [`mod@bench`] its times
//! with those of others.

use std::path::{Path, PathBuf};

pub mod bench;
pub mod clients;
pub mod fixtures;
pub mod footprint;
pub mod golden;
mod python;
pub mod reproduce;
pub mod reference;
pub mod stream;
pub mod sweep;
mod synthetic;

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
