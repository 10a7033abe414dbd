//! Published work, done again by name: its figures and numbers beside ours.
//!
//! A reproduction is a folder of `xtask/reproduce`: `reproduction.toml` says what was published, what is read off
//! our tables and what is claimed; each `sweep*.toml` is an experiment on the built-in model, each `published*.toml` one
//! on the published model, where its prompts are others; `expected.json` holds what PyTorch gets on the built-in model
//! (`expect.py`).

mod file;
mod page;
mod query;
mod verdict;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tracewright_sweep::SweepFile;

use crate::python;
use file::Reproduction;
use query::Tables;
use verdict::Outcome;

/// What to reproduce.
#[derive(Clone, Debug)]
pub struct Options {
    /// The names; all where there are none.
    pub names: Vec<String>,
    /// The model; the built-in one where there is none.
    pub model: Option<String>,
    /// Further flags of the program, such as `--device`.
    pub flags: Vec<String>,
    /// Where the pages go.
    pub pages: PathBuf,
}

/// The names of all reproductions, in order.
///
/// # Errors
///
/// A folder that can't be read.
pub fn names() -> Result<Vec<String>> {
    let folder = python::scripts("reproduce");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let folders = entries.flatten().filter(|entry| entry.path().join(file::NAME).exists());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// What a reproduction's folder lacks or has too much: sweep files that can't be read, quantities of which PyTorch
/// hasn't been asked or that occur twice, claims of things that aren't quantities, pages that are missing.
///
/// # Errors
///
/// A file that can't be read.
pub fn problems(name: &str) -> Result<Vec<String>> {
    let folder = python::scripts("reproduce").join(name);
    let reproduction = Reproduction::read(&folder)?;
    let mut problems = reproduction.problems(&verdict::arrays(&folder.join("expected.json"))?);
    for published in [false, true] {
        for sweep in file::sweeps(&folder, published)?.values() {
            if let Err(error) = SweepFile::read(sweep) {
                problems.push(format!("{}: {error}", sweep.display()));
            }
        }
    }
    let page = crate::root().join("docs/reproduce").join(format!("{name}.md"));
    if !page.exists() {
        problems.push(format!("{} is missing", page.display()));
    }
    Ok(problems)
}

/// Makes `expected.json` of the reproductions anew, with PyTorch in .venv/golden.
///
/// # Errors
///
/// A name that there isn't, no Python, and packages that can't be installed.
pub fn expect(names: &[String]) -> Result<()> {
    let names = chosen(names)?;
    let python = python::environment("golden")?;
    let script = python::scripts("reproduce").join("expect.py");
    python::run(&python, [script.as_os_str()].into_iter().chain(names.iter().map(OsStr::new)))
}

/// Runs reproductions with the program, writes their pages, and says whether everything is as expected.
///
/// # Errors
///
/// A name that there isn't, a sweep that fails, a file that can't be written.
pub fn run(program: &Path, options: &Options, say: &mut dyn FnMut(&str)) -> Result<bool> {
    fs::create_dir_all(&options.pages).with_context(|| options.pages.display().to_string())?;
    let mut outcomes = BTreeMap::new();
    for name in chosen(&options.names)? {
        let started = Instant::now();
        let outcome = reproduce(program, &name, options).with_context(|| name.clone())?;
        let seconds = started.elapsed().as_secs_f64();
        say(&format!("{name}: {} ({seconds:.1} s)", outcome.words()));
        outcome.problems().iter().for_each(|problem| say(&format!("  {problem}")));
        outcomes.insert(name, outcome);
    }
    if options.names.is_empty() {
        page::index(&options.pages, &outcomes)?;
    }
    Ok(outcomes.values().all(Outcome::is_reproduced))
}

fn chosen(given: &[String]) -> Result<Vec<String>> {
    let names = names()?;
    if let Some(unknown) = given.iter().find(|name| !names.contains(name)) {
        bail!("there is no reproduction called '{unknown}'; there are {}", names.join(", "));
    }
    Ok(if given.is_empty() { names } else { given.to_vec() })
}

/// Runs one and writes its page.
fn reproduce(program: &Path, name: &str, options: &Options) -> Result<Outcome> {
    let folder = python::scripts("reproduce").join(name);
    let reproduction = Reproduction::read(&folder)?;
    let results = crate::root().join("target/reproduce").join(match &options.model {
        Some(model) => format!("{name}-{}", model.replace('/', "--")),
        None => name.to_owned(),
    });
    let mut flags = options.flags.clone();
    if let Some(model) = &options.model {
        flags.extend(["--model".to_owned(), model.clone()]);
        flags.extend(reproduction.flags.clone());
    } else if results.exists() {
        // What is there may be of other settings or another build; with weights that take hours it goes on.
        fs::remove_dir_all(&results).with_context(|| results.display().to_string())?;
    }
    let sweeps = file::sweeps(&folder, options.model.is_some())?;
    for (stem, sweep) in &sweeps {
        sweep_and_report(program, sweep, &results.join(stem), &flags)?;
    }
    let tables = Tables::read(sweeps.keys().map(|stem| results.join(stem)))?;
    let outcome = match options.model {
        None => Outcome::beside_pytorch(reproduction, &tables, &folder)?,
        Some(_) => Outcome::beside_published(reproduction, &tables, &folder)?,
    };
    page::write(&options.pages, name, &outcome, (&results, options.model.as_deref()))?;
    Ok(outcome)
}

/// Runs the program on a sweep file, from the root, and lets it draw what the results say together.
fn sweep_and_report(program: &Path, sweep: &Path, out: &Path, flags: &[String]) -> Result<()> {
    let quiet = |words: &[&OsStr]| -> Vec<OsString> {
        words.iter().map(|word| OsString::from(*word)).chain(["--quiet".into()]).collect()
    };
    let mut words =
        quiet(&["sweep".as_ref(), sweep.as_os_str(), "--out".as_ref(), out.as_os_str()]);
    words.extend(flags.iter().map(OsString::from));
    for words in [words, quiet(&["report".as_ref(), out.as_os_str()])] {
        let mut command = Command::new(program);
        command.args(words).current_dir(crate::root()).stdout(Stdio::null());
        let ran = command.status().with_context(|| format!("{command:?}"))?;
        ensure!(ran.success(), "{command:?} failed ({ran})");
    }
    Ok(())
}
