//! `tracewright plan`

use std::process::ExitCode;

use serde_json::json;
use tracewright_sweep::Forecast;

use super::{pair, trace};
use crate::args::Plan;
use crate::console::{Console, count, grouped, table};
use crate::error::Failure;
use crate::session::Session;

pub(crate) fn run(plan: &Plan, session: &Session, console: &Console) -> Result<ExitCode, Failure> {
    let checkpoint = session.checkpoint(console)?;
    let memory = session.execution()?.memory;
    let (what, forecast) = match plan {
        Plan::Trace(args) => {
            let settings = trace::settings(args)?;
            let cases = trace::cases(args, &trace::facts(args)?)?;
            ("trace", Forecast::of_traces(&checkpoint, &settings, cases, memory)?)
        }
        Plan::Pair(args) => {
            let settings = pair::settings(args, checkpoint.architecture())?;
            let pairs = pair::pairs(args, checkpoint.tokenizer(), console)?;
            ("pair", Forecast::of_pairs(&checkpoint, &settings, pairs, memory)?)
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
        several => format!("ROME's {several} forward passes"),
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
                "{} at most, of the {} that a pass may take; the weights take {} beside them",
                mebibytes(forecast.peak_bytes),
                mebibytes(memory),
                mebibytes(forecast.weight_bytes)
            ),
        ),
        row("passes", grouped(passes as u64)),
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
