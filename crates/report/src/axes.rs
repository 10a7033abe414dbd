//! What every panel of a figure has: a title, a frame, columns with their names, a line under them.

use crate::font::{Anchor, text_width};
use crate::label::{shorten, visible};
use crate::layout::{INK, wrap_evenly};
use crate::scene::Scene;
use crate::ticks;

/// Sizes of letters: titles, then everything else.
pub(crate) const TITLE: f32 = 12.0;
pub(crate) const TEXT: f32 = 10.5;
/// The height of a line of a title, and of other text.
pub(crate) const TITLE_LINE: i32 = 16;
pub(crate) const LINE: i32 = 15;
/// The length of a tick, and the space between it and its label.
pub(crate) const TICK: i32 = 4;
pub(crate) const TICK_GAP: i32 = 4;
/// Between a title and what is below it.
const TITLE_GAP: i32 = 6;
/// Between two columns' names.
const NAMES_APART: i32 = 8;
/// Names that are read upwards are shortened to this.
const WIDEST_TURNED: f32 = 150.0;

/// A part of a figure, measured: a figure shows them side by side.
pub(crate) trait Panel {
    /// The lines of its title.
    fn title(&self) -> &[String];

    /// All of its width.
    fn width(&self) -> i32;

    /// Draws it with its upper left corner at `at`, below a title of as many lines as the figure's
    /// longest, and returns where it ends.
    fn draw(&self, scene: &mut Scene, at: (i32, i32), title_lines: usize) -> i32;
}

/// Draws a title around the column `middle`, aligned at the bottom of `most` lines below `top`, and
/// returns where the panel's body begins.
pub(crate) fn draw_title(
    scene: &mut Scene,
    (middle, top): (i32, i32),
    title: &[String],
    most: usize,
) -> i32 {
    let height = TITLE_LINE * most as i32;
    let first = top + height - TITLE_LINE * title.len() as i32 + TITLE_LINE / 2;
    for (i, line) in (0..).zip(title) {
        scene.text((middle, first + TITLE_LINE * i), Anchor::Middle, TITLE, INK, line);
    }
    top + height + TITLE_GAP
}

/// Draws the ticks and names of columns that are `cell` wide, and returns where their labels end.
///
/// Layers have every fifth number or fewer. Tokens all have their name, turned upwards unless every
/// one fits its column.
pub(crate) fn draw_columns(
    scene: &mut Scene,
    (x, bottom): (i32, i32),
    cell: i32,
    columns: &[String],
) -> i32 {
    let names: Vec<String> = columns.iter().map(|name| visible(name)).collect();
    let turned = turns(&names, cell);
    let stride = match turned {
        true => stride_of_lines(cell),
        false if are_numbers(&names) => {
            ticks::stride(names.len(), cell, widest(names.iter()) + NAMES_APART)
        }
        false => 1,
    };
    let fits = |name: &str| text_width(name, TEXT) <= WIDEST_TURNED;
    let mut end = bottom + TICK + LINE + 4;
    for (column, name) in names.iter().enumerate().step_by(stride) {
        let middle = x + cell * column as i32 + cell / 2;
        scene.rect((middle, bottom), (1, TICK), INK);
        if turned {
            let name = shorten(name, fits);
            let top = bottom + TICK + TICK_GAP;
            scene.turned((middle, top), TEXT, INK, &name);
            end = end.max(top + text_width(&name, TEXT).ceil() as i32 + 4);
        } else {
            scene.text((middle, bottom + TICK + LINE / 2 + 2), Anchor::Middle, TEXT, INK, name);
        }
    }
    end
}

/// Whether columns' names are read upwards.
fn turns(names: &[String], cell: i32) -> bool {
    !are_numbers(names) && widest(names.iter()) + NAMES_APART > cell
}

/// Whether names are numbers, of layers or heads, which needn't all be shown.
pub(crate) fn are_numbers(names: &[String]) -> bool {
    names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Every how many rows or columns of this size one has room for a line of text.
pub(crate) fn stride_of_lines(cell: i32) -> usize {
    let cell = cell.max(1);
    usize::try_from((LINE - 3 + cell - 1) / cell).unwrap_or(1).max(1)
}

/// Draws the line under the columns, which may take several, and returns where it ends.
pub(crate) fn draw_below(scene: &mut Scene, (middle, below): (i32, i32), label: &[String]) -> i32 {
    for (i, line) in (0..).zip(label) {
        scene.text((middle, below + LINE * i + LINE / 2), Anchor::Middle, TEXT, INK, line);
    }
    below + LINE * label.len() as i32
}

/// The title or axis label, which an empty text doesn't have.
pub(crate) fn lines(text: &str, em: f32, width: i32) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { wrap_evenly(&visible(text), em, width, 2) }
}

pub(crate) fn widest<'s>(labels: impl IntoIterator<Item = &'s String>) -> i32 {
    let widths = labels.into_iter().map(|label| text_width(label, TEXT).ceil() as i32);
    widths.max().unwrap_or(0)
}

/// A line around a box, on its outermost pixels.
pub(crate) fn frame(scene: &mut Scene, (x, y): (i32, i32), (width, height): (i32, i32)) {
    scene.rect((x, y), (width, 1), INK);
    scene.rect((x, y + height - 1), (width, 1), INK);
    scene.rect((x, y), (1, height), INK);
    scene.rect((x + width - 1, y), (1, height), INK);
}
