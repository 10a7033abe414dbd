//! The figures of a pair: heatmaps of recovery (or, of noising, of what is destroyed), and the
//! subject's curves.

use tracewright_results::{GridAxis, PairGrid, PairRecord, SubjectCurve};

use crate::colormap::Colormap;
use crate::curve::Curve;
use crate::drawing::Figure;
use crate::heatmap::Heatmap;
use crate::label::visible;
use crate::pair::PairReport;
use crate::regions::{Region, regions};
use crate::series::Series;
use crate::ticks;

/// The ends of a recovery's colours at least and at most: a faint field isn't drawn as a strong one,
/// and more than everything (or less than nothing) has the colour of everything.
const LIMITS: (f64, f64) = (0.1, 1.0);
/// More heatmaps than this, or rows or columns of one, aren't drawn: nobody could read them.
pub(crate) const MOST_HEATMAPS: usize = 24;
pub(crate) const MOST_CELLS: usize = 128;
/// A scale ends at a multiple of this.
const STEP: f64 = 0.05;

/// How heatmaps are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Red over white to blue, zero in the middle, with numbers in the cells where they have room.
    #[default]
    Diverging,
    /// White to purple, from 0 to 1; what lies outside has the colour of the end, and the range is told.
    Clipped,
}

impl Style {
    fn suffix(self) -> &'static str {
        match self {
            Self::Diverging => "",
            Self::Clipped => "_clipped",
        }
    }
}

impl PairReport {
    /// The figures: for each metric the heatmaps of all grids, and the subject's curves, where layers stand
    /// across.
    ///
    /// A figure's name is the metric, with `_curve` for the subject's curves.
    pub fn figures(&self, style: Style) -> Vec<Figure> {
        let heading = self.heading();
        let figure = |name: String, heatmaps, curves| {
            let heading = heading.clone();
            Figure { name, heading, heatmaps, curves, ..Figure::default() }
        };
        let of_metric = |metric: &str| {
            let curves = Vec::from_iter(self.curve(metric));
            let mut heatmaps = self.heatmaps(metric, style);
            let flat =
                !self.is_ablation() && self.of_metric(metric).all(|grid| grid.rows.is_none());
            let drawn = self.record().subject_curves.iter().filter(|curve| curve.metric == metric);
            let drawn = drawn.count();
            if flat && drawn == 1 && self.of_metric(metric).count() == 1 {
                // A line says as much as a single row.
                heatmaps.clear();
            }
            [
                figure(format!("{metric}{}", style.suffix()), heatmaps, Vec::new()),
                figure(format!("{metric}_curve"), Vec::new(), curves),
            ]
        };
        let drawn = |figure: &Figure| !figure.is_empty();
        let metrics = self.record().baselines.iter().map(|baseline| baseline.metric.as_str());
        metrics.flat_map(of_metric).filter(drawn).collect()
    }

    fn of_metric(&self, metric: &str) -> impl Iterator<Item = &PairGrid> {
        self.record().grids.iter().filter(move |grid| grid.metric == metric)
    }

    /// How far each patch moves one metric: a heatmap for each grid, or where grids are single rows one of
    /// all sites, sites down. None where they would be more than 24, or one of them more than 128 cells long.
    pub fn heatmaps(&self, metric: &str, style: Style) -> Vec<Heatmap> {
        let grids: Vec<&PairGrid> = self.of_metric(metric).collect();
        let together = |a: &&PairGrid, b: &&PairGrid| {
            a.rows.is_none() && b.rows.is_none() && a.columns == b.columns && a.at == b.at
        };
        if grids.iter().any(|grid| is_large(grid))
            || grids.chunk_by(together).count() > MOST_HEATMAPS
        {
            return Vec::new();
        }
        grids.chunk_by(together).map(|grids| self.heatmap(metric, grids, style)).collect()
    }

    /// Grids of one row each, or a single one of several.
    fn heatmap(&self, metric: &str, grids: &[&PairGrid], style: Style) -> Heatmap {
        let first = grids[0];
        let across = first.columns.as_ref().map(|axis| axis.axis.as_str());
        let keys_across = across == Some("src_position");
        let (rows, what) = match &first.rows {
            Some(axis) => (self.labels(axis, keys_across), self.patched(&first.site)),
            None => {
                (grids.iter().map(|grid| grid.site.clone()).collect(), self.patched("activations"))
            }
        };
        let values: Vec<Option<f64>> = grids.iter().flat_map(|grid| self.cells(grid)).collect();
        let known = || values.iter().flatten().copied();
        let range = known().reduce(f64::min).zip(known().reduce(f64::max));
        // Slices of one site have one scale.
        let of_site = self.of_metric(metric).filter(|grid| grid.site == first.site);
        let all = of_site.chain(grids.iter().copied()).flat_map(|grid| self.cells(grid));
        let sizes = all.flatten().map(f64::abs);
        let limit = limit(sizes, self.is_ablation());
        let (name, quantity) = self.quantity(metric);
        let range = match range {
            Some((low, high)) if self.differs(metric) => {
                format!("{quantity}: {}", span(low, high))
            }
            None if !self.record().receivers.is_empty() => {
                format!("no path leads to {}", self.record().receivers.join(", "))
            }
            _ => format!("{metric} is hardly different in the two runs"),
        };
        let at: Vec<(&str, usize)> = first.at.iter().map(|(axis, i)| (axis.as_str(), *i)).collect();
        Heatmap {
            title: self.deed(&format!("{what}{}{}", self.places(&at), self.at_positions())),
            x_label: format!("{}; {range}", self.x_label(first)),
            colorbar_label: name.to_owned(),
            columns: self.columns(first),
            rows,
            values,
            low: if style == Style::Clipped { 0.0 } else { -limit },
            high: if style == Style::Clipped { 1.0 } else { limit },
            colormap: match style {
                Style::Diverging => Colormap::RedBlue,
                Style::Clipped => Colormap::Purples,
            },
            numbers: style == Style::Diverging,
        }
    }

    /// The labels of an axis that stands down.
    fn labels(&self, axis: &GridAxis, numbered: bool) -> Vec<String> {
        let label = |index: &usize| match axis.axis.as_str() {
            "position" if numbered => format!("{index} {}", self.label("position", *index)),
            "position" => self.label("position", *index),
            "src_position" => format!("key {}", self.label("src_position", *index)),
            other => format!("{other} {index}"),
        };
        axis.indices.iter().map(label).collect()
    }

    /// How far one metric is moved by layer, a line for each site.
    fn curve(&self, metric: &str) -> Option<Curve> {
        if self.is_ablation() || self.is_between_others() {
            return None;
        }
        let of_metric = |curve: &&SubjectCurve| curve.metric == metric;
        let curves = || self.record().subject_curves.iter().filter(of_metric);
        let place = match curves().next()?.position {
            Some(position) => {
                format!(
                    "the subject's last token ({})",
                    visible(self.tokens().get(position)?.trim())
                )
            }
            None => self.together(),
        };
        let line = |curve: &SubjectCurve| Series {
            name: self.named(curve),
            values: self.moved_by(curve),
            marked: curve.best_layer,
            ..Series::default()
        };
        let name = self.quantity(metric).0;
        let deed = self.deed("values");
        let title =
            format!("{name} of {metric}: {} at {place}", deed[..1].to_lowercase() + &deed[1..]);
        let by_layer = |grid: &&PairGrid| {
            let several = |columns: &GridAxis| columns.axis == "layer" && columns.indices.len() > 1;
            grid.columns.as_ref().is_some_and(several)
        };
        let grid = self.record().grids.iter().find(by_layer)?;
        Some(Curve {
            title: title[..1].to_uppercase() + &title[1..],
            x_label: match self.thirds(metric) {
                thirds if thirds.is_empty() => "patched layer".to_owned(),
                thirds => format!("patched layer; {thirds}"),
            },
            columns: self.columns(grid),
            lines: curves().map(line).collect(),
            ..Curve::default()
        })
    }

    /// The mean over early, middle and late layers, where there is one curve.
    fn thirds(&self, metric: &str) -> String {
        let mut curves = self.record().subject_curves.iter().filter(|c| c.metric == metric);
        let (Some(curve), None) = (curves.next(), curves.next()) else { return String::new() };
        let thirds = regions(&self.moved_by(curve));
        thirds.iter().map(Region::words).collect::<Vec<_>>().join(", ")
    }

    /// Early, middle and late layers of each of the first metric's curves, in words.
    pub fn regions(&self) -> Vec<String> {
        let first = self.record().baselines.first().map_or("", |baseline| baseline.metric.as_str());
        let curves = self.record().subject_curves.iter().filter(|curve| curve.metric == first);
        let words = |curve: &SubjectCurve| {
            let thirds = regions(&self.moved_by(curve));
            let thirds: Vec<String> = thirds.iter().map(Region::words).collect();
            format!("{} by layers: {}", curve.site, thirds.join(", "))
        };
        match self.is_ablation() || self.is_between_others() || !self.differs(first) {
            true => Vec::new(),
            false => curves.map(words).collect(),
        }
    }

    /// A curve's site and best layer.
    fn named(&self, curve: &SubjectCurve) -> String {
        let moved = self.moved_by(curve);
        let marked = |layer: usize| Some((layer, moved.get(layer).copied().flatten()?));
        match curve.best_layer.and_then(marked) {
            Some((layer, value)) => {
                format!("{}: most at layer {layer}, {}", curve.site, ticks::hundredths(value))
            }
            None => curve.site.clone(),
        }
    }

    fn moved_by(&self, curve: &SubjectCurve) -> Vec<Option<f64>> {
        curve.recovery.iter().map(|recovery| recovery.map(|r| self.moved(r))).collect()
    }

    fn columns(&self, grid: &PairGrid) -> Vec<String> {
        match &grid.columns {
            Some(axis) => axis.indices.iter().map(usize::to_string).collect(),
            None if self.layers_together(grid) => vec!["all".to_owned()],
            None => vec!["–".to_owned()],
        }
    }

    fn x_label(&self, grid: &PairGrid) -> String {
        match grid.columns.as_ref().map(|axis| axis.axis.as_str()) {
            Some("src_position") => "key's position (queries down)".to_owned(),
            Some(axis) => format!("patched {axis}"),
            None if self.layers_together(grid) => "patched layers".to_owned(),
            None => format!("patched {}", grid.site),
        }
    }

    fn heading(&self) -> String {
        let both = |a: &str, b: &str| match a == b {
            true => a.to_owned(),
            false => format!("{a} / {b}"),
        };
        let PairRecord { clean, corrupted, answer, distractor, corruption, .. } = self.record();
        let prompts = both(clean.prompt.trim(), corrupted.prompt.trim());
        let prompts = match corruption {
            Some(words) => format!("{prompts} ({words})"),
            None => prompts,
        };
        let answers = match self.is_ablation() {
            true => answer.text.trim().to_owned(),
            false => both(answer.text.trim(), distractor.text.trim()),
        };
        format!("{prompts} → {answers}")
    }
}

/// Where a scale of values of these sizes ends: of a recovery, or in the metric's own unit.
pub(crate) fn limit(sizes: impl Iterator<Item = f64>, own_unit: bool) -> f64 {
    match own_unit {
        true => Some(sizes.fold(0.0, f64::max)).filter(|limit| *limit > 0.0).unwrap_or(1.0),
        false => (sizes.fold(LIMITS.0, f64::max).min(LIMITS.1) / STEP).ceil() * STEP,
    }
}

fn is_large(grid: &PairGrid) -> bool {
    // A long prompt or a deep model is drawn all the same.
    let many = |axis: &GridAxis| axis.indices.len() > MOST_CELLS;
    let free = |axis: &GridAxis| ["layer", "position"].contains(&axis.axis.as_str());
    [&grid.rows, &grid.columns].into_iter().flatten().any(|axis| many(axis) && !free(axis))
}

/// A range of recoveries in words. What is hardly different from nothing beside the other end is nothing.
pub(crate) fn span(low: f64, high: f64) -> String {
    const HARDLY: f64 = 5e-4;
    let largest = low.abs().max(high.abs()).min(1.0);
    let shown = |value: f64| match value.abs() {
        size if size <= HARDLY * largest => "0".to_owned(),
        size if (HARDLY..1e6).contains(&size) => format!("{value:.3}"),
        _ => ticks::number(value),
    };
    format!("{} to {}", shown(low), shown(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_small_effects_is_told_and_rounding_beside_a_large_one_is_not() {
        assert_eq!(span(-2.5e-4, 1.055), "0 to 1.055");
        assert_eq!(span(-1.8e-5, 3.1e-4), "-1.8e-5 to 3.1e-4");
        assert_eq!(span(0.0, 0.0), "0 to 0");
        assert_eq!(span(0.001, 2e9), "0.001 to 2.0e9");
    }
}
