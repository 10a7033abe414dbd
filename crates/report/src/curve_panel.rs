//! One chart over layers of a figure: title, lines or bars, axes and legend.

use crate::axes::{
    LINE, Panel, TEXT, TICK, TICK_GAP, TITLE, draw_below, draw_columns, draw_title, frame, lines,
    widest,
};
use crate::colormap::Rgb;
use crate::colors::Palette;
use crate::curve::{Bars, Curve};
use crate::font::{Anchor, text_width};
use crate::label::{shorten, visible};
use crate::layout::INK;
use crate::pair_figures::span;
use crate::scene::Scene;
use crate::series::{Extent, Series, clipped, range};
use crate::ticks;

/// The height of the plot, the width that layers share, and the widest that one of few layers is.
const HEIGHT: i32 = 190;
const WIDTH: i32 = 372;
const WIDEST_CELL: i32 = 90;
/// A line's own width, and the dots on it: every layer's, and the marked one's.
const STROKE: i32 = 2;
const DOTS: (i32, i32) = (2, 5);
/// The widest bar, and the space between those of two layers.
const WIDEST_BAR: i32 = 14;
const BAR_GAP: i32 = 3;
/// The levels of nothing and of everything.
const GRID: Rgb = (205, 205, 205);
/// The side of a legend's mark, and the space to its text.
const MARK: i32 = 9;
const MARK_GAP: i32 = 6;

/// What stands for a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    Lines,
    Bars,
}

/// A chart with everything measured.
pub(crate) struct CurvePanel<'a> {
    series: &'a [Series],
    columns: &'a [String],
    marks: Marks,
    palette: Palette,
    title: Vec<String>,
    x_label: Vec<String>,
    legend: Vec<String>,
    range: (f64, f64),
    ticks: Vec<(f64, String)>,
    cell: i32,
    /// From the panel's left edge to the plot.
    left: i32,
}

impl<'a> CurvePanel<'a> {
    /// Measures a curve that has been checked.
    pub(crate) fn of_curve(curve: &'a Curve) -> Self {
        let texts = (curve.title.as_str(), curve.x_label.as_str());
        let style = (Marks::Lines, curve.extent, curve.palette);
        Self::new(texts, &curve.columns, &curve.lines, style)
    }

    /// Measures bars that have been checked.
    pub(crate) fn of_bars(bars: &'a Bars) -> Self {
        let texts = (bars.title.as_str(), bars.x_label.as_str());
        let style = (Marks::Bars, Extent::All, bars.palette);
        Self::new(texts, &bars.columns, &bars.series, style)
    }

    fn new(
        (title, x_label): (&str, &str),
        columns: &'a [String],
        series: &'a [Series],
        (marks, extent, palette): (Marks, Extent, Palette),
    ) -> Self {
        let count = i32::try_from(columns.len()).unwrap_or(i32::MAX).max(1);
        let narrowest = match marks {
            Marks::Lines => 4,
            // Two pixels each can be told apart.
            Marks::Bars => 2 * i32::try_from(series.len()).unwrap_or(i32::MAX) + BAR_GAP,
        };
        let cell = (WIDTH / count).clamp(narrowest, WIDEST_CELL.max(narrowest));
        let across = (cell * count).max(WIDTH);
        let range = range(series, extent);
        let x_label = match clipped(series, extent) {
            Some((low, high)) => {
                format!("{x_label}; {}, what is beyond is drawn at the edge", span(low, high))
            }
            None => x_label.to_owned(),
        };
        let ticks = ticks::values(range.0, range.1, 6);
        let left = widest(ticks.iter().map(|(_, label)| label)) + TICK + TICK_GAP;
        let room = (across - MARK - MARK_GAP) as f32;
        let legend = |one: &Series| shorten(&visible(&one.name), |s| text_width(s, TEXT) <= room);
        Self {
            title: lines(title, TITLE, across),
            x_label: lines(&x_label, TEXT, across),
            legend: series.iter().map(legend).collect(),
            series,
            columns,
            marks,
            palette,
            range,
            ticks,
            cell,
            left,
        }
    }

    /// The width of the plot.
    fn across(&self) -> i32 {
        self.cell * self.columns.len() as i32
    }

    /// The width that title and legend have; a few layers don't fill it.
    fn room(&self) -> i32 {
        self.across().max(WIDTH)
    }

    /// How far below the plot's top a value is.
    fn down(&self, value: f64) -> i32 {
        let (low, high) = self.range;
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        ((1.0 - share) * f64::from(HEIGHT - 1)).round() as i32
    }

    fn color(&self, index: usize) -> Rgb {
        self.palette.color(self.series[index].color.unwrap_or(index))
    }

    fn draw_scale(&self, scene: &mut Scene, (x, y): (i32, i32)) {
        let within = |level: &f64| (self.range.0..=self.range.1).contains(level);
        for level in [0.0, 1.0].into_iter().filter(within) {
            scene.rect((x, y + self.down(level)), (self.across(), 1), GRID);
        }
        for (value, label) in &self.ticks {
            let at = y + self.down(*value);
            scene.rect((x - TICK, at), (TICK, 1), INK);
            scene.text((x - TICK - TICK_GAP, at), Anchor::End, TEXT, INK, label);
        }
    }

    fn middle(&self, x: i32, layer: usize) -> i32 {
        x + self.cell * layer as i32 + self.cell / 2
    }

    /// What lies between the ends of a line's intervals; a layer without one is a gap.
    fn draw_band(&self, scene: &mut Scene, (x, y): (i32, i32), line: &Series, color: Rgb) {
        let ends: Vec<Option<(i32, (f64, f64))>> = (0..self.columns.len())
            .map(|layer| Some((self.middle(x, layer), line.interval(layer)?)))
            .collect();
        for piece in ends.split(Option::is_none) {
            let upper = piece.iter().flatten().map(|(at, (_, high))| (*at, y + self.down(*high)));
            let lower = piece.iter().flatten().map(|(at, (low, _))| (*at, y + self.down(*low)));
            scene.area(upper.chain(lower.rev()), color);
        }
    }

    fn draw_line(&self, scene: &mut Scene, (x, y): (i32, i32), line: &Series, color: Rgb) {
        let point = |(layer, value): (usize, &Option<f64>)| {
            let at = self.middle(x, layer);
            value.filter(|v| v.is_finite()).map(|value| (at, y + self.down(value)))
        };
        let points: Vec<Option<(i32, i32)>> = line.values.iter().enumerate().map(point).collect();
        // A layer without a value is a gap.
        for piece in points.split(Option::is_none) {
            scene.path(piece.iter().copied().flatten(), STROKE, color);
        }
        for (layer, point) in points.into_iter().enumerate() {
            let radius = if line.marked == Some(layer) { DOTS.1 } else { DOTS.0 };
            if let Some(point) = point {
                scene.dot(point, radius, color);
            }
        }
    }

    /// The bars of one series, each from zero to its value.
    fn draw_bars(&self, scene: &mut Scene, (x, y): (i32, i32), index: usize) {
        let (series, count) = (&self.series[index], self.series.len() as i32);
        let width = ((self.cell - BAR_GAP) / count).clamp(1, WIDEST_BAR);
        let zero = self.down(0.0);
        for (layer, value) in series.values.iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            let left = self.middle(x, layer) - width * count / 2 + width * index as i32;
            let end = self.down(value);
            let size = (width, (end - zero).abs().max(1));
            scene.rect((left, y + end.min(zero)), size, self.color(index));
            if let Some((low, high)) = series.interval(layer) {
                draw_interval(scene, (left, width), (y + self.down(high), y + self.down(low)));
            }
        }
    }

    fn draw_series(&self, scene: &mut Scene, at: (i32, i32)) {
        let each = || (0..self.series.len()).map(|index| (index, self.color(index)));
        match self.marks {
            Marks::Bars => each().for_each(|(index, _)| self.draw_bars(scene, at, index)),
            Marks::Lines => {
                // All lines lie over all bands.
                each().for_each(|(i, color)| self.draw_band(scene, at, &self.series[i], color));
                each().for_each(|(i, color)| self.draw_line(scene, at, &self.series[i], color));
            }
        }
    }

    fn draw_legend(&self, scene: &mut Scene, (x, y): (i32, i32)) -> i32 {
        for (index, text) in self.legend.iter().enumerate() {
            let middle = y + LINE * index as i32 + LINE / 2;
            scene.rect((x, middle - MARK / 2), (MARK, MARK), self.color(index));
            scene.text((x + MARK + MARK_GAP, middle), Anchor::Start, TEXT, INK, text);
        }
        y + LINE * self.legend.len() as i32
    }
}

/// A line from end to end in the middle of a bar, with a cap at each.
fn draw_interval(scene: &mut Scene, (left, width): (i32, i32), (top, bottom): (i32, i32)) {
    scene.rect((left + width / 2, top), (1, (bottom - top).max(1)), INK);
    let cap = (width / 2).max(1);
    for end in [top, bottom] {
        scene.rect((left + width / 2 - cap / 2, end), (cap, 1), INK);
    }
}

impl Panel for CurvePanel<'_> {
    fn title(&self) -> &[String] {
        &self.title
    }

    fn width(&self) -> i32 {
        // The last layer's name may stand out by half of itself.
        self.left + self.room() + TICK_GAP
    }

    fn draw(&self, scene: &mut Scene, at: (i32, i32), title_lines: usize) -> i32 {
        let (left, middle) = (at.0 + self.left, at.0 + self.left + self.room() / 2);
        let x = left + (self.room() - self.across()) / 2;
        let y = draw_title(scene, (middle, at.1), &self.title, title_lines);
        self.draw_scale(scene, (x, y));
        self.draw_series(scene, (x, y));
        frame(scene, (x, y), (self.across(), HEIGHT));
        let below = draw_columns(scene, (x, y + HEIGHT), self.cell, self.columns);
        let below = draw_below(scene, (middle, below), &self.x_label);
        self.draw_legend(scene, (left, below + LINE / 2))
    }
}
