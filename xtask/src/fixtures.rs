//! `cargo xtask fixtures`: the checkpoints that tests and comparisons use.
//!
//! The small random ones are made by scripts with pinned packages, the quantised ones by MLX itself. Real
//! ones are downloaded where there is a network, each at a pinned revision and compared with a pinned sum.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracewright_engine::predict;
use tracewright_models::hub::Hub;
use tracewright_models::{Checkpoint, DeviceName};

use crate::python;

const SCRIPTS: [&str; 4] = ["tiny.py", "families.py", "quantised.py", "chat_templates.py"];

const PROMPT: &str = "The capital of France is";

/// A checkpoint of the hub.
#[derive(Deserialize)]
struct Real {
    model: String,
    revision: String,
    /// The SHA-256 of its weights, by file.
    files: BTreeMap<String, String>,
}

/// Makes the small checkpoints in `fixtures/`, with their golden files.
///
/// # Errors
///
/// No Python, packages that can't be installed, a script that fails.
pub fn make() -> Result<()> {
    let python = python::environment("golden")?;
    for script in SCRIPTS {
        let script = python::scripts("golden").join(script);
        python::run(&python, ["-B".as_ref(), script.as_os_str()])?;
    }
    Ok(())
}

/// Downloads the real checkpoints of `xtask/real_checkpoints.json` into the hub's cache, those alone whose names
/// begin with one of `only` where that isn't empty. A line for each: what it says, or why it can't be had.
///
/// # Errors
///
/// A list that can't be read.
pub fn download(only: &[String], say: &mut dyn FnMut(&str)) -> Result<(String, bool)> {
    let list = crate::root().join("xtask/real_checkpoints.json");
    let list = File::open(&list).with_context(|| format!("reading {}", list.display()))?;
    let list: Vec<Real> = serde_json::from_reader(BufReader::new(list))?;
    let wanted = |real: &&Real| {
        only.is_empty() || only.iter().any(|name| real.model.starts_with(name.as_str()))
    };
    let (mut text, mut whole) = (String::new(), true);
    for real in list.iter().filter(wanted) {
        say(&real.model);
        let found = checked(real);
        whole &= found.is_ok();
        let line = found.unwrap_or_else(|error| format!("can't be used: {error:#}"));
        // Writing to a string can't fail.
        let _ = writeln!(text, "{:42} {line}", real.model);
    }
    Ok((text, whole))
}

/// Fetches a checkpoint, compares its weights with their sums, and asks it something.
fn checked(real: &Real) -> Result<String> {
    let folder = Hub::from_env().snapshot(&real.model, Some(&real.revision), &|_| {})?;
    for (file, sum) in &real.files {
        let found = sha256(&folder.join(file))?;
        ensure!(found == *sum, "{file} has the SHA-256 {found}, pinned is {sum}");
    }
    let model = Checkpoint::open(&folder)?.streamed(true).load(DeviceName::Cpu)?;
    let said = predict(&model.decoder, &model.tokenizer.prompt(PROMPT)?, 1)?;
    let said = said.first().context("no token")?;
    Ok(format!("{PROMPT}{} ({:.3})", model.tokenizer.text(said.id), said.prob))
}

fn sha256(path: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    let mut file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut piece = vec![0; 4 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => digest.update(&piece[..read]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_real_checkpoint_is_pinned_by_a_commit_and_sums() {
        let list = include_str!("../real_checkpoints.json");
        let list: Vec<Real> = serde_json::from_str(list).expect("the list");
        let is_hex = |text: &str, digits| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        assert!(list.len() > 10);
        for Real { model, revision, files } in list {
            assert!(is_hex(&revision, 40) && !files.is_empty(), "{model}");
            assert!(files.values().all(|sum| is_hex(sum, 64)), "{model}");
        }
    }
}
