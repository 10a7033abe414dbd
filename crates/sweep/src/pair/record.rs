//! What a pair's JSON file says.

use tracewright_ir::Direction;
use tracewright_results::{
    Baseline, PairGrid, PairPrompt, PairRecord, Row, SubjectCurve, TopTokens,
};

use super::answers::Answers;
use super::grid::Grid;
use super::measures::Reported;
use super::paths::Paths;
use super::prompts::FedPair;
use super::settings::{PairSettings, Per};
use crate::error::SweepError;

/// What a pair's sweep has found: rows by reported number, then grid.
pub(super) struct Shown<'a> {
    pub(super) grids: &'a [Grid],
    pub(super) reported: &'a [Reported],
    pub(super) rows: &'a [Row],
    pub(super) baselines: Vec<Baseline>,
    pub(super) top: Vec<TopTokens>,
    pub(super) model: &'a str,
}

/// The record of a pair.
///
/// # Errors
///
/// Positions that the prompts haven't got.
pub(super) fn record(
    fed: &FedPair,
    answers: &Answers,
    settings: &PairSettings,
    shown: Shown<'_>,
) -> Result<PairRecord, SweepError> {
    let cells: usize = shown.grids.iter().map(Grid::len).sum();
    let of_metric = |(reported, mut rows): (&Reported, &[Row])| -> Vec<PairGrid> {
        let mut next = |grid: &Grid| {
            let (first, rest) = rows.split_at(grid.len());
            rows = rest;
            recorded(grid, reported, first)
        };
        shown.grids.iter().map(&mut next).collect()
    };
    let of_metrics = shown.reported.iter().zip(shown.rows.chunks(cells.max(1)));
    let grids: Vec<PairGrid> = of_metrics.flat_map(of_metric).collect();
    let other = match fed.has_other_prompts() {
        true => fed.pair.corrupted.first().cloned(),
        false => None,
    };
    let tokens = fed.corrupted_tokens().clone();
    let substituted = || tokens.texts.concat();
    Ok(PairRecord {
        model: shown.model.to_owned(),
        clean: PairPrompt {
            prompt: fed.pair.clean.clone(),
            tokens: fed.clean.clone(),
            prediction: answers.clean.clone(),
        },
        corrupted: PairPrompt {
            prompt: match fed.words.is_some() && fed.has_other_prompts() {
                true => substituted(),
                false => other.unwrap_or_else(|| fed.pair.clean.clone()),
            },
            tokens: tokens.clone(),
            prediction: answers.corrupted.clone(),
        },
        corruption: fed.words.clone(),
        samples: fed.samples(),
        align: (!fed.aligned()).then(|| fed.align.name().to_owned()),
        change: settings.change.to_string(),
        base: settings.base.clone(),
        source: settings.source.clone(),
        direction: settings.direction,
        subject_range: fed.subject.clone(),
        subject_given: fed.pair.subject.is_some(),
        answer: answers.answer.clone(),
        distractor: answers.distractor.clone(),
        others: answers.others.clone(),
        per: settings.per.iter().map(|axis| axis.name().to_owned()).collect(),
        subject_curves: curves(&grids, settings, fed.subject.end - 1),
        positions: settings.positions_of(fed)?,
        window: settings.window,
        freeze_mlp: settings.paths.as_ref().is_some_and(|paths| paths.freeze_mlp),
        by_group: settings.paths.as_ref().is_some_and(|paths| paths.by_group),
        receivers: settings.paths.as_ref().map(Paths::names).unwrap_or_default(),
        baselines: shown.baselines,
        grids,
        top: shown.top,
    })
}

fn recorded(grid: &Grid, reported: &Reported, rows: &[Row]) -> PairGrid {
    let lines = || rows.chunks(grid.across());
    PairGrid {
        site: grid.name(),
        metric: reported.label(),
        at: grid.at.iter().map(|(per, index)| (grid.axis_name(*per).to_owned(), *index)).collect(),
        rows: grid.axis(grid.rows.as_ref()),
        columns: grid.axis(grid.columns.as_ref()),
        values: lines().map(|rows| rows.iter().map(|row| row.value).collect()).collect(),
        recovery: lines().map(|rows| rows.iter().map(|row| row.recovery).collect()).collect(),
        effect: lines().map(|rows| rows.iter().map(|row| row.effect).collect()).collect(),
    }
}

/// The row at the subject's last token, or the only one, of each grid with layers across.
fn curves(grids: &[PairGrid], settings: &PairSettings, subject_last: usize) -> Vec<SubjectCurve> {
    let curve = |grid: &PairGrid| {
        let across = grid.columns.as_ref()?;
        if across.axis != Per::Layer.name() || across.indices.len() < 2 {
            return None;
        }
        let (row, position) = match &grid.rows {
            None => (0, None),
            Some(rows) if rows.axis == Per::Position.name() => {
                (rows.indices.iter().position(|p| *p == subject_last)?, Some(subject_last))
            }
            Some(_) => return None,
        };
        let recovery = grid.recovery.get(row).filter(|_| grid.at.is_empty())?.clone();
        Some(SubjectCurve {
            site: grid.site.clone(),
            metric: grid.metric.clone(),
            position,
            best_layer: best(&recovery, settings.direction),
            recovery,
        })
    };
    grids.iter().filter_map(curve).collect()
}

/// Where denoising recovers most, or noising leaves least.
fn best(recovery: &[Option<f64>], direction: Direction) -> Option<usize> {
    let moved = |recovery: f64| match direction {
        Direction::Denoise => recovery,
        Direction::Noise => -recovery,
    };
    let known = recovery.iter().enumerate().filter_map(|(layer, r)| Some((layer, moved((*r)?))));
    let best = known.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    Some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_layer_is_the_first_that_moves_most() {
        let recovery = [Some(0.5), None, Some(0.9), Some(0.9), Some(-0.3)];
        assert_eq!(best(&recovery, Direction::Denoise), Some(2));
        assert_eq!(best(&recovery, Direction::Noise), Some(4));
        assert_eq!(best(&[None], Direction::Noise), None);
    }
}
