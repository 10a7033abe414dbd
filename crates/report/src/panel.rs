//! One heatmap of a figure: title, tokens, cells, axis and colour bar.

use crate::axes::{
    LINE, Panel, TEXT, TICK, TICK_GAP, TITLE, are_numbers, draw_below, draw_columns, draw_title,
    frame, lines, stride_of_lines, widest,
};
use crate::colormap::Rgb;
use crate::font::{Anchor, text_width};
use crate::heatmap::Heatmap;
use crate::label::{shorten, visible};
use crate::layout::INK;
use crate::scene::{Scene, extent};
use crate::ticks;

/// Tokens wider than this are shortened.
const WIDEST_TOKEN: f32 = 150.0;
const WIDEST_BAR_LABEL: f32 = 130.0;
/// The colour bar, and the space before it.
const BAR: i32 = 13;
const BAR_GAP: i32 = 16;
/// The colours of a bar; more can't be told apart.
const BAR_STEPS: i32 = 128;
/// The letters of numbers in cells, and the narrowest cell that has them.
const NUMBER: f32 = 8.0;
const NUMBER_WIDTH: i32 = 27;
/// More columns than this would make a figure with numbers too wide.
const MOST_NUMBERS: usize = 32;

/// A heatmap with everything measured.
pub(crate) struct HeatmapPanel<'a> {
    map: &'a Heatmap,
    title: Vec<String>,
    x_label: Vec<String>,
    rows: Vec<String>,
    bar_label: String,
    bar_ticks: Vec<(f64, String)>,
    cell: (i32, i32),
    /// Every how many tokens one has its label.
    row_stride: usize,
    /// From the panel's left edge to its cells.
    left: i32,
    width: i32,
    /// The number of each cell; none where they don't fit.
    numbers: Vec<String>,
}

impl<'a> HeatmapPanel<'a> {
    /// Measures a heatmap that has been checked.
    pub(crate) fn new(map: &'a Heatmap) -> Self {
        let cell = cell_size(map);
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
            row_stride: stride_of_lines(cell.1),
            left,
            width,
            numbers: numbers(map, cell),
        }
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

    fn draw_numbers(&self, scene: &mut Scene, (x, y): (i32, i32)) {
        for (index, number) in self.numbers.iter().enumerate() {
            let columns = self.map.columns.len();
            let (row, column) = ((index / columns) as i32, (index % columns) as i32);
            let middle = (
                x + self.cell.0 * column + self.cell.0 / 2,
                y + self.cell.1 * row + self.cell.1 / 2,
            );
            let behind = self.map.color(self.map.value(index / columns, index % columns));
            scene.text(middle, Anchor::Middle, NUMBER, ink_on(behind), number);
        }
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

impl Panel for HeatmapPanel<'_> {
    fn title(&self) -> &[String] {
        &self.title
    }

    fn width(&self) -> i32 {
        self.width
    }

    fn draw(&self, scene: &mut Scene, at: (i32, i32), title_lines: usize) -> i32 {
        let (x, middle) = (at.0 + self.left, at.0 + self.left + self.size().0 / 2);
        let y = draw_title(scene, (middle, at.1), &self.title, title_lines);
        self.draw_cells(scene, (x, y));
        self.draw_numbers(scene, (x, y));
        self.draw_tokens(scene, (x, y));
        let bottom = y + self.size().1;
        let below = draw_columns(scene, (x, bottom), self.cell.0, &self.map.columns);
        self.draw_bar(scene, (x, y));
        draw_below(scene, (middle, below), &self.x_label)
    }
}

/// Cells of a size at which 5 and 80 tokens, 12 and 80 layers can be read.
fn cell_size(map: &Heatmap) -> (i32, i32) {
    let (rows, columns) = (map.rows.len(), map.columns.len());
    let share =
        |pixels: i32, count: usize| pixels / i32::try_from(count).unwrap_or(i32::MAX).max(1);
    let narrowest = match map.numbers && columns <= MOST_NUMBERS {
        true => NUMBER_WIDTH,
        // A line of text that is turned.
        false if !are_numbers(&map.columns) => LINE - 2,
        false => 4,
    };
    let width = if columns <= 120 {
        share(264, columns).clamp(narrowest, 40)
    } else {
        share(480, columns).max(1)
    };
    let tallest = share(110, rows).clamp(22, 40);
    let height =
        if rows <= 120 { share(290, rows).clamp(13, tallest) } else { share(1560, rows).max(2) };
    (width, height)
}

/// The numbers in the cells, where the map has them and all of them fit.
fn numbers(map: &Heatmap, (width, height): (i32, i32)) -> Vec<String> {
    if !map.numbers || height < LINE - 2 {
        return Vec::new();
    }
    let number = |value: &Option<f64>| value.map_or_else(String::new, ticks::hundredths);
    let numbers: Vec<String> = map.values.iter().map(number).collect();
    let fits = |number: &String| text_width(number, NUMBER) <= (width - 2) as f32;
    if numbers.iter().all(fits) { numbers } else { Vec::new() }
}

/// White on dark colours; by the luminance of ITU-R BT.601.
fn ink_on((r, g, b): Rgb) -> Rgb {
    let luminance = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if luminance < 128.0 { (255, 255, 255) } else { INK }
}
