//! A heatmap for the terminal.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::colormap::Rgb;
use crate::error::ReportError;
use crate::heatmap::Heatmap;
use crate::label::{shorten, visible};
use crate::ticks;

/// The narrowest and the widest terminal that is drawn for.
const NARROWEST: usize = 24;
const WIDEST: usize = 1000;
/// The cells of the legend's scale.
const LEGEND: usize = 12;
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
/// Of negative values, from the faintest to the strongest.
const NEGATIVE: [char; 5] = [' ', '.', '-', '=', '≡'];
/// A cell without a value, in every variant.
const NOTHING: char = '·';

/// The colours that a terminal has. The program finds out; this crate never asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColorDepth {
    /// 24 bits.
    True,
    /// The 256 colours of xterm.
    Ansi256,
    /// No colour: shades of block characters, no escape sequence at all.
    None,
}

/// Draws a heatmap in lines of equal width, at most `columns` wide (at least 24).
///
/// Each line ends in a line feed. Where even cells of one character don't fit, neighbouring
/// layers share a cell that shows their highest value, and the last line says so.
pub fn draw_terminal(
    map: &Heatmap,
    columns: usize,
    depth: ColorDepth,
) -> Result<String, ReportError> {
    map.check()?;
    let plan = Plan::new(map, columns.clamp(NARROWEST, WIDEST), depth);
    let mut lines = vec![Line::text(&plan.fit(&map.title))];
    lines.extend((0..map.rows.len()).map(|row| plan.row(row)));
    lines.push(plan.axis());
    lines.push(Line::text(&plan.fit(&map.x_label)));
    lines.push(plan.legend());
    if plan.merged > 1 {
        let note = format!("each cell: the highest of {} layers", plan.merged);
        lines.push(Line::text(&plan.fit(&note)));
    }
    let width = lines.iter().map(|line| line.width).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.text);
        text.push_str(&" ".repeat(width - line.width));
        text.push('\n');
    }
    Ok(text)
}

/// A line and the columns it takes, which its escape sequences don't.
struct Line {
    text: String,
    width: usize,
}

impl Line {
    fn text(text: &str) -> Self {
        Self { text: text.to_owned(), width: text.width() }
    }
}

/// How a heatmap is laid out in a terminal.
struct Plan<'a> {
    map: &'a Heatmap,
    depth: ColorDepth,
    columns: usize,
    labels: Vec<String>,
    /// The columns of the labels.
    left: usize,
    /// The columns of a cell.
    cell: usize,
    /// How many layers share a cell.
    merged: usize,
}

impl<'a> Plan<'a> {
    fn new(map: &'a Heatmap, columns: usize, depth: ColorDepth) -> Self {
        let most = columns / 3;
        let labels: Vec<String> =
            map.rows.iter().map(|row| shorten(&visible(row), |s| s.width() <= most)).collect();
        let left = labels.iter().map(|label| label.width()).max().unwrap_or(0);
        let room = columns - left - 1;
        let layers = map.columns.len();
        let merged = layers.div_ceil(room);
        let cell = (room / layers.div_ceil(merged)).clamp(1, 3);
        Self { map, depth, columns, labels, left, cell, merged }
    }

    fn fit(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        shorten(&visible(text), |s| s.width() <= self.columns)
    }

    fn cells(&self) -> usize {
        self.map.columns.len().div_ceil(self.merged)
    }

    fn row(&self, row: usize) -> Line {
        let label = self.labels.get(row).map_or("", String::as_str);
        let pad = " ".repeat(self.left.saturating_sub(label.width()));
        let values: Vec<Option<f64>> =
            (0..self.cells()).map(|cell| self.highest(row, cell)).collect();
        let text = format!("{pad}{label} {}", self.paint(&values));
        Line { text, width: self.left + 1 + self.cell * values.len() }
    }

    /// The highest value of the layers that share a cell.
    fn highest(&self, row: usize, cell: usize) -> Option<f64> {
        let end = self.map.columns.len().min((cell + 1) * self.merged);
        (cell * self.merged..end).filter_map(|column| self.map.value(row, column)).reduce(f64::max)
    }

    /// Cells in colours or shades, with an escape sequence only where the colour changes.
    fn paint(&self, values: &[Option<f64>]) -> String {
        let mut text = String::new();
        let mut last = String::new();
        for value in values {
            let color = value.map_or(String::new(), |v| sgr(self.map.color(Some(v)), self.depth));
            if color != last {
                text.push_str(if color.is_empty() { RESET } else { &color });
            }
            last = color;
            let shown = value.map_or(NOTHING, |v| self.shade(v));
            text.extend(std::iter::repeat_n(shown, self.cell));
        }
        if !last.is_empty() {
            text.push_str(RESET);
        }
        text
    }

    fn shade(&self, value: f64) -> char {
        if self.depth != ColorDepth::None {
            return ' ';
        }
        let fraction = self.map.fraction(value);
        let (shades, strength) = match self.map.colormap.is_diverging() {
            true if fraction < 0.5 => (NEGATIVE, 1.0 - 2.0 * fraction),
            true => (SHADES, 2.0 * fraction - 1.0),
            false => (SHADES, fraction),
        };
        let level = (strength * shades.len() as f64) as usize;
        shades[level.min(shades.len() - 1)]
    }

    /// The layers' names under their cells, leaving out those that would touch or stick out.
    fn axis(&self) -> Line {
        let names: Vec<String> =
            self.map.columns.iter().step_by(self.merged).map(|name| visible(name)).collect();
        let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
        let cell = i32::try_from(self.cell).unwrap_or(1);
        let stride =
            ticks::stride(names.len(), cell, i32::try_from(widest + 1).unwrap_or(i32::MAX));
        let end = self.left + 1 + self.cell * names.len();
        let (mut text, mut width) = (String::new(), 0);
        for (i, name) in names.iter().enumerate().step_by(stride) {
            // One digit is in the middle of its cell.
            let centred = self.cell.saturating_sub(name.width()) / 2;
            let at = self.left + 1 + self.cell * i + centred;
            if at >= width && at + name.width() <= end {
                let _ = write!(text, "{}{name}", " ".repeat(at - width));
                width = at + name.width();
            }
        }
        Line { text, width }
    }

    fn legend(&self) -> Line {
        let (low, high) = (ticks::number(self.map.low), ticks::number(self.map.high));
        let scale: Vec<Option<f64>> = (0..LEGEND / self.cell)
            .map(|i| i as f64 / (LEGEND / self.cell - 1) as f64)
            .map(|share| Some(self.map.low + share * (self.map.high - self.map.low)))
            .collect();
        let bar = self.cell * scale.len();
        let taken = low.width() + high.width() + bar + 3;
        let room = self.columns.saturating_sub(taken);
        let name = match self.map.colorbar_label.as_str() {
            "" => String::new(),
            label => shorten(&visible(label), |s| s.width() <= room),
        };
        if taken > self.columns {
            // Numbers like -1.2e-300 in a very narrow terminal.
            return Line::text(&self.fit(&format!("{low} … {high}")));
        }
        let text = format!("{name} {low} {} {high}", self.paint(&scale));
        Line { text, width: name.width() + taken }
    }
}

const RESET: &str = "\x1b[0m";

/// The escape sequence for a background.
fn sgr((r, g, b): Rgb, depth: ColorDepth) -> String {
    match depth {
        ColorDepth::True => format!("\x1b[48;2;{r};{g};{b}m"),
        ColorDepth::Ansi256 => format!("\x1b[48;5;{}m", nearest((r, g, b))),
        ColorDepth::None => String::new(),
    }
}

/// The nearest of xterm's colours 16 … 255: a cube of six levels and 24 greys.
fn nearest((r, g, b): Rgb) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |v: u8| (0..6u8).min_by_key(|i| LEVELS[usize::from(*i)].abs_diff(v)).unwrap_or(0);
    let distance = |(x, y, z): Rgb| {
        let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        square(x, r) + square(y, g) + square(z, b)
    };
    let (i, j, k) = (level(r), level(g), level(b));
    let cube = (LEVELS[usize::from(i)], LEVELS[usize::from(j)], LEVELS[usize::from(k)]);
    let grey = |i: u8| (8 + 10 * i, 8 + 10 * i, 8 + 10 * i);
    let greyest = (0..24u8).min_by_key(|i| distance(grey(*i))).unwrap_or(0);
    if distance(grey(greyest)) < distance(cube) { 232 + greyest } else { 16 + 36 * i + 6 * j + k }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_256_colours_is_taken() {
        assert_eq!(nearest((0, 0, 0)), 16);
        assert_eq!(nearest((255, 255, 255)), 231);
        assert_eq!(nearest((120, 121, 119)), 243);
        assert_eq!(nearest((250, 10, 90)), 197);
    }
}
