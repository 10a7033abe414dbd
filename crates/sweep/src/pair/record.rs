//! What a pair's JSON file says.

use tracewright_ir::Direction;
use tracewright_results::{Baseline, PairGrid, PairPrompt, PairRecord, Row, SubjectCurve};

use super::answers::Answers;
use super::grid::Grid;
use super::paths::Paths;
use super::prompts::FedPair;
use super::settings::{PairSettings, Per};
use crate::error::SweepError;

/// The record of a pair whose rows come metric by metric, grid by grid.
///
/// # Errors
///
/// Positions that the prompts haven't got.
pub(super) fn record(
    fed: &FedPair,
    answers: &Answers,
    settings: &PairSettings,
    baselines: Vec<Baseline>,
    (grids, rows): (&[Grid], &[Row]),
) -> Result<PairRecord, SweepError> {
    let cells: usize = grids.iter().map(Grid::len).sum();
    let of_metric = |mut rows: &[Row]| -> Vec<PairGrid> {
        let mut next = |grid: &Grid| {
            let (first, rest) = rows.split_at(grid.len());
            rows = rest;
            recorded(grid, first)
        };
        grids.iter().map(&mut next).collect()
    };
    let grids: Vec<PairGrid> = rows.chunks(cells.max(1)).flat_map(of_metric).collect();
    Ok(PairRecord {
        clean: PairPrompt {
            prompt: fed.pair.clean.clone(),
            tokens: fed.clean.clone(),
            prediction: answers.clean.clone(),
        },
        corrupted: PairPrompt {
            prompt: fed.pair.corrupted.clone(),
            tokens: fed.corrupted.clone(),
            prediction: answers.corrupted.clone(),
        },
        direction: settings.direction,
        subject_range: fed.subject.clone(),
        subject_given: fed.pair.subject.is_some(),
        answer: answers.answer.clone(),
        distractor: answers.distractor.clone(),
        per: settings.per.iter().map(|axis| axis.name().to_owned()).collect(),
        subject_curves: curves(&grids, settings, fed.subject.end - 1),
        positions: settings.positions_of(fed)?,
        window: settings.window,
        freeze_mlp: settings.paths.as_ref().is_some_and(|paths| paths.freeze_mlp),
        receivers: settings.paths.as_ref().map(Paths::names).unwrap_or_default(),
        baselines,
        grids,
    })
}

fn recorded(grid: &Grid, rows: &[Row]) -> PairGrid {
    let lines = || rows.chunks(grid.across());
    PairGrid {
        site: grid.site.short_name(),
        metric: rows[0].metric.clone(),
        at: grid.at.iter().map(|(per, index)| (per.name().to_owned(), *index)).collect(),
        rows: Grid::axis(grid.rows.as_ref()),
        columns: Grid::axis(grid.columns.as_ref()),
        values: lines().map(|rows| rows.iter().map(|row| row.value).collect()).collect(),
        recovery: lines().map(|rows| rows.iter().map(|row| row.recovery).collect()).collect(),
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
