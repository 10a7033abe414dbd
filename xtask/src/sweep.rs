//! How much a sweep of many facts takes beside its passes, and how its memory grows.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tracewright_engine::{Execution, execute, predict, silent};
use tracewright_models::{Checkpoint, DeviceName, Model};
use tracewright_results::load;
use tracewright_sweep::{
    BadRecords, Case, Facts, Job, Resources, Settings, resolve_noise, trace_sweep,
};

/// Facts whose passes are also measured by themselves, and how often.
const FACTS: usize = 20;
const ROUNDS: usize = 3;

/// Measures the built-in model on ROME's known facts, all three kinds, and gives what was found as a table.
///
/// # Errors
///
/// A folder that can't be written, and facts that can't be traced.
pub fn measure(facts: usize, say: &mut dyn FnMut(&str)) -> Result<String> {
    let model = Checkpoint::built_in()?.load(DeviceName::Cpu)?;
    let mut table = String::new();
    let mut shares = Vec::new();
    for round in 1..=ROUNDS {
        let passes = passes(&model)?;
        let one = sweep(&[&model], FACTS, &mut |_, _| {})?;
        let two = sweep(&[&model, &model], FACTS, &mut |_, _| {})?;
        shares.push([one.rate() / passes.rate(), two.rate() / passes.rate()]);
        let line = format!(
            "{FACTS} facts, round {round}, GFLOP/s: passes alone {:.1}, a sweep of one pass at a time {:.1}, of two {:.1}",
            passes.rate(),
            one.rate(),
            two.rate()
        );
        say(&line);
        writeln!(table, "{line}")?;
    }
    let median = |which: usize| {
        let mut shares: Vec<f64> =
            shares.iter().map(|share: &[f64; 2]| 100.0 * share[which]).collect();
        shares.sort_by(f64::total_cmp);
        shares[ROUNDS / 2]
    };
    writeln!(
        table,
        "medians: a sweep has {:.1} % of its passes' rate with one pass at a time, {:.1} % with two",
        median(0),
        median(1)
    )?;
    let mut told = 0;
    let mut memory = String::new();
    let whole = sweep(&[&model, &model], facts, &mut |cases, bytes| {
        if cases >= told {
            told = cases + facts.div_ceil(12);
            let mebibytes = bytes as f64 / f64::from(1 << 20);
            say(&format!("{cases} facts: {mebibytes:.0} MiB"));
            let _ = writeln!(memory, "  after {cases} facts {mebibytes:.0} MiB");
        }
    })?;
    writeln!(
        table,
        "{facts} facts: {:.0} s, {:.1} TFLOP, {:.1} GFLOP/s; memory of the process:\n{memory}",
        whole.seconds,
        whole.flops as f64 / 1e12,
        whole.rate()
    )?;
    Ok(table)
}

struct Measured {
    seconds: f64,
    flops: u64,
}

impl Measured {
    fn rate(&self) -> f64 {
        self.flops as f64 / self.seconds / 1e9
    }
}

fn cases(
    model: &Model,
    settings: &Settings,
    limit: usize,
) -> Result<(Vec<Case>, tracewright_corruption::Noise)> {
    let facts = Facts::built_in()?;
    let noise = resolve_noise(&settings.noise, model, &facts.subjects(), None)?;
    Ok((facts.select(&[], Some(limit))?, noise))
}

/// The passes of some facts, one after the other, and nothing else: neither files nor tables.
fn passes(model: &Model) -> Result<Measured> {
    let settings = Settings::default();
    let (cases, noise) = cases(model, &settings, FACTS)?;
    let mut sweeps = Vec::new();
    for case in cases {
        let fed = case.feed(&model.tokenizer)?;
        let said = predict(&model.decoder, &fed.tokens, 1)?;
        let said = said.first().context("no prediction")?;
        let text = model.tokenizer.text(said.id);
        if fed.case.expected.as_deref().is_none_or(|expected| expected == text.trim()) {
            sweeps.push(trace_sweep(&fed, said.id, model.architecture(), &settings, &noise)?);
        }
    }
    let started = Instant::now();
    let mut flops = 0;
    for sweep in &sweeps {
        let outcome = execute(&model.decoder, &sweep.request, &execution(), &mut silent)?;
        flops += outcome.cost.flops;
    }
    Ok(Measured { seconds: started.elapsed().as_secs_f64(), flops })
}

fn execution() -> Execution {
    Execution::default()
}

/// A sweep of the first facts into a folder; `watch` is told how many are done and what memory the process has.
fn sweep(models: &[&Model], facts: usize, watch: &mut dyn FnMut(usize, u64)) -> Result<Measured> {
    let settings = Settings::default();
    let model = models[0];
    let (cases, noise) = cases(model, &settings, facts)?;
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let started = Instant::now();
    let job = Job::traces(model, settings, noise, (cases, BadRecords::Refuse))?;
    let execution = execution();
    let environment = json!({ "memory": execution.memory, "executor": execution.executor });
    let resources = Resources {
        models,
        execution: &execution,
        environment: &environment,
        loaded: Duration::ZERO,
        mirror: None,
    };
    job.run(folder.path(), resources, &mut |standing| {
        watch(standing.cases, resident());
        ControlFlow::Continue(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let cost = load(folder.path())?.cost.unwrap_or_default();
    Ok(Measured { seconds, flops: cost["flops"].as_u64().unwrap_or(0) })
}

/// The memory that the process has, in bytes; 0 where the system doesn't tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
