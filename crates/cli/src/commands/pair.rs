//! `tracewright pair`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use tracewright_ir::{Architecture, Direction};
use tracewright_models::Tokenizer;
use tracewright_report::{PairReport, draw_terminal};
use tracewright_results::{Results, file_name};
use tracewright_sweep::{
    Done, Job, Pair, PairMetric, PairSettings, Paths, Per, Positions, SweepError,
};

use super::job::{compute, default_folder, draw, drawn};
use crate::args::PairArgs;
use crate::console::Console;
use crate::error::Failure;
use crate::session::Session;

pub(crate) fn run(
    args: &PairArgs,
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let checkpoint = session.checkpoint(console)?;
    let settings = settings(args, checkpoint.architecture())?;
    settings.check()?;
    let model = session.load(checkpoint)?;
    let started = Instant::now();
    let pairs = pairs(args, &model.tokenizer, console)?;
    let job = Job::pairs(&model, settings, pairs)?;
    let what = args.clean.as_deref().unwrap_or("built-in pairs");
    let folder = args.out.clone().unwrap_or_else(|| default_folder("pair", what, &job.request()));
    let (done, results) = compute(&job, &folder, session, &model, console)?;
    let reports = reports(&results)?;
    let figures = draw_all(&folder, &reports)?;
    show(&reports, console)?;
    console.explain(&format!(
        "\nresults in {}: cells.parquet, cases/*.json, run.json; {}\n{:.1} s",
        folder.display(),
        match figures.is_empty() && !reports.is_empty() {
            true => "no figures (more than 24 heatmaps, or 128 cells in a row, aren't drawn)".to_owned(),
            false => drawn(&figures),
        },
        started.elapsed().as_secs_f64()
    ))?;
    console.json(&document(&folder, &reports, &figures, &done, &results))?;
    Ok(if results.failed().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub(super) fn settings(
    args: &PairArgs,
    architecture: &Architecture,
) -> Result<PairSettings, Failure> {
    let paths = match &args.receiver {
        Some(receivers) => {
            Some(Paths { receivers: parsed(receivers)?, freeze_mlp: args.freeze.is_some() })
        }
        None => None,
    };
    // A sender has the axes that it has.
    let per = if paths.is_some() { vec![Per::Layer, Per::Head] } else { parsed(&args.per)? };
    let sites = if paths.is_some() { &args.sender } else { &args.site };
    let each = if per.contains(&Per::Position) { Positions::Each } else { Positions::All };
    let metric = match (&args.answer, &args.distractor) {
        (Some(_), Some(_)) => PairMetric::LogitDiff,
        _ => PairMetric::Kl,
    };
    let site = |site: &String| PairSettings::site(site, architecture);
    Ok(PairSettings {
        sites: sites.iter().map(site).collect::<Result<_, _>>()?,
        window: args.window,
        positions: args.positions.as_deref().map_or_else(|| Ok(vec![each]), parsed)?,
        metrics: args.metric.as_deref().map_or_else(|| Ok(vec![metric]), parsed)?,
        direction: match paths {
            Some(_) => Direction::Noise,
            None => PairSettings::direction(&args.direction)?,
        },
        per,
        paths,
    })
}

fn parsed<T: std::str::FromStr<Err = SweepError>>(words: &[String]) -> Result<Vec<T>, SweepError> {
    words.iter().map(|word| word.parse()).collect()
}

fn given(args: &PairArgs) -> Option<Pair> {
    Some(Pair {
        name: "0".to_owned(),
        clean: args.clean.clone()?,
        corrupted: args.corrupted.clone()?,
        subject: args.subject.clone(),
        answer: args.answer.clone(),
        distractor: args.distractor.clone(),
    })
}

/// The pair that was given, or those of the built-in ones whose prompts have equally many tokens for
/// this model; the others are told.
pub(super) fn pairs(
    args: &PairArgs,
    tokenizer: &Tokenizer,
    console: &Console,
) -> Result<Vec<Pair>, Failure> {
    if let Some(pair) = given(args) {
        return Ok(vec![pair]);
    }
    let mut fitting = Vec::new();
    for pair in Pair::built_in() {
        match pair.clone().feed(tokenizer) {
            Err(error @ SweepError::DifferentLengths { .. }) => {
                console.warn(&format!("the pair {} is left out: {error}", pair.name));
            }
            // What else is wrong, the job tells.
            _ => fitting.push(pair),
        }
    }
    match fitting.is_empty() {
        true => Err(Failure::Usage(
            "none of the built-in pairs fits this model's tokenizer: give --clean and --corrupted"
                .to_owned(),
        )),
        false => Ok(fitting),
    }
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

fn draw_all(folder: &Path, reports: &Reports<'_>) -> Result<Vec<PathBuf>, Failure> {
    let mut figures = Vec::new();
    for (name, report) in reports {
        for figure in report.figures() {
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
        let first = record.baselines.first().map_or("", |baseline| baseline.metric.as_str());
        for heatmap in report.heatmaps(first) {
            console.explain(&draw_terminal(&heatmap, console.columns(), console.colors())?)?;
        }
        console.answer(&report.summary())?;
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
