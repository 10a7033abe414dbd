//! Figures over the cases of a pairs' sweep: heatmaps of the mean recovery, curves with bands, early, middle
//! and late layers.

use tracewright_results::{GroupMean, Grouped, Key, Results, Row, grid_columns, group_by};

use crate::colormap::Colormap;
use crate::curve::{Bars, Curve};
use crate::drawing::Figure;
use crate::error::ReportError;
use crate::grids::{Axis, Grid, Labels, grids};
use crate::heatmap::Heatmap;
use crate::pair::PairReport;
use crate::pair_figures::{MOST_CELLS, MOST_HEATMAPS, limit, shown};
use crate::regions::regions;
use crate::series::{Extent, Series};
use crate::ticks;

/// The figures of a sweep of several pairs, for each metric `averages_METRIC` (heatmaps) and
/// `averages_METRIC_curve` (layers at the subject's last token, or at all patched positions together); none for
/// fewer than two pairs, and for results that aren't of pairs.
///
/// # Errors
///
/// A pair whose grids aren't as large as their axes, and columns that the cells haven't got.
pub fn average_figures(results: &Results) -> Result<Vec<Figure>, ReportError> {
    let labels = Labels::new(&results.cases);
    let Some(record) = labels.0.iter().find_map(|case| case.pair()) else { return Ok(Vec::new()) };
    if labels.0.len() < 2 {
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
    let row = |row: &Row| Row { layer: row.layer.and_then(third), ..row.clone() };
    let names = thirds.iter().map(|third| third.titled()).collect();
    let rows = results.rows.iter().map(row).collect();
    (!thirds.is_empty()).then(|| (Results { rows, ..results.clone() }, names))
}

/// A title, lines by layer, and layers.
type Chart = (String, Vec<Series>, Vec<String>);

/// What the figures are made with.
struct Averages<'a> {
    /// The first pair, in whose words all are told: their settings are the same.
    report: &'a PairReport,
    labels: &'a Labels<'a>,
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
        let heading = format!("{quantity}, mean over {} pairs", self.labels.0.len());
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
    fn shown(&self, mean: &GroupMean) -> Option<f64> {
        match () {
            () if self.report.is_between_others() => mean.effect,
            () if self.report.is_ablation() => Some(mean.value - mean.clean?),
            () => Some(self.report.moved(mean.recovery?)),
        }
    }

    /// Its interval over cases; none for a difference of two means.
    fn interval(&self, mean: &GroupMean) -> Option<(f64, f64)> {
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

    /// A heatmap for each grid, or where grids are single rows one of all sites; none where they would be too many,
    /// or one of them too large.
    fn heatmaps(&self, grids: &[Grid<'_, GroupMean>], metric: &str) -> Vec<Heatmap> {
        let together: Vec<_> = grids.chunk_by(Grid::is_beside).collect();
        let is_large = |axis: &Axis<'_>| {
            let free = ["layer", "position"].contains(&axis.name);
            axis.keys.len() > MOST_CELLS && !free
        };
        let axes = grids.iter().flat_map(|grid| [&grid.rows, &grid.columns]);
        if together.len() > MOST_HEATMAPS || axes.flatten().any(is_large) {
            return Vec::new();
        }
        let alone = |part: &&[Grid<'_, GroupMean>]| part.iter().any(|grid| grid.cells.len() > 1);
        together.into_iter().filter(alone).map(|part| self.heatmap(part, grids, metric)).collect()
    }

    fn heatmap(
        &self,
        part: &[Grid<'_, GroupMean>],
        all: &[Grid<'_, GroupMean>],
        metric: &str,
    ) -> Heatmap {
        let first = &part[0];
        let of = |grid: &Grid<'_, GroupMean>| -> Vec<Option<f64>> {
            grid.cells.iter().map(|mean| self.shown((*mean)?)).collect()
        };
        let values: Vec<Option<f64>> = part.iter().flat_map(of).collect();
        // Slices of one site have one scale.
        let of_site =
            all.iter().filter(|grid| part.iter().any(|p| p.of("site") == grid.of("site")));
        let sizes = of_site.flat_map(of).flatten().map(f64::abs);
        let limit = limit(sizes, self.report.is_ablation());
        let known = || values.iter().flatten().copied();
        let range = match known().reduce(f64::min).zip(known().reduce(f64::max)) {
            Some((low, high)) => format!("; {} to {}", shown(low), shown(high)),
            None => String::new(),
        };
        let (what, rows) = match &first.rows {
            Some(axis) => (first.of("site"), self.rows(axis)),
            None if part.len() > 1 => {
                ("activations".to_owned(), part.iter().map(|grid| grid.of("site")).collect())
            }
            None => (first.of("site"), vec![first.of("site")]),
        };
        Heatmap {
            title: self.title(first, &what),
            x_label: format!("{}{range}", across(first.columns.as_ref())),
            colorbar_label: self.report.quantity(metric).0.to_owned(),
            rows,
            columns: self.columns(first),
            values,
            low: -limit,
            high: limit,
            colormap: Colormap::RedBlue,
            numbers: true,
        }
    }

    /// What is patched, into which run, and what else tells the grid from others.
    fn title(&self, grid: &Grid<'_, GroupMean>, what: &str) -> String {
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
    fn together(&self, grid: &Grid<'_, GroupMean>) -> &'static str {
        let axes = grid.rows.iter().chain(&grid.columns).map(|axis| axis.name);
        let places = axes.chain(grid.at.iter().map(|(name, _)| *name));
        let one_by_one = places.into_iter().any(|axis| ["position", "role"].contains(&axis));
        match one_by_one || self.report.at_positions().is_empty() {
            true => "",
            false => " at the chosen positions together",
        }
    }

    fn rows(&self, axis: &Axis<'_>) -> Vec<String> {
        axis.keys.iter().map(|key| self.labels.row(axis.name, key)).collect()
    }

    fn columns(&self, grid: &Grid<'_, GroupMean>) -> Vec<String> {
        match &grid.columns {
            Some(axis) => axis.keys.iter().map(|key| self.labels.column(axis.name, key)).collect(),
            None => vec!["–".to_owned()],
        }
    }

    /// A curve of all sites; with several corruptions a curve for each site, and a line for each corruption.
    fn curves(&self, grids: &[Grid<'_, GroupMean>]) -> Vec<Curve> {
        let named = |(title, mut lines, columns): Chart| {
            lines.iter_mut().for_each(|line| line.name = with_best(line));
            (title, lines, columns)
        };
        let curve = |(title, lines, columns)| Curve {
            title,
            x_label: match self.report.is_ablation() {
                true => "patched layer".to_owned(),
                false => "patched layer; bands are 95 % bootstrap intervals over cases".to_owned(),
            },
            columns,
            lines,
            extent: match self.report.is_ablation() {
                true => Extent::All,
                false => Extent::Recovery,
            },
            ..Curve::default()
        };
        self.charts(grids).into_iter().map(named).map(curve).collect()
    }

    /// The same for thirds of the layers, whose names are given.
    fn bars(&self, grids: &[Grid<'_, GroupMean>], names: &[String]) -> Vec<Bars> {
        let bars = |(title, mut series, columns): Chart| {
            series.iter_mut().for_each(|series| series.marked = None);
            let named = |column: &String| names.get(column.parse::<usize>().ok()?).cloned();
            Bars {
                title,
                x_label: "mean over layers; 95 % bootstrap intervals over cases".to_owned(),
                columns: columns.iter().filter_map(named).collect(),
                series,
                ..Bars::default()
            }
        };
        self.charts(grids).into_iter().map(bars).collect()
    }

    fn charts(&self, grids: &[Grid<'_, GroupMean>]) -> Vec<Chart> {
        let lines: Vec<(&Grid<'_, GroupMean>, Series)> =
            grids.iter().filter_map(|grid| Some((grid, self.line(grid)?))).collect();
        let corruptions = |grid: &Grid<'_, GroupMean>| grid.of("corruption");
        let several = lines.windows(2).any(|two| corruptions(two[0].0) != corruptions(two[1].0));
        let mut charts: Vec<Chart> = Vec::new();
        for (grid, line) in lines {
            let what = if several { grid.of("site") } else { "values".to_owned() };
            let name = if several { corruptions(grid) } else { grid.of("site") };
            let place = if grid.rows.is_some() { " at the subject's last token" } else { "" };
            let title = format!("{}{place}", self.report.deed(&what));
            let line = Series { name, ..line };
            let columns = self.columns(grid);
            match charts.iter_mut().find(|(other, _, at)| *other == title && *at == columns) {
                Some((_, lines, _)) => lines.push(line),
                None => charts.push((title, vec![line], columns)),
            }
        }
        charts
    }

    /// A grid by layer at the subject's last token, or at all positions together.
    fn line(&self, grid: &Grid<'_, GroupMean>) -> Option<Series> {
        let by_layer = grid.columns.as_ref().is_some_and(|axis| axis.name == "layer");
        let row = match &grid.rows {
            None => 0,
            Some(axis) => axis.keys.iter().position(|key| match key {
                Key::Text(role) => axis.name == "role" && role == "last_subject",
                Key::Number(at) => {
                    axis.name == "position" && Some(*at) == self.labels.last_subject()
                }
            })?,
        };
        if !by_layer || !grid.at.is_empty() {
            return None;
        }
        let cells = grid.row(row);
        let values: Vec<Option<f64>> = cells.iter().map(|mean| self.shown((*mean)?)).collect();
        let best = values.iter().enumerate().filter_map(|(layer, value)| Some((layer, (*value)?)));
        let best = best.reduce(|best, next| if next.1 > best.1 { next } else { best });
        Some(Series {
            name: String::new(),
            intervals: cells.iter().map(|mean| self.interval((*mean)?)).collect(),
            marked: best.map(|(layer, _)| layer).filter(|_| !self.report.is_ablation()),
            values,
            color: None,
        })
    }
}

/// A line's name with its best layer.
fn with_best(line: &Series) -> String {
    let best = line.marked.and_then(|layer| Some((layer, line.values[layer]?)));
    match best {
        Some((layer, value)) => {
            format!("{}: most at layer {layer}, {}", line.name, ticks::hundredths(value))
        }
        None => line.name.clone(),
    }
}

fn across(axis: Option<&Axis<'_>>) -> String {
    match axis.map(|axis| axis.name) {
        Some("src_position" | "src_role") => "key's token (queries down)".to_owned(),
        Some(axis) => format!("patched {axis}"),
        None => String::new(),
    }
}
