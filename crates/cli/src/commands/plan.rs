//! `tracewright plan`

use std::process::ExitCode;

use serde_json::json;
use tracewright_sweep::{Forecast, SweepFile};

use super::{pair_file, sweep, trace};
use crate::args::Plan;
use crate::console::{Console, count, grouped, table};
use crate::error::Failure;
use crate::session::Session;

pub(crate) fn run(plan: &Plan, session: &Session, console: &Console) -> Result<ExitCode, Failure> {
    if matches!(plan, Plan::Pair(args) if args.all_cached) {
        let problem = "a plan is of one model: leave --all-cached out, and name it with --model";
        return Err(Failure::Usage(problem.to_owned()));
    }
    let given = session.model().map(str::to_owned);
    let (file, session) = match plan {
        Plan::Trace(args) => {
            (SweepFile::Trace(Box::new(trace::file(args, given)?)), session.clone())
        }
        Plan::Pair(args) => {
            (SweepFile::Pair(Box::new(pair_file::file(args, given)?)), session.clone())
        }
        Plan::Sweep(args) => sweep::read(args, session)?,
    };
    let model = match &file {
        SweepFile::Trace(file) => file.model.as_deref(),
        SweepFile::Pair(file) => file.model.as_deref(),
    };
    let checkpoint = session.placed(session.checkpoint(model, false, console)?)?;
    let memory = session.execution()?.memory;
    let (what, forecast) = match file {
        SweepFile::Trace(file) => {
            let (_, cases) = trace::cases(&file)?;
            let cases = (cases, file.bad());
            ("trace", Forecast::of_traces(&checkpoint, &file.settings, cases, memory)?)
        }
        SweepFile::Pair(file) => {
            let cases = (file.all_cases()?.0, file.bad());
            ("pair", Forecast::of_pairs(&checkpoint, &file.settings, cases, memory)?)
        }
    };
    console.answer(&describe(what, checkpoint.name(), &forecast, memory))?;
    console.json(&json!(forecast))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(what: &str, model: &str, forecast: &Forecast, memory: u64) -> String {
    let Forecast { cases, cells, variants, variants_computed, passes, rows, flops, .. } = *forecast;
    let times = |ours: u64, theirs: u64| theirs as f64 / ours.max(1) as f64;
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let same = variants.saturating_sub(variants_computed);
    let (rows_alone, flops_alone) = (forecast.rows_cell_by_cell, forecast.flops_cell_by_cell);
    let forwards = match forecast.forwards_per_cell {
        0 | 1 => "a forward pass".to_owned(),
        several if what == "trace" => format!("ROME's {several} forward passes"),
        several => format!("{several} forward passes"),
    };
    let lines = [
        row(
            "cells",
            format!(
                "{} in {}, {} variants",
                grouped(cells as u64),
                count(cases, "case"),
                grouped(variants as u64)
            ),
        ),
        row(
            "computed",
            format!(
                "{} variants; {} equal their base or another one",
                grouped(variants_computed as u64),
                grouped(same as u64)
            ),
        ),
        row(
            "rows",
            format!(
                "{} through a layer, for {} with {forwards} for each cell ({:.1} times fewer)",
                grouped(rows),
                grouped(rows_alone),
                times(rows, rows_alone)
            ),
        ),
        row(
            "operations",
            format!(
                "{}, for {} with {forwards} for each cell ({:.1} times fewer); and {} in the attentions themselves",
                operations(flops),
                operations(flops_alone),
                times(flops, flops_alone),
                operations(forecast.attention_flops)
            ),
        ),
        row(
            "memory",
            format!(
                "{} at most, of the {} that a pass may take",
                mebibytes(forecast.peak_bytes),
                mebibytes(memory)
            ),
        ),
        row(
            "weights",
            format!(
                "{} beside that; streamed {}, and every pass reads {} of their files",
                mebibytes(forecast.weight_bytes),
                mebibytes(forecast.streamed_weight_bytes),
                mebibytes(forecast.read_bytes_per_pass)
            ),
        ),
        row(
            "passes",
            format!(
                "{} in {} of work; and a first look at what the model says, {}",
                grouped(passes as u64),
                count(forecast.units, "unit"),
                operations(forecast.first_look.flops)
            ),
        ),
    ];
    format!("plan of {what} on {model}; nothing is computed\n\n{}", table(&lines))
}

fn operations(flops: u64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP")];
    let flops = flops as f64;
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| flops >= *unit).unwrap_or(UNITS[2]);
    format!("{:.3} {name}", flops / unit)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", grouped(bytes.div_ceil(1 << 20)))
}
