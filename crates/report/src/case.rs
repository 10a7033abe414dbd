//! A case of a results folder as figures and words.

use tracewright_results::{CaseRecord, KindGrid, Row};

use crate::colors::Palette;
use crate::curve::Bars;
use crate::drawing::Figure;
use crate::error::ReportError;
use crate::figure::{draw_png, draw_svg, heading};
use crate::heatmap::{Heatmap, RomeGrid, RomeKind};
use crate::label::{quoted, token_labels};
use crate::peaks::{EffectGrid, Peak};
use crate::series::Series;
use crate::summary::{Severed, TraceResult, summary};

/// What can be shown of a traced case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseReport {
    /// One heatmap for each kind, in the order in which they were asked for; none where the model
    /// answered wrongly.
    pub heatmaps: Vec<Heatmap>,
    /// Of a trace with severed paths the effect of a state at the last subject token, layer by layer.
    bars: Option<Bars>,
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
        let tokens = token_labels(&case.tokens, &case.prompt);
        let heatmap = |grid: &EffectGrid| {
            Heatmap::rome(&RomeGrid {
                kind: grid.kind,
                values: &grid.values,
                low_score: case.low_score,
                tokens: &tokens,
                subject: subject.clone(),
                answer: &case.answer,
                window: case.window,
                model,
            })
        };
        Ok(Self {
            heatmaps: grids.iter().map(heatmap).collect::<Result<_, _>>()?,
            bars: bars(case, rows),
            heading: heading(&case.prompt, &case.answer),
            result: TraceResult {
                answer: case.answer.clone(),
                expected: case.expected.clone(),
                correct_prediction: case.correct_prediction,
                high_score: case.high_score,
                low_score: case.low_score,
                tokens,
                subject,
                grids,
                severed: case.grids.iter().filter_map(|grid| severed(grid, rows)).collect(),
            },
        })
    }

    /// Its figures: the heatmaps, without a name of their own, and `severed`, the bars of severed paths.
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |name: &str| {
            let (name, heading) = (name.to_owned(), self.heading.clone());
            Figure { name, heading, ..Figure::default() }
        };
        let heatmaps = Figure { heatmaps: self.heatmaps.clone(), ..figure("") };
        let severed = Figure { bars: Vec::from_iter(self.bars.clone()), ..figure("severed") };
        [heatmaps, severed].into_iter().filter(|figure| !figure.is_empty()).collect()
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

/// ROME's figure 3 for one prompt: how much a state restored at the last subject token raises the answer's
/// probability, as it is and where it can't act through a module. None where no path was severed.
fn bars(case: &CaseRecord, rows: &[Row]) -> Option<Bars> {
    let last = case.subject_range.as_ref()?.end.checked_sub(1)?;
    let bars = |grid: &KindGrid| {
        let (name, color) = severed_name(&grid.kind)?;
        let at_last = |row: &&Row| row.position.is_none_or(|at| at as usize == last);
        let rows: Vec<&Row> = of_grid(grid, rows).into_iter().filter(at_last).collect();
        let gain = |value: f64| value - case.low_score;
        let interval = |row: &&Row| Some((gain(row.low?), gain(row.high?)));
        Some(Series {
            name: name.to_owned(),
            values: rows.iter().map(|row| row.value.map(gain)).collect(),
            intervals: rows.iter().map(interval).collect(),
            marked: None,
            color: Some(color),
        })
    };
    let mut series: Vec<Series> = case.grids.iter().filter_map(bars).collect();
    let severed = case.grids.iter().any(|grid| grid.kind.starts_with("severed_"));
    series.sort_by_key(|series| series.color);
    let layers = series.first()?.values.len();
    (severed && case.correct_prediction && layers > 0).then(|| Bars {
        title: format!(
            "Effect of a state at the last subject token, {}",
            quoted(case.tokens.texts.get(last).map_or("", String::as_str))
        ),
        x_label: match case.samples {
            0 | 1 => "single restored layer; effect in probability".to_owned(),
            n => format!(
                "single restored layer; effect in probability, 95 % intervals over {n} noise samples"
            ),
        },
        columns: (0..layers).map(|layer| layer.to_string()).collect(),
        series,
        palette: Palette::Rome,
    })
}

/// What ROME's figure 3 calls a kind, and its place there; none for those that aren't in it.
pub(crate) fn severed_name(kind: &str) -> Option<(&'static str, usize)> {
    match kind {
        "hidden" => Some(("effect of a single state", 0)),
        "severed_attn" => Some(("effect with Attn severed", 1)),
        "severed_mlp" => Some(("effect with MLP severed", 2)),
        _ => None,
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
    let kind = RomeKind::of_name(&grid.kind)?;
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
