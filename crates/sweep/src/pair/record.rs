//! What a pair's JSON file says.

use tracewright_ir::Direction;
use tracewright_results::{Baseline, PairGrid, PairPrompt, PairRecord, Row, SubjectCurve};

use super::answers::Answers;
use super::prompts::FedPair;
use super::settings::{PairSettings, Per};

/// The record of a pair whose rows come metric by metric, site by site, in the order of positions
/// and layers.
pub(super) fn record(
    fed: &FedPair,
    answers: &Answers,
    settings: &PairSettings,
    baselines: Vec<Baseline>,
    (positions, layers, rows): (Vec<usize>, usize, &[Row]),
) -> PairRecord {
    let down = if settings.has(Per::Position) { positions.len() } else { 1 };
    let across = if settings.has(Per::Layer) { layers } else { 1 };
    let grids: Vec<PairGrid> =
        rows.chunks(down * across).filter_map(|rows| grid(rows, across)).collect();
    PairRecord {
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
        subject_curves: curves(&grids, settings, &positions, fed.subject.end - 1),
        positions,
        baselines,
        grids,
    }
}

fn grid(rows: &[Row], across: usize) -> Option<PairGrid> {
    let first = rows.first()?;
    let value = |row: &Row| row.value.unwrap_or(f64::NAN);
    Some(PairGrid {
        site: first.site.clone(),
        metric: first.metric.clone(),
        values: rows.chunks(across).map(|rows| rows.iter().map(value).collect()).collect(),
        recovery: rows
            .chunks(across)
            .map(|rows| rows.iter().map(|row| row.recovery).collect())
            .collect(),
    })
}

/// Each grid's row at the subject's last token, or its only one.
fn curves(
    grids: &[PairGrid],
    settings: &PairSettings,
    positions: &[usize],
    subject_last: usize,
) -> Vec<SubjectCurve> {
    let (row, position) = match positions.iter().position(|position| *position == subject_last) {
        _ if !settings.has(Per::Layer) => return Vec::new(),
        _ if !settings.has(Per::Position) => (0, None),
        Some(row) => (row, Some(subject_last)),
        None => return Vec::new(),
    };
    let curve = |grid: &PairGrid| {
        let recovery = grid.recovery.get(row)?.clone();
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
