//! One pair's sweep: its runs and cells, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tracewright_engine::{Execution, Outcome, Progress};
use tracewright_ir::{Architecture, Cell, Direction, Request, Run, RunId, Sweep};
use tracewright_models::Model;
use tracewright_results::{Baseline, CaseRecord, Part, Row};

use super::answers::{Answers, answers};
use super::corruption::Corrupted;
use super::grid::{Grid, grids};
use super::measures::{Measuring, PairMetric, Reported};
use super::numbers::Numbers;
use super::patch::Patching;
use super::prompts::{FedPair, Pair};
use super::readings::{Readings, read};
use super::record::{Shown, record};
use super::runs::Named;
use super::settings::PairSettings;
use super::tops::top;
use crate::error::SweepError;
use crate::experiment::execute;
use crate::scores::{Prompt, Scores};

/// The runs and cells of one pair, grid by grid and row by row, with what is reported and read of them.
pub(crate) struct PairSweep {
    pub(crate) sweep: Sweep,
    pub(crate) grids: Vec<Grid>,
    pub(crate) reported: Vec<Reported>,
    readings: Readings,
}

/// Makes the runs and cells of a pair; the settings are [resolved](PairSettings::resolved).
///
/// # Errors
///
/// Positions that the prompts haven't got, axes that a site hasn't got, more cells than can be kept
/// track of, numbers that don't fit.
pub(crate) fn pair_sweep(
    fed: &FedPair,
    answers: &Answers,
    architecture: &Architecture,
    settings: &PairSettings,
    numbers: &Numbers,
) -> Result<PairSweep, SweepError> {
    let mut sweep = Sweep { direction: settings.direction, ..Sweep::default() };
    let ids = [&fed.clean.ids[..], fed.appended()].concat();
    let clean = sweep.request.push(Run::of_tokens("clean", &ids));
    let corrupted = fed.corrupted.push(&mut sweep.request, clean, fed.appended());
    let at = (architecture, numbers);
    let named = Named::push(&settings.runs, fed, &mut sweep.request, clean, &corrupted, at)?;
    let chosen = |name: &Option<String>| name.as_ref().map(|name| named.get(name)).transpose();
    let (base, source) = (chosen(&settings.base)?, chosen(&settings.source)?);
    let nothing = matches!(fed.corrupted, Corrupted::Nothing);
    let grids = match settings.patches(nothing) {
        true => grids(settings, fed, architecture)?,
        false => Vec::new(),
    };
    let patching = Patching::new(settings, fed, architecture, numbers)?;
    let ends = ends(settings.direction, clean, &corrupted, (base, source));
    for grid in &grids {
        for at in grid.cells(settings) {
            let run = |ends: &(RunId, RunId)| patching.run(grid, &at, *ends, &mut sweep.request);
            let runs: Vec<Option<RunId>> = ends.iter().map(run).collect::<Result<_, _>>()?;
            sweep.cells.push(Cell { at, runs: runs.into_iter().flatten().collect() });
        }
    }
    if let (Some(paths), true) =
        (&settings.paths, sweep.cells.iter().all(|cell| cell.runs.is_empty()))
    {
        return Err(SweepError::NoPath { receivers: paths.names().join(",") });
    }
    let (measures, reported) = Measuring {
        metrics: &settings.metrics(fed),
        answers,
        appended: fed.appended(),
        len: fed.clean.len(),
        at: settings.measured_at(fed)?,
        mean: settings.metric_mean,
        k: settings.top(),
        tops: settings.top_k > 0,
        clean,
    }
    .all();
    sweep.sources = ends.iter().map(|(_, source)| *source).collect();
    sweep.sources.dedup();
    sweep.request.measured = measured(&sweep, clean, &corrupted, &ends);
    (sweep.request.measures, sweep.request.top_k) = (measures, settings.top_k);
    (sweep.clean, sweep.corrupted) = (vec![clean], corrupted);
    let readings =
        read(settings, architecture, (fed.appended().len(), [base, source]), &mut sweep)?;
    Ok(PairSweep { sweep, grids, reported, readings })
}

/// What a cell's runs patch and what they read, for each corrupted run: once where neither is one of those.
fn ends(
    direction: Direction,
    clean: RunId,
    corrupted: &[RunId],
    (base, source): (Option<RunId>, Option<RunId>),
) -> Vec<(RunId, RunId)> {
    let of_sample = |sample: &RunId| {
        let (by_base, by_source) = match direction {
            Direction::Denoise => (*sample, clean),
            Direction::Noise => (clean, *sample),
        };
        (base.unwrap_or(by_base), source.unwrap_or(by_source))
    };
    let mut ends: Vec<(RunId, RunId)> = corrupted.iter().map(of_sample).collect();
    ends.dedup();
    ends
}

/// Every run whose metrics are compared, in the order of their ids.
fn measured(
    sweep: &Sweep,
    clean: RunId,
    corrupted: &[RunId],
    ends: &[(RunId, RunId)],
) -> Vec<RunId> {
    let of_cells = sweep.cells.iter().flat_map(|cell| cell.runs.iter().copied());
    let of_ends = ends.iter().flat_map(|(base, source)| [*base, *source]);
    let all = corrupted.iter().copied().chain([clean]).chain(of_ends).chain(of_cells);
    all.collect::<BTreeSet<RunId>>().into_iter().collect()
}

impl PairSweep {
    /// Full forward passes that it takes.
    pub(crate) fn forwards(&self) -> usize {
        self.sweep.request.runs.len()
    }
}

/// Patches some pairs, every cell under every metric, in passes that they share: one for what the model says,
/// one or several for all cells. The first pair's cost is that of all.
///
/// # Errors
///
/// What keeps a pair from being patched at all; see [`pair_sweep`] and
/// [`tracewright_engine::execute`].
pub(crate) fn patch_pairs(
    pairs: &[&FedPair],
    model: &Model,
    (settings, numbers): (&PairSettings, &Numbers),
    execution: &Execution,
    progress: Progress<'_>,
) -> Result<Part, SweepError> {
    let mut part = Part::default();
    let mut asked: Vec<(&FedPair, Answers)> = Vec::new();
    for (fed, answers) in pairs.iter().zip(answers(pairs, model, execution)?) {
        let compares = settings.metrics(fed).contains(&PairMetric::LogitDiff);
        match answers.check_differ() {
            Err(error) if compares => {
                part.cases.push(CaseRecord::failed(&*fed.pair.name, error.to_string()));
            }
            _ => asked.push((fed, answers)),
        }
    }
    let sweep = |(fed, answers): &(&FedPair, Answers)| {
        pair_sweep(fed, answers, model.architecture(), settings, numbers)
    };
    let sweeps: Vec<PairSweep> = asked.iter().map(sweep).collect::<Result<_, _>>()?;
    let requests: Vec<&Request> = sweeps.iter().map(|patched| &patched.sweep.request).collect();
    let outcomes = match requests.is_empty() {
        true => Vec::new(),
        false => execute(model, &requests, execution, progress)?,
    };
    for (((fed, answers), patched), outcome) in asked.iter().zip(&sweeps).zip(&outcomes) {
        let of_pair = patched_pair((fed, answers), patched, outcome, model, settings)?;
        part.cases.extend(of_pair.cases);
        part.rows.extend(of_pair.rows);
        part.readings.extend(of_pair.readings);
    }
    Ok(part)
}

/// What a pair's results can be averaged by.
fn columns(pair: &Pair) -> BTreeMap<String, String> {
    let group = pair.group.clone().map(|group| ("group".to_owned(), group));
    group.into_iter().chain(pair.columns.clone()).collect()
}

/// What was found of one pair.
fn patched_pair(
    (fed, answers): (&FedPair, &Answers),
    PairSweep { sweep, grids, reported, readings }: &PairSweep,
    outcome: &Outcome,
    model: &Model,
    settings: &PairSettings,
) -> Result<Part, SweepError> {
    let scores: Vec<Scores<'_>> =
        reported.iter().map(|reported| Scores::new(sweep, outcome, reported)).collect();
    let several = settings.corruptions.len() > 1;
    let corruption = fed.corruption.as_str();
    let prompt = Prompt {
        case: &fed.pair.name,
        corruption: several.then_some(corruption),
        tokens: &fed.clean.texts,
        subject: fed.has_subject.then_some(&fed.subject),
    };
    let rows_of = |scores: &Scores<'_>| -> Vec<Row> {
        sweep.cells.iter().map(|cell| scores.row(cell, &prompt)).collect()
    };
    let rows: Vec<Row> = scores.iter().flat_map(rows_of).collect();
    let baselines: Vec<Baseline> = scores.iter().map(Scores::baseline).collect();
    let (high_score, low_score) =
        baselines.first().map_or((0.0, 0.0), |first| (first.clean, first.corrupted));
    let shown = Shown {
        grids,
        reported,
        rows: &rows,
        baselines,
        top: top(sweep, outcome, model),
        model: &model.name,
    };
    let mut cost = outcome.cost;
    cost += answers.cost;
    let case = CaseRecord {
        name: fed.pair.name.clone(),
        prompt: fed.pair.clean.clone(),
        subject: Some(fed.subject_text()),
        subject_range: Some(fed.subject.clone()),
        tokens: fed.clean.clone(),
        answer: answers.answer.text.clone(),
        answer_id: answers.answer.id,
        correct_prediction: true,
        high_score,
        low_score,
        window: settings.window,
        samples: fed.samples(),
        columns: columns(&fed.pair),
        cost: json!(cost),
        extra: json!(record(fed, answers, settings, shown)?),
        ..CaseRecord::default()
    };
    let arrays = readings.arrays(sweep, outcome)?;
    let readings = match arrays.is_empty() {
        true => Vec::new(),
        false => vec![(fed.pair.name.clone(), arrays)],
    };
    Ok(Part { cases: vec![case], rows, readings })
}
