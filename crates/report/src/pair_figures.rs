//! The figures of a pair: heatmaps of recovery (or, of noising, of what is destroyed), and the
//! subject's curves.

use tracewright_results::{PairGrid, PairRecord, SubjectCurve};

use crate::colormap::Colormap;
use crate::curve::{Curve, CurveLine};
use crate::error::ReportError;
use crate::figure::{Plot, draw_png, draw_svg};
use crate::heatmap::{Heatmap, row};
use crate::label::visible;
use crate::pair::PairReport;
use crate::ticks;

/// The ends of a recovery's colours at least and at most: a faint field isn't drawn as a strong one,
/// and more than everything (or less than nothing) has the colour of everything.
const LIMITS: (f64, f64) = (0.1, 1.0);
/// A scale ends at a multiple of this.
const STEP: f64 = 0.05;

/// One figure of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairFigure {
    /// What its file's name ends in: the metric, and `_curve` for the subject's curves.
    pub name: String,
    heading: String,
    heatmaps: Vec<Heatmap>,
    curves: Vec<Curve>,
}

impl PairFigure {
    fn plots(&self) -> impl Iterator<Item = Plot<'_>> {
        self.heatmaps.iter().map(Plot::from).chain(self.curves.iter().map(Plot::from))
    }

    /// The figure's PNG.
    ///
    /// # Errors
    ///
    /// A figure with more pixels than can be drawn.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        draw_png(self.plots(), &self.heading)
    }

    /// The figure's SVG document.
    ///
    /// # Errors
    ///
    /// A figure with more pixels than can be drawn.
    pub fn svg(&self) -> Result<String, ReportError> {
        draw_svg(self.plots(), &self.heading)
    }
}

impl PairReport {
    /// The figures: for each metric the heatmaps of all sites, where position is an axis, and the
    /// subject's curves, where layer is one.
    pub fn figures(&self) -> Vec<PairFigure> {
        let heading = self.heading();
        let figure = |name: String, heatmaps, curves| PairFigure {
            name,
            heading: heading.clone(),
            heatmaps,
            curves,
        };
        let of_metric = |metric: &str| {
            let heatmaps = if self.has("position") { self.heatmaps(metric) } else { Vec::new() };
            let curves = Vec::from_iter(self.curve(metric));
            [
                figure(metric.to_owned(), heatmaps, Vec::new()),
                figure(format!("{metric}_curve"), Vec::new(), curves),
            ]
        };
        let drawn = |figure: &PairFigure| !(figure.heatmaps.is_empty() && figure.curves.is_empty());
        let metrics = self.record().baselines.iter().map(|baseline| baseline.metric.as_str());
        metrics.flat_map(of_metric).filter(drawn).collect()
    }

    /// How far each patch moves one metric: a heatmap for each site, tokens down and layers across, or where
    /// position isn't an axis one of all sites, sites down.
    pub fn heatmaps(&self, metric: &str) -> Vec<Heatmap> {
        let grids: Vec<&PairGrid> =
            self.record().grids.iter().filter(|grid| grid.metric == metric).collect();
        if self.has("position") {
            let rows = self.rows();
            return grids
                .into_iter()
                .map(|grid| self.heatmap(metric, &grid.site, rows.clone(), &[grid]))
                .collect();
        }
        let sites = grids.iter().map(|grid| grid.site.clone()).collect();
        if grids.is_empty() {
            return Vec::new();
        }
        vec![self.heatmap(metric, "activations", sites, &grids)]
    }

    fn heatmap(&self, metric: &str, what: &str, rows: Vec<String>, grids: &[&PairGrid]) -> Heatmap {
        let recovery = grids.iter().flat_map(|grid| grid.recovery.iter().flatten());
        let values: Vec<Option<f64>> =
            recovery.map(|recovery| recovery.map(|recovery| self.moved(recovery))).collect();
        let known = || values.iter().flatten().copied();
        let range = known().reduce(f64::min).zip(known().reduce(f64::max));
        let largest = known().map(f64::abs).fold(LIMITS.0, f64::max).min(LIMITS.1);
        let limit = (largest / STEP).ceil() * STEP;
        let (name, quantity) = self.quantity(metric);
        let range = match range {
            Some((low, high)) if self.differs(metric) => {
                format!("{quantity}: {} to {}", shown(low), shown(high))
            }
            _ => format!("{metric} is hardly different in the two runs"),
        };
        let (copied, into) = self.words();
        Heatmap {
            title: format!("{copied} {what} copied into the {into} run"),
            x_label: format!("{}; {range}", self.x_label()),
            colorbar_label: name.to_owned(),
            columns: self.columns(grids.first().copied()),
            rows,
            values,
            low: -limit,
            high: limit,
            colormap: Colormap::RedBlue,
            numbers: true,
        }
    }

    /// How far one metric is moved by layer, a line for each site.
    fn curve(&self, metric: &str) -> Option<Curve> {
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
        let line = |curve: &SubjectCurve| CurveLine {
            name: self.named(curve),
            values: self.moved_by(curve),
            marked: curve.best_layer,
        };
        let (copied, into) = self.words();
        let (name, copied) = (self.quantity(metric).0, copied.to_lowercase());
        let title =
            format!("{name} of {metric}: {copied} values copied into the {into} run at {place}");
        let grid = self.record().grids.first();
        Some(Curve {
            title: title[..1].to_uppercase() + &title[1..],
            x_label: self.x_label().to_owned(),
            columns: self.columns(grid),
            lines: curves().map(line).collect(),
        })
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

    fn rows(&self) -> Vec<String> {
        let subject = &self.record().subject_range;
        let label = |position: &usize| row(&self.tokens()[*position], subject.contains(position));
        self.record().positions.iter().map(label).collect()
    }

    fn columns(&self, grid: Option<&PairGrid>) -> Vec<String> {
        let layers = grid.and_then(|grid| grid.recovery.first()).map_or(0, Vec::len);
        match self.has("layer") {
            true => (0..layers).map(|layer| layer.to_string()).collect(),
            false => vec!["all".to_owned()],
        }
    }

    fn x_label(&self) -> &'static str {
        if self.has("layer") { "patched layer" } else { "patched layers" }
    }

    fn heading(&self) -> String {
        let both = |a: &str, b: &str| match a == b {
            true => a.to_owned(),
            false => format!("{a} / {b}"),
        };
        let PairRecord { clean, corrupted, answer, distractor, .. } = self.record();
        let prompts = both(clean.prompt.trim(), corrupted.prompt.trim());
        format!("{prompts} → {}", both(answer.text.trim(), distractor.text.trim()))
    }
}

/// A recovery; what is hardly different from nothing is nothing.
fn shown(recovery: f64) -> String {
    match recovery.abs() {
        size if size < 5e-4 => "0".to_owned(),
        size if size < 1e6 => format!("{recovery:.3}"),
        _ => ticks::number(recovery),
    }
}
