//! `tracewright trace`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use tracewright_corruption::NoiseRule;
use tracewright_models::Model;
use tracewright_report::{CaseReport, draw_terminal, visible};
use tracewright_results::{CaseRecord, Results, Row, npz_path};
use tracewright_sweep::{
    Case, Done, Facts, Job, Kind, Settings, SweepError, SweepFile, TraceFile, resolve_noise,
};

use super::job::{compute, default_folder, draw, drawn, listed, took};
use crate::args::TraceArgs;
use crate::console::{Console, table};
use crate::error::Failure;
use crate::session::Session;

/// The fact that is traced where none is asked for.
const DEFAULT_PROMPT: &str = "The Space Needle is in downtown";
const DEFAULT_SUBJECT: &str = "The Space Needle";

pub(crate) fn run(
    args: &TraceArgs,
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let file = file(args, session.model().map(str::to_owned))?;
    if args.print {
        session.can_print()?;
        console.answer(SweepFile::Trace(Box::new(file)).to_toml()?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    run_file(file, args.out.as_deref(), session, console)
}

/// Runs a trace's experiment.
pub(super) fn run_file(
    file: TraceFile,
    out: Option<&Path>,
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let (facts, cases) = cases(&file)?;
    file.settings.check()?;
    let model = session.load(session.checkpoint(file.model.as_deref(), true, console)?, console)?;
    let loaded = started.elapsed();
    let text = file.noise_text.as_deref();
    let noise = resolve_noise(&file.settings.noise, &model, &facts.subjects(), text)?;
    let what = what(&file).to_owned();
    let job = Job::traces(&model, file.settings, noise, cases)?;
    let named = || default_folder("trace", &what, &job.request());
    let folder = out.map_or_else(named, Path::to_path_buf);
    let (done, results) = compute(&job, &folder, (session, loaded), &model, console)?;
    let reports = reports(&results, &model)?;
    let figures = draw_all(&folder, &reports)?;
    let files = listed(&done, "cases/*.npz");
    let took = took(&results.cost, started);
    show(&folder, &reports, &figures, (&files, &took), console)?;
    console.json(&document(&folder, &reports, &figures, &done, &results)?)?;
    Ok(if results.failed().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What the flags ask for.
pub(super) fn file(args: &TraceArgs, model: Option<String>) -> Result<TraceFile, Failure> {
    let settings = settings(args)?;
    settings.check()?;
    let cases = match (&args.prompt, &args.subject, &args.facts) {
        (Some(prompt), Some(subject), _) => vec![case(prompt, subject, args.answer.clone())],
        // All of them, as the file has them.
        (_, _, Some(_)) if args.ids.is_empty() && args.limit.is_none() => Vec::new(),
        (_, _, Some(path)) => Facts::read(path)?.select(&args.ids, args.limit)?,
        _ => vec![case(DEFAULT_PROMPT, DEFAULT_SUBJECT, args.answer.clone())],
    };
    let (facts, noise_text) = (args.facts.clone(), args.noise_text.clone());
    Ok(TraceFile { model, noise_text, facts, settings, cases, ..TraceFile::default() })
}

fn settings(args: &TraceArgs) -> Result<Settings, Failure> {
    let noise: NoiseRule = args.noise.parse().map_err(SweepError::from)?;
    if args.noise_text.is_some() && !noise.reads_text() {
        return Err(Failure::Usage(format!(
            "--noise-text is for the noise rules m and t; --noise is {noise}"
        )));
    }
    Ok(Settings {
        kinds: args.kind.iter().map(|kind| kind.parse()).collect::<Result<_, _>>()?,
        window: args.window,
        samples: args.samples,
        noise,
        replace: args.replace,
        seed: args.seed,
        sever: args.sever.iter().map(|module| Kind::severable(module)).collect::<Result<_, _>>()?,
        sever_noise: args.sever_noise.parse()?,
    })
}

fn case(prompt: &str, subject: &str, answer: Option<String>) -> Case {
    let (name, prompt, subject) = ("0".to_owned(), prompt.to_owned(), subject.to_owned());
    Case { name, prompt, subject, expected: None, answer }
}

/// The facts that noise is measured on, and the cases: those given, otherwise all facts, or without a file of
/// them the default.
pub(super) fn cases(file: &TraceFile) -> Result<(Facts, Vec<Case>), Failure> {
    let facts = match &file.facts {
        Some(path) => Facts::read(path)?,
        None => Facts::built_in()?,
    };
    let cases = match (file.cases.is_empty(), &file.facts) {
        (false, _) => file.cases.clone(),
        (true, Some(_)) => facts.select(&[], None)?,
        (true, None) => vec![case(DEFAULT_PROMPT, DEFAULT_SUBJECT, None)],
    };
    Ok((facts, cases))
}

/// What a person knows the request by.
fn what(file: &TraceFile) -> &str {
    match (file.cases.as_slice(), &file.facts) {
        (_, Some(facts)) if file.cases.len() != 1 => {
            facts.file_stem().and_then(|stem| stem.to_str()).unwrap_or("facts")
        }
        ([one, ..], _) => one.prompt.as_str(),
        _ => DEFAULT_PROMPT,
    }
}

type Reports<'a> = Vec<(&'a CaseRecord, CaseReport)>;

fn reports<'a>(results: &'a Results, model: &Model) -> Result<Reports<'a>, Failure> {
    let mut rows: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for row in &results.rows {
        rows.entry(&row.case).or_default().push(row.clone());
    }
    let model = model.name.rsplit('/').next().unwrap_or(&model.name);
    let mut reports = Vec::new();
    for case in results.cases.iter().filter(|case| case.failure.is_none()) {
        let rows = rows.get(case.name.as_str()).map_or(&[][..], Vec::as_slice);
        reports.push((case, CaseReport::new(case, rows, model)?));
    }
    Ok(reports)
}

/// Draws every traced case, and returns the PNGs' paths.
fn draw_all(folder: &Path, reports: &Reports<'_>) -> Result<Vec<PathBuf>, Failure> {
    let traced = reports.iter().filter(|(_, report)| !report.heatmaps.is_empty());
    let figure = |(case, report): &(&CaseRecord, CaseReport)| {
        draw(folder, &figure_name(case), || report.svg(), || report.png())
    };
    traced.map(figure).collect()
}

/// A figure is called like its case's first npz file.
fn figure_name(case: &CaseRecord) -> String {
    let npz = npz_path(case, Kind::Hidden.name());
    let stem = Path::new(&npz).file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// One case is shown with its heatmaps, several with a line each.
fn show(
    folder: &Path,
    reports: &Reports<'_>,
    figures: &[PathBuf],
    (files, took): (&str, &str),
    console: &Console,
) -> Result<(), Failure> {
    if let [(_, report)] = reports.as_slice() {
        for heatmap in &report.heatmaps {
            console.explain(&draw_terminal(heatmap, console.columns(), console.colors())?)?;
        }
        console.answer(&report.summary()?)?;
    } else {
        console.answer(&table(&overview(reports)))?;
        let traced = reports.iter().filter(|(case, _)| case.correct_prediction).count();
        let others = match reports.len() - traced {
            0 => String::new(),
            n => format!("; in {n} the model doesn't give the expected answer"),
        };
        console.answer(&format!("{traced} of {} cases traced{others}", reports.len()))?;
    }
    console.explain(&format!(
        "\nresults in {}: {files}; {}\n{took}",
        folder.display(),
        drawn(figures),
    ))
}

/// A line for each case: its scores, and the strongest cell of each kind.
fn overview(reports: &Reports<'_>) -> Vec<Vec<String>> {
    let head = [
        "case",
        "subject",
        "answer",
        "clean",
        "corrupted",
        "strongest: kind token@layer +points of probability",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (case, report) in reports {
        let cells = report.strongest().into_iter().map(|(kind, peak)| {
            let token = case.tokens.texts.get(peak.position).map_or("", String::as_str);
            // A token that is just a space has to stay one.
            let token = Some(token.trim()).filter(|word| !word.is_empty()).unwrap_or(token);
            format!("{kind} {}@{} {:+.1}", visible(token), peak.layer, 100.0 * peak.effect)
        });
        let probability =
            |p: f64| if case.correct_prediction { format!("{p:.3}") } else { String::new() };
        let strongest = match &case.expected {
            Some(expected) if !case.correct_prediction => {
                format!("not traced: expected {expected}")
            }
            _ => cells.collect::<Vec<_>>().join(", "),
        };
        rows.push(vec![
            case.name.clone(),
            visible(case.subject.as_deref().unwrap_or_default()),
            visible(case.answer.trim()),
            probability(case.high_score),
            probability(case.low_score),
            strongest,
        ]);
    }
    rows
}

fn document(
    folder: &Path,
    reports: &Reports<'_>,
    figures: &[PathBuf],
    done: &Done,
    results: &Results,
) -> Result<Value, Failure> {
    let mut cases = Vec::new();
    for (case, report) in reports {
        cases.push(json!({
            "case": case.name,
            "prompt": case.prompt,
            "tokens": case.tokens,
            "subject_range": case.subject_range,
            "answer": case.answer,
            "answer_id": case.answer_id,
            "correct_prediction": case.correct_prediction,
            "high_score": case.high_score,
            "low_score": case.low_score,
            "summary": report.summary()?,
        }));
    }
    Ok(json!({
        "out": folder,
        "cases": cases,
        "failed": results.failed(),
        "files": done.files,
        "figures": figures,
        "resumed": done.resumed,
        "cost": results.cost,
    }))
}
