//! One heatmap of a figure: title, tokens, cells, axis and colour bar.

use crate::font::{Anchor, text_width};
use crate::heatmap::Heatmap;
use crate::label::{shorten, visible};
use crate::layout::{INK, wrap};
use crate::scene::{Scene, extent};
use crate::ticks;

/// Sizes of letters: titles, then everything else.
const TITLE: f32 = 12.0;
const TEXT: f32 = 10.5;
/// The height of a line of a title, and of other text.
const TITLE_LINE: i32 = 16;
const LINE: i32 = 15;
/// Tokens wider than this are shortened.
const WIDEST_TOKEN: f32 = 150.0;
const WIDEST_BAR_LABEL: f32 = 130.0;
/// The length of a tick, and the space between it and its label.
const TICK: i32 = 4;
const TICK_GAP: i32 = 4;
/// The colour bar, and the space before it.
const BAR: i32 = 13;
const BAR_GAP: i32 = 16;
/// The colours of a bar; more can't be told apart.
const BAR_STEPS: i32 = 128;

/// A heatmap with everything measured.
pub(crate) struct Panel<'a> {
    map: &'a Heatmap,
    /// The lines of the title.
    pub(crate) title: Vec<String>,
    x_label: Vec<String>,
    rows: Vec<String>,
    bar_label: String,
    bar_ticks: Vec<(f64, String)>,
    cell: (i32, i32),
    /// Every how many tokens one has its label.
    row_stride: usize,
    /// From the panel's left edge to its cells.
    left: i32,
    /// All of the panel.
    pub(crate) width: i32,
}

impl<'a> Panel<'a> {
    /// Measures a heatmap that has been checked.
    pub(crate) fn new(map: &'a Heatmap) -> Self {
        let cell = cell_size(map.rows.len(), map.columns.len());
        let fits = |most: f32| move |s: &str| text_width(s, TEXT) <= most;
        let rows: Vec<String> =
            map.rows.iter().map(|row| shorten(&visible(row), fits(WIDEST_TOKEN))).collect();
        let bar_label = match map.colorbar_label.as_str() {
            "" => String::new(),
            label => shorten(&visible(label), fits(WIDEST_BAR_LABEL)),
        };
        let (across, down) = (cell.0 * map.columns.len() as i32, cell.1 * map.rows.len() as i32);
        let bar_ticks = ticks::values(map.low, map.high, (down / 34).clamp(2, 8) as usize);
        let left = widest(rows.iter()) + TICK + TICK_GAP;
        let bar_ticks_width = TICK + TICK_GAP + widest(bar_ticks.iter().map(|(_, label)| label));
        let right = BAR_GAP + (BAR + bar_ticks_width).max(widest([&bar_label]));
        let width = left + across + right;
        // A line is centred at the cells, so half of it has the smaller side to itself.
        let room = across + 2 * left.min(right);
        Self {
            map,
            title: lines(&map.title, TITLE, room),
            x_label: lines(&map.x_label, TEXT, room),
            rows,
            bar_label,
            bar_ticks,
            cell,
            row_stride: usize::try_from((LINE - 3 + cell.1 - 1) / cell.1).unwrap_or(1).max(1),
            left,
            width,
        }
    }

    /// Draws the panel with its upper left corner at `at`, below a title of as many lines as
    /// the figure's longest, and returns where it ends.
    pub(crate) fn draw(&self, scene: &mut Scene, at: (i32, i32), title_lines: usize) -> i32 {
        let title_height = TITLE_LINE * title_lines as i32;
        let corner = (at.0 + self.left, at.1 + title_height + 6);
        let middle = corner.0 + self.size().0 / 2;
        let first = at.1 + title_height - TITLE_LINE * self.title.len() as i32 + TITLE_LINE / 2;
        for (i, line) in (0..).zip(&self.title) {
            scene.text((middle, first + TITLE_LINE * i), Anchor::Middle, TITLE, INK, line);
        }
        self.draw_cells(scene, corner);
        self.draw_tokens(scene, corner);
        let below = self.draw_layers(scene, corner);
        self.draw_bar(scene, corner);
        for (i, line) in (0..).zip(&self.x_label) {
            scene.text((middle, below + LINE * i + LINE / 2), Anchor::Middle, TEXT, INK, line);
        }
        below + LINE * self.x_label.len() as i32
    }

    /// The size of all cells together.
    fn size(&self) -> (i32, i32) {
        let (rows, columns) = (self.map.rows.len() as i32, self.map.columns.len() as i32);
        (self.cell.0 * columns, self.cell.1 * rows)
    }

    fn draw_cells(&self, scene: &mut Scene, (x, y): (i32, i32)) {
        let (right, bottom) = (x + self.size().0, y + self.size().1);
        for (row, top) in (0..self.map.rows.len()).zip((y..).step_by(self.cell.1 as usize)) {
            for (column, left) in
                (0..self.map.columns.len()).zip((x..).step_by(self.cell.0 as usize))
            {
                // Cells reach under their neighbours, or a magnified SVG shows seams.
                let size =
                    ((right - left).min(self.cell.0 + 1), (bottom - top).min(self.cell.1 + 1));
                scene.rect((left, top), size, self.map.color(self.map.value(row, column)));
            }
        }
        frame(scene, (x, y), self.size());
    }

    fn draw_tokens(&self, scene: &mut Scene, (x, y): (i32, i32)) {
        for (row, label) in self.rows.iter().enumerate().step_by(self.row_stride) {
            let middle = y + self.cell.1 * row as i32 + self.cell.1 / 2;
            scene.rect((x - TICK, middle), (TICK, 1), INK);
            scene.text((x - TICK - TICK_GAP, middle), Anchor::End, TEXT, INK, label);
        }
    }

    /// Draws the ticks of the layers and returns where their labels end.
    fn draw_layers(&self, scene: &mut Scene, (x, y): (i32, i32)) -> i32 {
        let bottom = y + self.size().1;
        let names: Vec<String> = self.map.columns.iter().map(|name| visible(name)).collect();
        let stride = ticks::stride(names.len(), self.cell.0, widest(names.iter()) + 8);
        for (column, name) in names.iter().enumerate().step_by(stride) {
            let middle = x + self.cell.0 * column as i32 + self.cell.0 / 2;
            scene.rect((middle, bottom), (1, TICK), INK);
            scene.text((middle, bottom + TICK + LINE / 2 + 2), Anchor::Middle, TEXT, INK, name);
        }
        bottom + TICK + LINE + 4
    }

    fn draw_bar(&self, scene: &mut Scene, (x, y): (i32, i32)) {
        let (left, height) = (x + self.size().0 + BAR_GAP, self.size().1);
        let steps = BAR_STEPS.min(height);
        for step in 0..steps {
            let (top, next) = (y + height * step / steps, y + height * (step + 1) / steps);
            let share = 1.0 - (f64::from(step) + 0.5) / f64::from(steps);
            // The scale of a flat field has one colour.
            let share = if self.map.high > self.map.low { share } else { 0.0 };
            let reach = (y + height).min(next + 1) - top;
            scene.rect((left, top), (BAR, reach), self.map.colormap.rgb(share));
        }
        frame(scene, (left, y), (BAR, height));
        for (value, label) in &self.bar_ticks {
            let up = (self.map.fraction(*value) * f64::from(height - 1)).round() as i32;
            let at = y + height - 1 - up;
            scene.rect((left + BAR, at), (TICK, 1), INK);
            scene.text((left + BAR + TICK + TICK_GAP, at), Anchor::Start, TEXT, INK, label);
        }
        self.draw_bar_label(scene, left, y + height + TICK + LINE / 2 + 2);
    }

    /// The bar's label is under it as in ROME's figures: centred, or where it is wider than
    /// the bar and its ticks, from the bar to the right, so that it never meets the layers.
    fn draw_bar_label(&self, scene: &mut Scene, left: i32, y: i32) {
        let centred = extent(left + BAR / 2, Anchor::Middle, TEXT, &self.bar_label);
        if centred.0 >= left - BAR_GAP / 2 {
            scene.text((left + BAR / 2, y), Anchor::Middle, TEXT, INK, &self.bar_label);
        } else {
            scene.text((left, y), Anchor::Start, TEXT, INK, &self.bar_label);
        }
    }
}

/// Cells of a size at which 5 and 80 tokens, 12 and 80 layers can be read.
fn cell_size(rows: usize, columns: usize) -> (i32, i32) {
    let share =
        |pixels: i32, count: usize| pixels / i32::try_from(count).unwrap_or(i32::MAX).max(1);
    let width =
        if columns <= 120 { share(264, columns).clamp(4, 40) } else { share(480, columns).max(1) };
    let tallest = share(110, rows).clamp(22, 40);
    let height =
        if rows <= 120 { share(290, rows).clamp(13, tallest) } else { share(1560, rows).max(2) };
    (width, height)
}

/// The title or axis label, which an empty text doesn't have.
fn lines(text: &str, em: f32, width: i32) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { wrap(&visible(text), em, width, 2) }
}

fn widest<'s>(labels: impl IntoIterator<Item = &'s String>) -> i32 {
    let widths = labels.into_iter().map(|label| text_width(label, TEXT).ceil() as i32);
    widths.max().unwrap_or(0)
}

/// A line around a box, on its outermost pixels.
fn frame(scene: &mut Scene, (x, y): (i32, i32), (width, height): (i32, i32)) {
    scene.rect((x, y), (width, 1), INK);
    scene.rect((x, y + height - 1), (width, 1), INK);
    scene.rect((x, y), (1, height), INK);
    scene.rect((x + width - 1, y), (1, height), INK);
}
