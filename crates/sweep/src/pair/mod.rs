//! Patching between two prompts.
//!
//! Denoising copies what the clean run has at a site into the corrupted run and asks how much of
//! the clean run's answer comes back; noising copies the corrupted run's values into the clean run
//! and asks how much of the answer is left.
//!
//! Reference: Heimersheim and Nanda 2024, arXiv 2404.15255, whose words these are.

mod alignment;
mod answers;
mod grid;
mod pairs;
mod paths;
mod positions;
mod prompts;
mod record;
mod settings;

use serde_json::json;
use tracewright_engine::{Execution, Progress};
use tracewright_ir::{Architecture, Cell, Direction, Measure, Run, Sweep};
use tracewright_models::Model;
use tracewright_results::{Baseline, CaseRecord, Part, Row};

use crate::error::SweepError;
use crate::experiment::execute;
use crate::scores::{Prompt, Scores};

pub use answers::Answers;
use grid::grids;
pub(crate) use pairs::Pairs;
pub use paths::{Paths, Receiver};
pub use positions::Positions;
pub use prompts::{FedPair, Pair};
use record::record;
pub use settings::{PairMetric, PairSettings, Per};

/// The runs and cells of one pair: grid by grid, row by row.
///
/// # Errors
///
/// Positions that the prompts haven't got, axes that a site hasn't got, more cells than can be kept
/// track of, a logit difference of a token to itself.
pub fn pair_sweep(
    fed: &FedPair,
    answers: &Answers,
    architecture: &Architecture,
    settings: &PairSettings,
) -> Result<Sweep, SweepError> {
    settings.check()?;
    if settings.metrics.contains(&PairMetric::LogitDiff) {
        answers.check_differ()?;
    }
    let mut sweep = Sweep { direction: settings.direction, ..Sweep::default() };
    let clean = sweep.request.push(Run::of_tokens("clean", &fed.clean.ids));
    let corrupted = sweep.request.push(Run::of_tokens("corrupted", &fed.corrupted.ids));
    let (base, source) = match settings.direction {
        Direction::Denoise => (corrupted, clean),
        Direction::Noise => (clean, corrupted),
    };
    (sweep.clean, sweep.corrupted, sweep.sources) = (vec![clean], vec![corrupted], vec![source]);
    let positions = settings.positions_of(fed)?;
    let request = &mut sweep.request;
    for grid in grids(settings, fed, architecture)? {
        for at in grid.cells(settings) {
            let changes = grid.copies(&at, &positions, architecture, settings.window, source);
            let run = match &settings.paths {
                // Cells of later keys don't exist.
                _ if at.position.is_some() && at.src_position > at.position => None,
                Some(paths) => paths.push(request, base, &at, changes, architecture.n_layers),
                None => Some(request.push(Run::variant(at.site.clone(), base, changes))),
            };
            sweep.cells.push(Cell { at, runs: run.into_iter().collect() });
        }
    }
    let measure = |metric: &PairMetric| {
        Measure::at_last(metric.of(answers.answer.id, answers.distractor.id, clean))
    };
    sweep.request.measures = settings.metrics.iter().map(measure).collect();
    if let (Some(paths), true) =
        (&settings.paths, sweep.cells.iter().all(|cell| cell.runs.is_empty()))
    {
        return Err(SweepError::NoPath { receivers: paths.names().join(",") });
    }
    let cells = sweep.cells.iter().flat_map(|cell| &cell.runs);
    sweep.request.measured = [clean, corrupted].iter().chain(cells).copied().collect();
    Ok(sweep)
}

/// Patches one pair: every cell under every metric.
///
/// # Errors
///
/// What keeps the pair from being patched at all; see [`pair_sweep`] and
/// [`tracewright_engine::execute`].
pub fn patch_pair(
    fed: &FedPair,
    model: &Model,
    settings: &PairSettings,
    execution: &Execution,
    progress: Progress<'_>,
) -> Result<Part, SweepError> {
    let answers = fed.answers(model)?;
    let sweep = pair_sweep(fed, &answers, model.architecture(), settings)?;
    let outcome = execute(model, &sweep.request, execution, progress)?;
    let scores: Vec<Scores<'_>> = (0..sweep.request.measures.len())
        .map(|measure| Scores::new(&sweep, &outcome, measure))
        .collect();
    let prompt = Prompt { case: &fed.pair.name, tokens: &fed.clean.texts, subject: &fed.subject };
    let rows_of = |scores: &Scores<'_>| -> Vec<Row> {
        sweep.cells.iter().map(|cell| scores.row(cell, &prompt)).collect()
    };
    let rows: Vec<Row> = scores.iter().flat_map(rows_of).collect();
    let baselines: Vec<Baseline> = scores.iter().map(Scores::baseline).collect();
    let mut cost = outcome.cost;
    cost += answers.cost;
    let (high_score, low_score) =
        baselines.first().map_or((0.0, 0.0), |first| (first.clean, first.corrupted));
    let grids = grids(settings, fed, model.architecture())?;
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
        samples: 1,
        cost: json!(cost),
        extra: json!(record(fed, &answers, settings, baselines, (&grids, &rows))?),
        ..CaseRecord::default()
    };
    Ok(Part { cases: vec![case], rows })
}
