//! What commands that fill a results folder have in common.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tracewright_models::Model;
use tracewright_report::ReportError;
use tracewright_results::{Results, differences, load, write_whole};
use tracewright_sweep::{Done, Event, Job};

use crate::console::Console;
use crate::error::Failure;
use crate::session::Session;

/// A folder of its own for each request, so that the same command goes on where it was and
/// another one is never refused. `what` is a prompt, or whatever a person knows the request by.
pub(crate) fn default_folder(command: &str, what: &str, request: &Value) -> PathBuf {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = what.chars().take(40).map(word).collect();
    let digest = Sha256::digest(request.to_string());
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from("runs").join(format!("{command}-{}-{digest}", slug.trim_matches('-')))
}

/// Runs a job, shows how far it is, and reads the folder's results back. Cases that failed are told.
pub(crate) fn compute(
    job: &Job<'_>,
    folder: &Path,
    (session, loaded): (&Session, Duration),
    model: &Model,
    console: &Console,
) -> Result<(Done, Results), Failure> {
    warn(job, console);
    let bar = console.progress(job.forwards());
    let execution = session.execution_in(folder)?;
    let environment = session.environment(model, &execution, console)?;
    let done = job.run(folder, &environment, (&execution, loaded), &mut |event| {
        match event {
            Event::Case { name, .. } => bar.set_message(format!("case {name}")),
            Event::Forwards { done } => bar.set_position(done as u64),
        }
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
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
    let results = load(folder)?;
    let differences = differences(&done.environment, &environment);
    if !differences.is_empty() && done.resumed < results.cases.len() {
        console.warn(&format!(
            "{} was started in another environment, which stays on record; what differs:\n\
             {differences}",
            folder.display()
        ));
    }
    for case in &results.failed() {
        console.warn(&format!("case {} failed: {}", case.case, case.reason));
    }
    Ok((done, results))
}

/// Tells what is odd about a job; of many cases with the same flaw a few are enough.
fn warn(job: &Job<'_>, console: &Console) {
    const MOST: usize = 8;
    let warnings = job.warnings();
    warnings.iter().take(MOST).for_each(|warning| console.warn(&warning.to_string()));
    if warnings.len() > MOST {
        console.warn(&format!("… and {} more of this kind", warnings.len() - MOST));
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
pub(crate) fn draw(
    folder: &Path,
    name: &str,
    svg: impl FnOnce() -> Result<String, ReportError>,
    png: impl FnOnce() -> Result<Vec<u8>, ReportError>,
) -> Result<PathBuf, Failure> {
    let [png_path, svg_path] =
        ["png", "svg"].map(|end| folder.join("figures").join(format!("{name}.{end}")));
    if !svg_path.exists() {
        write_whole(&svg_path, svg()?.as_bytes())?;
    }
    if !png_path.exists() {
        write_whole(&png_path, &png()?)?;
    }
    Ok(png_path)
}

/// The figures in words: the only one, or how many and the first.
pub(crate) fn drawn(figures: &[PathBuf]) -> String {
    match figures {
        [] => "no figures".to_owned(),
        [figure] => format!("figure {} (and .svg)", figure.display()),
        [first, ..] => format!("{} figures, the first {}", figures.len(), first.display()),
    }
}
