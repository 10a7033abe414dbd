//! `tracewright trace`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use tracewright_corruption::NoiseRule;
use tracewright_report::{CaseReport, draw_terminal, visible};
use tracewright_results::{CaseRecord, Row, npz_path, visit_cases};
use tracewright_sweep::{
    BadRecords, Case, Facts, Job, Kind, Settings, SweepError, SweepFile, TraceFile, resolve_noise,
};

use super::job::{compute, draw, drawings, drawn, ended, listed, took};
use super::report;
use super::target::Target;
use crate::args::TraceArgs;
use crate::console::{Console, count, grouped, table};
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
    let target = Target { folder: &args.folder, recorded: None };
    run_file(file, target, session, console)
}

/// Runs a trace's experiment.
pub(super) fn run_file(
    file: TraceFile,
    target: Target<'_>,
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let (facts, cases) = cases(&file)?;
    file.settings.check()?;
    let checkpoint = session.checkpoint(file.model.as_deref(), true, console)?;
    let models = session.load_all(checkpoint, console)?;
    let loaded = started.elapsed();
    let text = file.noise_text.as_deref();
    let noise = resolve_noise(&file.settings.noise, &models.first, &facts.subjects(), text)?;
    let (what, given, bad) = (what(&file).to_owned(), file.given(session.model()), file.bad());
    let job =
        target.part(session, Job::traces(&models.first, file.settings, noise, (cases, bad))?)?;
    let to = target.of(&job, "trace", &what)?;
    let folder = &to.folder;
    let done = compute(&job, &to, (session, loaded), (given, facts.bad()), &models, console)?;
    let mut traced = Traced { json: console.is_json(), ..Traced::default() };
    let outline =
        visit_cases(folder, |case, rows| traced.take(folder, case, &rows, &models.first.name))?;
    let code = ended(&outline.failed, &done, console);
    let files = listed(&done, "cases/*.npz");
    let took = took(&outline.cost, started);
    to.store(&[&done.files[..], &drawings(&traced.figures)].concat())?;
    traced.show(console)?;
    for line in report::of_folder(folder)? {
        console.explain(&line)?;
    }
    let figures = drawn(&traced.figures);
    console.explain(&format!("\nresults in {}: {files}; {figures}\n{took}", to.shown()))?;
    console.json(&json!({
        "out": folder,
        "cases": traced.documents,
        "failed": outline.failed,
        "files": done.files,
        "figures": traced.figures,
        "resumed": done.resumed,
        "cost": outline.cost,
    }))?;
    Ok(code)
}

/// What the flags ask for.
pub(super) fn file(args: &TraceArgs, model: Option<String>) -> Result<TraceFile, Failure> {
    let settings = settings(args)?;
    settings.check()?;
    let skip_bad = args.skip_bad;
    let bad = if skip_bad { BadRecords::Skip } else { BadRecords::Refuse };
    let cases = match (&args.prompt, &args.subject, &args.facts) {
        (Some(prompt), Some(subject), _) => vec![case(prompt, subject, args.answer.clone())],
        // All of them, as the file has them.
        (_, _, Some(_)) if args.ids.is_empty() && args.limit.is_none() => Vec::new(),
        (_, _, Some(path)) => Facts::read(path, bad)?.select(&args.ids, args.limit)?,
        _ => vec![case(DEFAULT_PROMPT, DEFAULT_SUBJECT, args.answer.clone())],
    };
    let (facts, noise_text) = (args.facts.clone(), args.noise_text.clone());
    Ok(TraceFile { model, noise_text, facts, settings, skip_bad, cases, ..TraceFile::default() })
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
    Case { name, prompt, subject, answer, ..Case::default() }
}

/// The facts that noise is measured on, and the cases: those given, otherwise all facts, or without a file of
/// them the default.
pub(super) fn cases(file: &TraceFile) -> Result<(Facts, Vec<Case>), Failure> {
    let measured = matches!(file.settings.noise, NoiseRule::SubjectDeviations(_));
    let facts = match &file.facts {
        Some(path) if measured || file.cases.is_empty() => Facts::read(path, file.bad())?,
        _ => Facts::built_in()?,
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

/// Of many cases these many are drawn and listed; all are in the tables.
const MOST_SHOWN: usize = 50;

/// What is shown of the cases of a folder, taken one after the other.
#[derive(Default)]
struct Traced {
    /// Whether a program reads the answer.
    json: bool,
    cases: usize,
    /// Those in which the model gives the expected answer.
    correct: usize,
    /// A line for each case that is listed.
    lines: Vec<Vec<String>>,
    /// For programs.
    documents: Vec<Value>,
    figures: Vec<PathBuf>,
    /// Of the first case.
    first: Option<CaseReport>,
}

impl Traced {
    /// Adds a case, and draws it.
    fn take(
        &mut self,
        folder: &Path,
        case: CaseRecord,
        rows: &[Row],
        model: &str,
    ) -> Result<(), Failure> {
        if case.failure.is_some() {
            return Ok(());
        }
        let report = CaseReport::new(&case, rows, short_name(model))?;
        self.cases += 1;
        self.correct += usize::from(case.correct_prediction);
        if self.json {
            self.documents.push(document(&case, &report)?);
        }
        if self.cases <= MOST_SHOWN {
            self.lines.push(line(&case, &report));
            let stem = figure_name(&case);
            for figure in report.figures() {
                self.figures.push(draw(folder, &figure.named(&stem), &figure)?);
            }
        }
        self.first.get_or_insert(report);
        Ok(())
    }

    /// One case is shown with its heatmaps, several with a line each.
    fn show(&self, console: &Console) -> Result<(), Failure> {
        match (&self.first, self.cases) {
            (Some(report), 1) => {
                for heatmap in &report.heatmaps {
                    let drawn = draw_terminal(heatmap, console.columns(), console.colors())?;
                    console.explain(&drawn)?;
                }
                console.answer(&report.summary()?)?;
            }
            _ => console.answer(&self.overview())?,
        }
        Ok(())
    }

    fn overview(&self) -> String {
        let head = [
            "case",
            "subject",
            "answer",
            "clean",
            "corrupted",
            "strongest: kind token@layer +points of probability",
        ];
        let head = vec![head.map(str::to_owned).to_vec()];
        let mut text = table(&[head, self.lines.clone()].concat());
        if self.cases > self.lines.len() {
            let more = grouped((self.cases - self.lines.len()) as u64);
            text += &format!("\n… and {more} more, which aren't drawn either");
        }
        let others = match self.cases - self.correct {
            0 => String::new(),
            n => format!("; in {n} the model doesn't give the expected answer"),
        };
        text + &format!("\n{} of {} traced{others}", self.correct, count(self.cases, "case"))
    }
}

/// The name of a model without its owner's.
pub(super) fn short_name(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// A figure is called like its case's first npz file.
pub(super) fn figure_name(case: &CaseRecord) -> String {
    let npz = npz_path(case, Kind::Hidden.name());
    let stem = Path::new(&npz).file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// A case's scores, and the strongest cell of each kind.
fn line(case: &CaseRecord, report: &CaseReport) -> Vec<String> {
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
    vec![
        case.name.clone(),
        visible(case.subject.as_deref().unwrap_or_default()),
        visible(case.answer.trim()),
        probability(case.high_score),
        probability(case.low_score),
        strongest,
    ]
}

fn document(case: &CaseRecord, report: &CaseReport) -> Result<Value, Failure> {
    Ok(json!({
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
    }))
}
