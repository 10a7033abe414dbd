//! A sweep's means as curves with bands over layers, and as bars of early, middle and late ones.

use tracewright_results::{GroupMean, Key};

use crate::average_figures::Averages;
use crate::curve::{Bars, Curve};
use crate::grids::Grid;
use crate::series::{Extent, Series};
use crate::ticks;

/// Where the best layer recovers less, none is marked.
const LEAST: f64 = 0.005;

/// A title, lines by layer, and layers.
type Chart = (String, Vec<Series>, Vec<String>);

impl Averages<'_> {
    /// A curve of all sites; with several corruptions a curve for each site, and a line for each corruption.
    pub(crate) fn curves(&self, grids: &[Grid<'_, GroupMean>]) -> Vec<Curve> {
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
    pub(crate) fn bars(&self, grids: &[Grid<'_, GroupMean>], names: &[String]) -> Vec<Bars> {
        let bars = |(title, mut series, columns): Chart| {
            series.iter_mut().for_each(|series| series.marked = None);
            let named = |column: &String| names.get(column.parse::<usize>().ok()?).cloned();
            Bars {
                title,
                x_label: match self.report.is_ablation() {
                    true => "mean over layers".to_owned(),
                    false => "mean over layers; 95 % bootstrap intervals over cases".to_owned(),
                },
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
            let together = grid.rows.is_none() && grid.at.is_empty();
            let place = if together { self.together(grid) } else { " at the subject's last token" };
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

    /// Whether this is where the subject ends.
    fn is_last_subject(&self, (axis, key): (&str, &Key)) -> bool {
        match key {
            Key::Text(role) => axis == "role" && role == "last_subject",
            Key::Number(at) => axis == "position" && Some(*at) == self.labels.last_subject(),
        }
    }

    /// A grid by layer at the subject's last token, or at all positions together.
    fn line(&self, grid: &Grid<'_, GroupMean>) -> Option<Series> {
        let by_layer = grid.columns.as_ref().is_some_and(|axis| axis.name == "layer");
        let row = match &grid.rows {
            None => 0,
            Some(axis) => {
                axis.keys.iter().position(|key| self.is_last_subject((axis.name, key)))?
            }
        };
        if !by_layer || !grid.at.iter().all(|at| self.is_last_subject(*at)) {
            return None;
        }
        let ablation = self.report.is_ablation();
        let cells = grid.row(row);
        let values: Vec<Option<f64>> = cells.iter().map(|mean| self.shown((*mean)?)).collect();
        let best = values.iter().enumerate().filter_map(|(layer, value)| Some((layer, (*value)?)));
        let best = best.reduce(|best, next| if next.1 > best.1 { next } else { best });
        Some(Series {
            name: String::new(),
            intervals: cells.iter().map(|mean| self.interval((*mean)?)).collect(),
            marked: best.filter(|(_, most)| *most >= LEAST && !ablation).map(|(layer, _)| layer),
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
