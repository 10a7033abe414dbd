//! What commands that fill a results folder have in common.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracewright_report::Figure;
use tracewright_results::{FailedCase, differences, write_whole};
use tracewright_sweep::dataset::Bad;
use tracewright_sweep::{Done, Job, Resources, Skipped};

use super::target::Destination;
use crate::console::{Console, count};
use crate::error::Failure;
use crate::interrupt::{self, Sweeping};
use crate::progress::Progress;
use crate::session::{Models, Session};

/// Runs a job and shows how far it is. What is damaged, resumed, left over or failed is told.
pub(crate) fn compute(
    job: &Job<'_>,
    to: &Destination,
    (session, loaded): (&Session, Duration),
    (given, bad): (Value, &[Bad]),
    models: &Models,
    console: &Console,
) -> Result<Done, Failure> {
    let folder = to.folder.as_path();
    to.fetch(console)?;
    let execution = session.execution_in(folder)?;
    let mut environment = session.environment(&models.first, &execution, console)?;
    environment["given"] = given;
    let skipped: Vec<Skipped> =
        bad.iter().map(Skipped::from).chain(job.skipped().iter().cloned()).collect();
    if !skipped.is_empty() {
        environment["skipped"] = json!(skipped);
        environment["given"]["skip_bad"] = true.into();
    }
    warn(job, &skipped, console);
    let resources = Resources {
        models: &models.all(),
        execution: &execution,
        environment: &environment,
        loaded,
        mirror: to.mirror.as_ref(),
    };
    let sweeping = Sweeping::begin();
    let mut progress = Progress::new(console);
    let done = job.run(folder, resources, &mut |standing| {
        progress.show(standing);
        match interrupt::came() {
            true => {
                progress.stopping();
                ControlFlow::Break(())
            }
            false => ControlFlow::Continue(()),
        }
    });
    progress.finish();
    drop(sweeping);
    let done = done?;
    for part in &done.damaged {
        console.warn(&format!("'{}' was damaged; its case was computed again", part.display()));
    }
    if done.resumed > 0 {
        console.explain(&format!(
            "{} of the cases finished already in {}",
            done.resumed,
            folder.display()
        ))?;
    }
    let differences = differences(&done.environment, &environment);
    if !differences.is_empty() && done.resumed < done.cases {
        console.warn(&format!(
            "{} was started in another environment, which stays on record; what differs:\n\
             {differences}",
            folder.display()
        ));
    }
    if let Some(problem) = &done.not_stored {
        console.warn(&format!("{problem}; it is tried again at the end"));
    }
    match interrupt::came() && done.left > 0 {
        true => {
            to.store(&done.files)?;
            Err(Failure::Interrupted {
                folder: folder.to_owned(),
                done: done.cases,
                left: done.left,
            })
        }
        false => Ok(done),
    }
}

/// Tells which cases have failed, and gives the exit code.
pub(crate) fn ended(failed: &[FailedCase], done: &Done, console: &Console) -> ExitCode {
    for FailedCase { case, reason } in failed {
        console.warn(&format!("case {case} failed: {reason}"));
    }
    if done.left > 0 {
        console.warn(&format!(
            "{} left over because a device failed: give the same command again to go on",
            count(done.left, "case")
        ));
    }
    if failed.is_empty() && done.left == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Tells what is odd about a job; of many cases with the same flaw a few are enough.
fn warn(job: &Job<'_>, skipped: &[Skipped], console: &Console) {
    const MOST: usize = 8;
    let skipped =
        skipped.iter().map(|Skipped { record, reason }| format!("skipped {record}: {reason}"));
    let warnings = job.warnings();
    let odd = warnings.iter().map(ToString::to_string);
    for warnings in [skipped.collect::<Vec<_>>(), odd.collect()] {
        warnings.iter().take(MOST).for_each(|warning| console.warn(warning));
        if warnings.len() > MOST {
            console.warn(&format!("… and {} more of this kind", warnings.len() - MOST));
        }
    }
}

/// The tables and files of a folder, in words.
pub(crate) fn listed(done: &Done, cases: &str) -> String {
    let averages = done.files.iter().any(|file| file.ends_with("averages.parquet"));
    let averages = if averages { "averages.parquet, " } else { "" };
    format!("cells.parquet, {averages}{cases}, run.json")
}

/// How long it took to load the model, to compute, and all in all, and how much memory.
pub(crate) fn took(cost: &Option<Value>, started: Instant) -> String {
    let all = format!("{:.1} s", started.elapsed().as_secs_f64());
    let number = |name: &str| cost.as_ref()?.get(name)?.as_f64();
    let parts = [
        number("load_seconds").map(|seconds| format!("model loaded in {seconds:.1} s")),
        number("seconds").map(|seconds| format!("swept in {seconds:.1} s")),
        number("peak_bytes").map(|bytes| format!("peak memory {:.0} MiB", bytes / 1_048_576.0)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { all } else { format!("{all}: {}", parts.join(", ")) }
}

/// Draws a figure as SVG and PNG unless it is there, and returns the PNG's path.
pub(crate) fn draw(folder: &Path, name: &str, figure: &Figure) -> Result<PathBuf, Failure> {
    let [png_path, svg_path] =
        ["png", "svg"].map(|end| folder.join("figures").join(format!("{name}.{end}")));
    if !svg_path.exists() {
        write_whole(&svg_path, figure.svg()?.as_bytes())?;
    }
    if !png_path.exists() {
        write_whole(&png_path, &figure.png()?)?;
    }
    Ok(png_path)
}

/// The files of figures, of which the PNGs are given.
pub(crate) fn drawings(figures: &[PathBuf]) -> Vec<PathBuf> {
    figures.iter().flat_map(|png| [png.clone(), png.with_extension("svg")]).collect()
}

/// The figures in words: the only one, or how many and the first.
pub(crate) fn drawn(figures: &[PathBuf]) -> String {
    match figures {
        [] => "no figures".to_owned(),
        [figure] => format!("figure {} (and .svg)", figure.display()),
        [first, ..] => format!("{} figures, the first {}", figures.len(), first.display()),
    }
}
