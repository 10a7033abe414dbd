//! `tracewright pair`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use tracewright_models::{Cached, Checkpoint, cached};
use tracewright_report::{PairReport, Style, draw_terminal};
use tracewright_results::{Results, file_name};
use tracewright_sweep::{Done, Job, Pair, PairFile, SweepFile};

use super::job::{compute, default_folder, draw, drawn, listed, took};
use super::pair_file::file;
use crate::args::PairArgs;
use crate::console::{Console, count};
use crate::error::Failure;
use crate::session::Session;

pub(crate) fn run(
    args: &PairArgs,
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let file = file(args, session.model().map(str::to_owned))?;
    if args.print {
        session.can_print()?;
        console.answer(SweepFile::Pair(Box::new(file)).to_toml()?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.all_cached {
        return all_cached(&file, (args.out.as_deref(), args.clip), session, console);
    }
    run_file(file, (args.out.as_deref(), args.clip), session, console)
}

/// Runs a pair's experiment on every model of the local hub cache.
fn all_cached(
    file: &PairFile,
    (out, clip): (Option<&Path>, bool),
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    if session.model().is_some() {
        let problem = "--all-cached runs all models of the cache: leave --model out";
        return Err(Failure::Usage(problem.to_owned()));
    }
    let models = cached();
    if models.is_empty() {
        let problem =
            "there is no model in the local hub cache: `tracewright models` shows where it is";
        return Err(Failure::Usage(problem.to_owned()));
    }
    let (mut documents, mut problems, mut failed) = (Vec::new(), Vec::new(), false);
    let ran = models.len();
    // A folder for each model in the one that is given, or in one that is named after the request.
    let request = json!(file);
    let out = out.map_or_else(|| default_folder("pair", "all cached", &request), Path::to_owned);
    for Cached { id, folder } in models {
        console.answer(&format!("{id}:"))?;
        let out = out.join(id.replace('/', "--"));
        let patched = Checkpoint::open(&folder)
            .map_err(Failure::from)
            .and_then(|checkpoint| session.feeding(checkpoint.named(&id), console))
            .and_then(|checkpoint| {
                patch(file.clone(), checkpoint, (Some(&out), clip), session, console)
            });
        match patched {
            Ok((mut document, some_failed)) => {
                document["model"] = id.into();
                documents.push(document);
                failed |= some_failed;
            }
            // Whoever reads the output has seen enough.
            Err(Failure::ClosedPipe) => return Err(Failure::ClosedPipe),
            Err(problem) => {
                console.answer("can't be patched; the reason is below")?;
                problems.push((id, problem.to_string()));
            }
        }
        console.answer("")?;
    }
    let ran = ran - problems.len();
    console.answer(&format!("{} patched, {} can't be", count(ran, "model"), problems.len()))?;
    for (id, problem) in &problems {
        console.answer(&format!("  {id}: {problem}"))?;
        documents.push(json!({ "model": id, "problem": problem }));
    }
    console.json(&json!({ "models": documents }))?;
    Ok(if failed || ran == 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Runs a pair's experiment.
pub(super) fn run_file(
    file: PairFile,
    out: (Option<&Path>, bool),
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let checkpoint = session.checkpoint(file.model.as_deref(), true, console)?;
    let (document, failed) = patch(file, checkpoint, out, session, console)?;
    console.json(&document)?;
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Patches a checkpoint's pairs and shows what comes of it; the document for programs, and whether a case
/// has failed.
fn patch(
    file: PairFile,
    checkpoint: Checkpoint,
    (out, clip): (Option<&Path>, bool),
    session: &Session,
    console: &Console,
) -> Result<(Value, bool), Failure> {
    let started = Instant::now();
    let settings = file.settings.resolved(checkpoint.architecture())?;
    let model = session.load(checkpoint, console)?;
    let loaded = started.elapsed();
    let what = file.cases.first().map_or("built-in pairs", |case| case.clean.as_str()).to_owned();
    let job = Job::pairs(&model, settings, cases(file.cases))?;
    let folder = out.map(Path::to_path_buf);
    let folder = folder.unwrap_or_else(|| default_folder("pair", &what, &job.request()));
    let (done, results) = compute(&job, &folder, (session, loaded), &model, console)?;
    let reports = reports(&results)?;
    let style = if clip { Style::Clipped } else { Style::Diverging };
    let figures = draw_all(&folder, &reports, style)?;
    show(&reports, console)?;
    console.explain(&format!(
        "\nresults in {}: {}; {}\n{}",
        folder.display(),
        listed(&done, "cases/*.json"),
        match figures.is_empty() && !reports.is_empty() {
            true => "no figures (more than 24 heatmaps, or 128 cells in a row, aren't drawn)".to_owned(),
            false => drawn(&figures),
        },
        took(&results.cost, started)
    ))?;
    let document = document(&folder, &reports, &figures, &done, &results);
    Ok((document, !results.failed().is_empty()))
}

/// The pairs that are asked for, or the built-in ones.
pub(super) fn cases(given: Vec<Pair>) -> Vec<Pair> {
    if given.is_empty() { Pair::built_in() } else { given }
}

/// The pairs that didn't fail, by name.
type Reports<'a> = Vec<(&'a str, PairReport)>;

fn reports(results: &Results) -> Result<Reports<'_>, Failure> {
    let mut reports = Vec::new();
    for case in results.cases.iter().filter(|case| case.failure.is_none()) {
        if let Some(record) = case.pair() {
            reports.push((case.name.as_str(), PairReport::new(record)?));
        }
    }
    Ok(reports)
}

fn draw_all(folder: &Path, reports: &Reports<'_>, style: Style) -> Result<Vec<PathBuf>, Failure> {
    let mut figures = Vec::new();
    for (name, report) in reports {
        for figure in report.figures(style) {
            let name = format!("{}_{}", file_name(name), figure.name);
            figures.push(draw(folder, &name, || figure.svg(), || figure.png())?);
        }
    }
    Ok(figures)
}

fn show(reports: &Reports<'_>, console: &Console) -> Result<(), Failure> {
    for (name, report) in reports {
        let record = report.record();
        if reports.len() > 1 {
            console.answer(&format!("{name}:"))?;
        }
        console.explain(&report.setting())?;
        if report.same_prediction() {
            console.warn(&format!(
                "pair {name}: both runs say '{}', so the corruption doesn't change the prediction",
                record.clean.prediction.text
            ));
        }
        if let Some((answer, said)) = report.unexpected() {
            console.warn(&format!(
                "pair {name}: the clean run says '{said}', not the answer '{answer}' that is measured"
            ));
        }
        let first = record.baselines.first().map_or("", |baseline| baseline.metric.as_str());
        for heatmap in report.heatmaps(first, Style::Diverging) {
            console.explain(&draw_terminal(&heatmap, console.columns(), console.colors())?)?;
        }
        console.answer(&report.summary())?;
        let regions = report.regions();
        if !regions.is_empty() {
            console.explain(&regions.join("\n"))?;
        }
        let others: Vec<&str> =
            record.baselines.iter().skip(1).map(|baseline| baseline.metric.as_str()).collect();
        if !others.is_empty() {
            let others = others.join(", ");
            console.explain(&format!("The same by {others}: in the figures and cells.parquet."))?;
        }
    }
    Ok(())
}

fn document(
    folder: &Path,
    reports: &Reports<'_>,
    figures: &[PathBuf],
    done: &Done,
    results: &Results,
) -> Value {
    let case = |(name, report): &(&str, PairReport)| {
        json!({
            "case": name,
            "summary": report.summary(),
            "regions": report.regions(),
            "same_prediction": report.same_prediction(),
            "pair": report.record(),
        })
    };
    json!({
        "out": folder,
        "cases": reports.iter().map(case).collect::<Vec<_>>(),
        "failed": results.failed(),
        "files": done.files,
        "figures": figures,
        "resumed": done.resumed,
        "cost": results.cost,
    })
}
