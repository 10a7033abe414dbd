//! A case of a results folder as figures and words.

use tracewright_results::{CaseRecord, KindGrid, Row};

use crate::error::ReportError;
use crate::figure::{draw_png, draw_svg, heading};
use crate::heatmap::{Heatmap, RomeGrid, RomeKind};
use crate::peaks::{EffectGrid, Peak};
use crate::summary::{Severed, TraceResult, summary};

/// What can be shown of a traced case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseReport {
    /// One heatmap for each kind, in the order in which they were asked for; none where the model
    /// answered wrongly.
    pub heatmaps: Vec<Heatmap>,
    heading: String,
    result: TraceResult,
}

impl CaseReport {
    /// Takes a case's figures from its rows; `model` is the name that axes carry.
    ///
    /// # Errors
    ///
    /// Rows that aren't a grid of tokens × layers.
    pub fn new(case: &CaseRecord, rows: &[Row], model: &str) -> Result<Self, ReportError> {
        let subject = case.subject_range.clone().unwrap_or(0..0);
        let traced = case.grids.iter().filter(|_| case.correct_prediction && !rows.is_empty());
        let grids: Vec<EffectGrid> = traced.filter_map(|grid| effects(case, grid, rows)).collect();
        let heatmap = |grid: &EffectGrid| {
            Heatmap::rome(&RomeGrid {
                kind: grid.kind,
                values: &grid.values,
                low_score: case.low_score,
                tokens: &case.tokens.texts,
                subject: subject.clone(),
                answer: &case.answer,
                window: case.window,
                model,
            })
        };
        Ok(Self {
            heatmaps: grids.iter().map(heatmap).collect::<Result<_, _>>()?,
            heading: heading(&case.prompt, &case.answer),
            result: TraceResult {
                answer: case.answer.clone(),
                expected: case.expected.clone(),
                correct_prediction: case.correct_prediction,
                high_score: case.high_score,
                low_score: case.low_score,
                tokens: case.tokens.texts.clone(),
                subject,
                grids,
                severed: case.grids.iter().filter_map(|grid| severed(grid, rows)).collect(),
            },
        })
    }

    /// All heatmaps side by side.
    ///
    /// # Errors
    ///
    /// [`ReportError::NoPanels`] for a case without any.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        draw_png(&self.heatmaps, &self.heading)
    }

    /// All heatmaps side by side.
    ///
    /// # Errors
    ///
    /// [`ReportError::NoPanels`] for a case without any.
    pub fn svg(&self) -> Result<String, ReportError> {
        draw_svg(&self.heatmaps, &self.heading)
    }

    /// The strongest cell of each kind that was traced, as [`CaseReport::summary`] names it; none
    /// where the corruption has no effect.
    pub fn strongest(&self) -> Vec<(RomeKind, Peak)> {
        let result = &self.result;
        let tokens = result.tokens.len();
        let peak = |grid: &EffectGrid| {
            let layers = grid.check(tokens).ok()?;
            let peak = match grid.kind {
                RomeKind::Hidden => result.hidden_peak(grid, layers),
                RomeKind::Mlp | RomeKind::Attn => grid.peak(0..tokens, layers, result.low_score),
            };
            Some((grid.kind, peak?))
        };
        result.grids.iter().filter(|_| result.has_effect()).filter_map(peak).collect()
    }

    /// What the case shows, in a few sentences.
    ///
    /// # Errors
    ///
    /// A subject that isn't in the prompt.
    pub fn summary(&self) -> Result<String, ReportError> {
        summary(&self.result)
    }
}

/// A severed trace, in the order of layers.
fn severed(grid: &KindGrid, rows: &[Row]) -> Option<Severed> {
    let module = match grid.kind.as_str() {
        "severed_mlp" => RomeKind::Mlp,
        "severed_attn" => RomeKind::Attn,
        _ => return None,
    };
    let values = of_grid(grid, rows).iter().map(|row| row.value.unwrap_or(f64::NAN)).collect();
    Some(Severed { module, values })
}

/// The grid of one kind, in the order of positions and layers.
fn effects(case: &CaseRecord, grid: &KindGrid, rows: &[Row]) -> Option<EffectGrid> {
    let kind = match grid.kind.as_str() {
        "hidden" => RomeKind::Hidden,
        "mlp" => RomeKind::Mlp,
        "attn" => RomeKind::Attn,
        _ => return None,
    };
    let rows = of_grid(grid, rows);
    let std: Option<Vec<f64>> = rows.iter().map(|row| row.std).collect();
    Some(EffectGrid {
        kind,
        window: if kind == RomeKind::Hidden { 1 } else { case.window },
        values: rows.iter().map(|row| row.value.unwrap_or(f64::NAN)).collect(),
        std,
        samples: case.samples as u32,
    })
}

/// A grid's rows in the order of positions and layers.
fn of_grid<'a>(grid: &KindGrid, rows: &'a [Row]) -> Vec<&'a Row> {
    let ours = |row: &&Row| {
        row.kind.as_deref() == Some(&grid.kind)
            && row.site == grid.site
            && row.metric == grid.metric
    };
    let mut rows: Vec<&Row> = rows.iter().filter(ours).collect();
    rows.sort_by_key(|row| (row.position, row.layer));
    rows
}
