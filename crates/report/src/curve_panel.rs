//! One curve of a figure: title, lines, axes and legend.

use crate::axes::{
    LINE, Panel, TEXT, TICK, TICK_GAP, TITLE, draw_below, draw_columns, draw_title, frame, lines,
    widest,
};
use crate::colormap::Rgb;
use crate::curve::{Curve, CurveLine};
use crate::font::{Anchor, text_width};
use crate::label::{shorten, visible};
use crate::layout::INK;
use crate::scene::Scene;
use crate::ticks;

/// The height of the plot, and the width that layers share.
const HEIGHT: i32 = 190;
const WIDTH: i32 = 372;
/// A line's own width, and the dots on it: every layer's, and the marked one's.
const STROKE: i32 = 2;
const DOTS: (i32, i32) = (2, 5);
/// The levels of nothing and of everything.
const GRID: Rgb = (205, 205, 205);
/// The side of a legend's mark, and the space to its text.
const MARK: i32 = 9;
const MARK_GAP: i32 = 6;
/// ColorBrewer's Dark2, in which neighbours differ most.
const COLORS: [Rgb; 8] = [
    (117, 112, 179),
    (217, 95, 2),
    (27, 158, 119),
    (231, 41, 138),
    (102, 166, 30),
    (230, 171, 2),
    (166, 118, 29),
    (102, 102, 102),
];

/// A curve with everything measured.
pub(crate) struct CurvePanel<'a> {
    curve: &'a Curve,
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
    pub(crate) fn new(curve: &'a Curve) -> Self {
        let columns = i32::try_from(curve.columns.len()).unwrap_or(i32::MAX).max(1);
        let cell = (WIDTH / columns).clamp(4, 60);
        let across = (cell * columns).max(WIDTH);
        let range = curve.range();
        let ticks = ticks::values(range.0, range.1, 6);
        let left = widest(ticks.iter().map(|(_, label)| label)) + TICK + TICK_GAP;
        let room = (across - MARK - MARK_GAP) as f32;
        let legend =
            |line: &CurveLine| shorten(&visible(&line.name), |s| text_width(s, TEXT) <= room);
        Self {
            title: lines(&curve.title, TITLE, across),
            x_label: lines(&curve.x_label, TEXT, across),
            legend: curve.lines.iter().map(legend).collect(),
            curve,
            range,
            ticks,
            cell,
            left,
        }
    }

    /// The width of the plot; a few layers don't fill it.
    fn across(&self) -> i32 {
        (self.cell * self.curve.columns.len() as i32).max(WIDTH)
    }

    /// How far below the plot's top a value is.
    fn down(&self, value: f64) -> i32 {
        let (low, high) = self.range;
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        ((1.0 - share) * f64::from(HEIGHT - 1)).round() as i32
    }

    fn draw_scale(&self, scene: &mut Scene, (x, y): (i32, i32)) {
        for level in [0.0, 1.0] {
            scene.rect((x, y + self.down(level)), (self.across(), 1), GRID);
        }
        for (value, label) in &self.ticks {
            let at = y + self.down(*value);
            scene.rect((x - TICK, at), (TICK, 1), INK);
            scene.text((x - TICK - TICK_GAP, at), Anchor::End, TEXT, INK, label);
        }
    }

    fn draw_line(&self, scene: &mut Scene, (x, y): (i32, i32), line: &CurveLine, color: Rgb) {
        let point = |(layer, value): (usize, &Option<f64>)| {
            let across = x + self.cell * layer as i32 + self.cell / 2;
            value.filter(|v| v.is_finite()).map(|value| (across, y + self.down(value)))
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

    fn draw_legend(&self, scene: &mut Scene, (x, y): (i32, i32)) -> i32 {
        for (index, text) in self.legend.iter().enumerate() {
            let middle = y + LINE * index as i32 + LINE / 2;
            scene.rect((x, middle - MARK / 2), (MARK, MARK), color(index));
            scene.text((x + MARK + MARK_GAP, middle), Anchor::Start, TEXT, INK, text);
        }
        y + LINE * self.legend.len() as i32
    }
}

impl Panel for CurvePanel<'_> {
    fn title(&self) -> &[String] {
        &self.title
    }

    fn width(&self) -> i32 {
        // The last layer's name may stand out by half of itself.
        self.left + self.across() + TICK_GAP
    }

    fn draw(&self, scene: &mut Scene, at: (i32, i32), title_lines: usize) -> i32 {
        let (x, middle) = (at.0 + self.left, at.0 + self.left + self.across() / 2);
        let y = draw_title(scene, (middle, at.1), &self.title, title_lines);
        self.draw_scale(scene, (x, y));
        for (index, line) in self.curve.lines.iter().enumerate() {
            self.draw_line(scene, (x, y), line, color(index));
        }
        frame(scene, (x, y), (self.across(), HEIGHT));
        let below = draw_columns(scene, (x, y + HEIGHT), self.cell, &self.curve.columns);
        let below = draw_below(scene, (middle, below), &self.x_label);
        self.draw_legend(scene, (x, below + LINE / 2))
    }
}

fn color(line: usize) -> Rgb {
    COLORS[line % COLORS.len()]
}
