//! `cargo xtask memory`: what a large trace takes in memory, and what a small budget costs in time.
//!
//! ROME's protocol on 30 tokens, ten samples, three kinds, on GPT-2 small's shape with random
//! weights, run by the program itself.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::bench;
use crate::python;

const BUDGETS: [&str; 2] = ["768MiB", "256MiB"];

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// What one trace took.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// What `--memory` said.
    pub budget: &'static str,
    /// Passes of the plan.
    pub passes: u64,
    /// The plan's bytes in tensors.
    pub planned: u64,
    /// The weights' bytes.
    pub weights: u64,
    /// The most that was resident, mapped files apart.
    pub resident: u64,
    /// Seconds of computing.
    pub seconds: f64,
}

/// Traces once with each budget.
///
/// # Errors
///
/// No Python for the model's weights, a build or trace that fails, and a system without `/proc`.
pub fn footprints(say: &mut dyn FnMut(&str)) -> Result<Vec<Footprint>> {
    let folder = crate::root().join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let model = bench::checkpoint(&python::environment("bench")?, &folder)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    python::run(
        Path::new(&cargo),
        ["build", "--release", "--bin", "tracewright"].map(str::as_ref),
    )?;
    let trace = |budget: &&'static str| {
        say(budget);
        footprint(&model, budget)
    };
    BUDGETS.iter().map(trace).collect()
}

fn footprint(model: &Path, budget: &'static str) -> Result<Footprint> {
    let plan = finish(command(&["plan", "trace"], model, budget))?.json;
    let out = crate::root().join("target/bench/memory");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("removing {}", out.display()))?;
    }
    let mut trace = command(&["trace"], model, budget);
    let Finished { json: done, resident, .. } = finish(trace.arg("--out").arg(&out))?;
    Ok(Footprint {
        budget,
        passes: number(&plan["passes"])? as u64,
        planned: number(&plan["peak_bytes"])? as u64,
        weights: number(&plan["weight_bytes"])? as u64,
        resident,
        seconds: number(&done["cost"]["seconds"])?,
    })
}

fn command(verbs: &[&str], model: &Path, budget: &str) -> Command {
    let words = |range: std::ops::RangeInclusive<u32>| {
        range.map(|word| format!("t{word}")).collect::<Vec<_>>().join(" ")
    };
    let mut command = Command::new(crate::root().join("target/release/tracewright"));
    command.args(verbs).arg("--model").arg(model);
    command.args(["--prompt", &words(101..=130), "--subject", &words(109..=111)]);
    command.args(["--noise", "0.06", "--json", "--quiet", "--memory", budget]);
    command
}

/// A number of the program's JSON.
pub(crate) fn number(of: &Value) -> Result<f64> {
    of.as_f64().context("a number is missing in the program's JSON")
}

/// A program that has run.
pub(crate) struct Finished {
    pub(crate) json: Value,
    /// The most bytes that were resident, mapped files apart.
    pub(crate) resident: u64,
    /// The bytes that were read from the disk, not from the page cache.
    pub(crate) from_disk: u64,
}

/// Runs a program to its end.
pub(crate) fn finish(mut command: impl std::borrow::BorrowMut<Command>) -> Result<Finished> {
    let command = command.borrow_mut();
    let mut child =
        command.stdout(Stdio::piped()).spawn().context("the program can't be started")?;
    let [status, io] = ["status", "io"].map(|file| format!("/proc/{}/{file}", child.id()));
    let (mut most, mut from_disk) = (0, 0);
    while child.try_wait()?.is_none() {
        // Gone between two looks is no error.
        let lines = fs::read_to_string(&status).unwrap_or_default();
        let anonymous = lines.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = anonymous.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) << 10);
        let lines = fs::read_to_string(&io).unwrap_or_default();
        let read = lines.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok());
        from_disk = from_disk.max(read.unwrap_or(0));
        std::thread::sleep(EVERY);
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{command:?} failed ({})", output.status);
    let json = serde_json::from_slice(&output.stdout)?;
    Ok(Finished { json, resident: most, from_disk })
}

/// A line for each budget.
pub fn table(footprints: &[Footprint]) -> String {
    let mut text =
        String::from("budget    passes  planned  resident, weights apart  seconds  speed\n");
    let fastest = footprints.iter().map(|one| one.seconds).fold(f64::INFINITY, f64::min);
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    for one in footprints {
        let apart = one.resident.saturating_sub(one.weights);
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{:8} {:>7} {:>8} {:>23} {:>8.1} {:>4.0} %",
            one.budget,
            one.passes,
            mib(one.planned),
            mib(apart),
            one.seconds,
            100.0 * fastest / one.seconds
        );
    }
    text
}
