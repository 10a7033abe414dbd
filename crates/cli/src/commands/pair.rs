//! `tracewright pair`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use tracewright_models::{Cached, Checkpoint, cached};
use tracewright_report::{PairReport, Style, draw_terminal};
use tracewright_results::{CaseRecord, file_name, visit_cases};
use tracewright_sweep::{Job, Pair, PairFile, SweepFile};

use super::job::{compute, draw, drawings, drawn, ended, listed, took};
use super::pair_file::file;
use super::report;
use super::target::{Target, default_folder};
use crate::args::{FolderArgs, PairArgs};
use crate::console::{Console, count};
use crate::error::Failure;
use crate::interrupt;
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
    let target = Target { folder: &args.folder, recorded: None };
    if args.all_cached {
        return all_cached(&file, (target, args.clip), session, console);
    }
    run_file(file, (target, args.clip), session, console)
}

/// Runs a pair's experiment on every model of the local hub cache.
fn all_cached(
    file: &PairFile,
    (target, clip): (Target<'_>, bool),
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
    let out = target.folder.out.clone();
    let out = out.unwrap_or_else(|| default_folder("pair", "all cached", &request));
    for Cached { id, folder: snapshot } in models {
        if interrupt::came() {
            let done = documents.len() + problems.len();
            return Err(Failure::InterruptedBetween { done, of: ran });
        }
        console.answer(&format!("{id}:"))?;
        let out = Some(out.join(id.replace('/', "--")));
        let folder = FolderArgs { out, shard: target.folder.shard.clone() };
        let target = Target { folder: &folder, recorded: None };
        let patched = Checkpoint::open(&snapshot)
            .map_err(Failure::from)
            .and_then(|checkpoint| session.feeding(checkpoint.named(&id), console))
            .and_then(|checkpoint| {
                patch(file.clone(), checkpoint, (target, clip), session, console)
            });
        match patched {
            Ok((mut document, code)) => {
                document["model"] = id.into();
                documents.push(document);
                failed |= code != ExitCode::SUCCESS;
            }
            // Whoever reads the output has seen enough, or has stopped all of it.
            Err(end @ (Failure::ClosedPipe | Failure::Interrupted { .. })) => return Err(end),
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
    out: (Target<'_>, bool),
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let checkpoint = session.checkpoint(file.model.as_deref(), true, console)?;
    let (document, code) = patch(file, checkpoint, out, session, console)?;
    console.json(&document)?;
    Ok(code)
}

/// Patches a checkpoint's pairs and shows what comes of it; the document for programs, and the exit code.
fn patch(
    file: PairFile,
    checkpoint: Checkpoint,
    (target, clip): (Target<'_>, bool),
    session: &Session,
    console: &Console,
) -> Result<(Value, ExitCode), Failure> {
    let started = Instant::now();
    let settings = file.settings.clone().resolved(checkpoint.architecture())?;
    let models = session.load_all(checkpoint, console)?;
    let loaded = started.elapsed();
    let (cases, skipped) = file.all_cases()?;
    // What a person knows the request by.
    let what = match cases.first() {
        Some(first) if cases != Pair::built_in() => first.clean.clone(),
        _ => "built-in pairs".to_owned(),
    };
    let given = file.given(session.model());
    let job = target.part(session, Job::pairs(&models.first, settings, (cases, file.bad()))?)?;
    let to = target.of(&job, "pair", &what)?;
    let folder = &to.folder;
    let done = compute(&job, &to, (session, loaded), (given, &skipped), &models, console)?;
    let mut patched = Patched {
        style: if clip { Style::Clipped } else { Style::Diverging },
        json: console.is_json(),
        ..Patched::default()
    };
    let outline = visit_cases(folder, |case, _| patched.take(folder, &case))?;
    let code = ended(&outline.failed, &done, console);
    to.store(&[&done.files[..], &drawings(&patched.figures)].concat())?;
    patched.show(console)?;
    for line in report::of_folder(folder)? {
        console.explain(&line)?;
    }
    console.explain(&format!(
        "\nresults in {}: {}; {}\n{}",
        to.shown(),
        listed(&done, "cases/*.json"),
        match patched.figures.is_empty() && patched.cases > 0 {
            true => "no figures (more than 24 heatmaps, or 128 cells in a row, aren't drawn)".to_owned(),
            false => drawn(&patched.figures),
        },
        took(&outline.cost, started)
    ))?;
    let document = json!({
        "out": folder,
        "cases": patched.documents,
        "failed": outline.failed,
        "files": done.files,
        "figures": patched.figures,
        "resumed": done.resumed,
        "cost": outline.cost,
    });
    Ok((document, code))
}

/// Of many pairs these many are shown and drawn; all are in the tables and files.
const MOST_SHOWN: usize = 50;

/// What is shown of the pairs of a folder, taken one after the other.
#[derive(Default)]
struct Patched {
    style: Style,
    /// Whether a program reads the answer.
    json: bool,
    cases: usize,
    /// Those that are shown, by name.
    reports: Vec<(String, PairReport)>,
    /// For programs.
    documents: Vec<Value>,
    figures: Vec<PathBuf>,
}

impl Patched {
    /// Adds a pair that didn't fail, and draws it.
    fn take(&mut self, folder: &Path, case: &CaseRecord) -> Result<(), Failure> {
        let Some(record) = case.pair().filter(|_| case.failure.is_none()) else { return Ok(()) };
        let report = PairReport::new(record)?;
        self.cases += 1;
        if self.json {
            self.documents.push(json!({
                "case": case.name,
                "summary": report.summary(),
                "regions": report.regions(),
                "same_prediction": report.same_prediction(),
                "pair": report.record(),
            }));
        }
        if self.cases <= MOST_SHOWN {
            for figure in report.figures(self.style) {
                let name = figure.named(&file_name(&case.name));
                self.figures.push(draw(folder, &name, &figure)?);
            }
            self.reports.push((case.name.clone(), report));
        }
        Ok(())
    }

    fn show(&self, console: &Console) -> Result<(), Failure> {
        for (name, report) in &self.reports {
            if self.reports.len() > 1 {
                console.answer(&format!("{name}:"))?;
            }
            show(name, report, console)?;
        }
        match self.cases - self.reports.len() {
            0 => Ok(()),
            more => console
                .answer(&format!("… and {} more, which aren't drawn either", count(more, "pair"))),
        }
    }
}

fn show(name: &str, report: &PairReport, console: &Console) -> Result<(), Failure> {
    let record = report.record();
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
    Ok(())
}
