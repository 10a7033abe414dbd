//! Figures over the cases of a pairs' sweep: heatmaps of the mean recovery, curves with bands, early, middle
//! and late layers.

use tracewright_results::{GroupMean, Grouped, Results, Row, grid_columns, group_by};

use crate::cell_labels::Labels;
use crate::drawing::Figure;
use crate::error::ReportError;
use crate::grids::{Grid, grids};
use crate::pair::PairReport;
use crate::regions::regions;

/// The figures of a sweep of several pairs, for each metric `averages_METRIC` (heatmaps) and
/// `averages_METRIC_curve` (layers at the subject's last token, or at all patched positions together); none for
/// fewer than two pairs, and for results that aren't of pairs.
///
/// # Errors
///
/// A pair whose grids aren't as large as their axes, and columns that the cells haven't got.
pub fn average_figures(results: &Results) -> Result<Vec<Figure>, ReportError> {
    let labels = Labels::new(&results.cases);
    let Some(record) = labels.cases.iter().find_map(|case| case.pair()) else {
        return Ok(Vec::new());
    };
    if labels.cases.len() < 2 {
        return Ok(Vec::new());
    }
    let report = PairReport::new(record)?;
    let averages = Averages { report: &report, labels: &labels };
    let means = means(results)?;
    let by_layer = grids(&means);
    let thirds = by_thirds(results)
        .map(|(results, names)| self::means(&results).map(|means| (means, names)))
        .transpose()?;
    let (by_third, names) = match &thirds {
        Some((means, names)) => (grids(means), names.as_slice()),
        None => (Vec::new(), [].as_slice()),
    };
    let mut metrics: Vec<String> = by_layer.iter().map(|grid| grid.of("metric")).collect();
    metrics.dedup();
    let figures = metrics.iter().flat_map(|metric| {
        let of = |grids| of_metric(grids, metric);
        averages.figures(metric, &of(&by_layer), (&of(&by_third), names))
    });
    Ok(figures.filter(|figure| !figure.is_empty()).collect())
}

fn of_metric<'a>(grids: &[Grid<'a, GroupMean>], metric: &str) -> Vec<Grid<'a, GroupMean>> {
    grids.iter().filter(|grid| grid.of("metric") == metric).cloned().collect()
}

fn means(results: &Results) -> Result<Grouped<GroupMean>, ReportError> {
    let means = group_by(results, &grid_columns(results));
    means.map_err(|error| ReportError::Averages(error.to_string()))
}

/// The results with thirds of the layers in the place of layers, and the thirds' names; none for fewer than three
/// layers. A case's cells of a third are averaged before cases are, so that intervals are over cases.
fn by_thirds(results: &Results) -> Option<(Results, Vec<String>)> {
    let layers = results.rows.iter().filter_map(|row| row.layer).max()? as usize + 1;
    let thirds = regions(&vec![None; layers]);
    let third = |layer: u32| {
        let found = thirds.iter().position(|third| third.layers.contains(&(layer as usize)));
        found.map(|third| third as u32)
    };
    // Heads, neurons and keys are no lines over layers.
    let lines = |row: &&Row| {
        [row.head, row.kv_head, row.neuron, row.src_position].iter().all(Option::is_none)
    };
    let row = |row: &Row| Row { layer: row.layer.and_then(third), ..row.clone() };
    let names = thirds.iter().map(|third| third.titled()).collect();
    let rows = results.rows.iter().filter(lines).map(row).collect();
    (!thirds.is_empty()).then(|| {
        (
            Results {
                rows,
                cases: results.cases.clone(),
                request: results.request.clone(),
                environment: results.environment.clone(),
                cost: None,
                finished: results.finished,
            },
            names,
        )
    })
}

/// What the figures are made with.
pub(crate) struct Averages<'a> {
    /// The first pair, in whose words all are told: their settings are the same.
    pub(crate) report: &'a PairReport,
    pub(crate) labels: &'a Labels<'a>,
}

impl Averages<'_> {
    /// The figures of one metric.
    fn figures(
        &self,
        metric: &str,
        grids: &[Grid<'_, GroupMean>],
        (by_third, names): (&[Grid<'_, GroupMean>], &[String]),
    ) -> [Figure; 2] {
        let quantity = self.report.quantity(metric).1;
        let means = grids.iter().flat_map(|grid| grid.cells.iter().flatten());
        let cases = match means.map(|mean| mean.n).max().unwrap_or(0) {
            1 => "one case".to_owned(),
            n => format!("mean over {n} cases"),
        };
        let heading = format!("{quantity}, {cases}");
        let figure = |name: String| Figure { name, heading: heading.clone(), ..Figure::default() };
        [
            Figure {
                heatmaps: self.heatmaps(grids, metric),
                ..figure(format!("averages_{metric}"))
            },
            Figure {
                curves: self.curves(grids),
                bars: self.bars(by_third, names),
                ..figure(format!("averages_{metric}_curve"))
            },
        ]
    }

    /// What is shown of a mean: how far patches move their runs, or from the clean run.
    pub(crate) fn shown(&self, mean: &GroupMean) -> Option<f64> {
        match () {
            () if self.report.is_between_others() => mean.effect,
            () if self.report.is_ablation() => Some(mean.value - mean.clean?),
            () => Some(self.report.moved(mean.recovery?)),
        }
    }

    /// Its interval over cases; none for a difference of two means.
    pub(crate) fn interval(&self, mean: &GroupMean) -> Option<(f64, f64)> {
        match () {
            () if self.report.is_between_others() => mean.effect_low.zip(mean.effect_high),
            () if self.report.is_ablation() => None,
            () => {
                let (low, high) = mean.recovery_low.zip(mean.recovery_high)?;
                let (a, b) = (self.report.moved(low), self.report.moved(high));
                Some((a.min(b), a.max(b)))
            }
        }
    }

    /// What is patched, into which run, and what else tells the grid from others.
    pub(crate) fn title(&self, grid: &Grid<'_, GroupMean>, what: &str) -> String {
        let at = grid.at.iter().map(|(axis, key)| format!(" at {}", self.labels.row(axis, key)));
        let at: String = at.collect();
        let place = self.together(grid);
        let patched = self.report.deed(&format!("{}{at}{place}", self.report.patched(what)));
        let corruption = match grid.of("corruption") {
            corruption if corruption.is_empty() => corruption,
            corruption => format!("; corrupted by {corruption}"),
        };
        let read = match grid.of("metric_position") {
            position if position.is_empty() => position,
            position => format!("; read at token {position}"),
        };
        format!("{patched}{corruption}{read}")
    }

    /// The positions that are patched together, where they aren't all of them.
    pub(crate) fn together(&self, grid: &Grid<'_, GroupMean>) -> &'static str {
        let axes = grid.rows.iter().chain(&grid.columns).map(|axis| axis.name);
        let places = axes.chain(grid.at.iter().map(|(name, _)| *name));
        let one_by_one = places.into_iter().any(|axis| ["position", "role"].contains(&axis));
        match one_by_one || self.report.at_positions().is_empty() {
            true => "",
            false => " at the chosen positions together",
        }
    }

    pub(crate) fn columns(&self, grid: &Grid<'_, GroupMean>) -> Vec<String> {
        match &grid.columns {
            Some(axis) => axis.keys.iter().map(|key| self.labels.column(axis.name, key)).collect(),
            None => vec!["–".to_owned()],
        }
    }
}
