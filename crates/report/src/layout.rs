//! Where everything on a figure goes.

use crate::axes::Panel;
use crate::colormap::Rgb;
use crate::error::ReportError;
use crate::figure::Plot;
use crate::font::{Anchor, text_width};
use crate::label::{shorten, visible};
use crate::scene::Scene;

/// The blank edge of a figure.
const EDGE: i32 = 16;
/// Between two panels.
const GUTTER: i32 = 26;
/// More panels than this take two rows.
const MOST_ACROSS: usize = 3;
/// The letters of the line over all panels, and the height of such a line.
const HEADING: (f32, i32) = (14.0, 20);
/// What text and axes are drawn in.
pub(crate) const INK: Rgb = (34, 34, 34);

/// Panels side by side, of many in two rows, under a heading of up to three lines.
pub(crate) fn figure(plots: &[Plot<'_>], heading: &str) -> Result<Scene, ReportError> {
    if plots.is_empty() {
        return Err(ReportError::NoPanels);
    }
    let panels: Vec<Box<dyn Panel + '_>> =
        plots.iter().map(Plot::panel).collect::<Result<_, _>>()?;
    let across = if panels.len() <= MOST_ACROSS { panels.len() } else { panels.len().div_ceil(2) };
    let rows: Vec<_> = panels.chunks(across).collect();
    let inner = rows.iter().map(|row| width(row)).max().unwrap_or(0);
    let lines =
        if heading.is_empty() { Vec::new() } else { heading_lines(&visible(heading), inner) };
    let above = HEADING.1 * lines.len() as i32 + if lines.is_empty() { 0 } else { 10 };

    let mut scene = Scene { width: inner + 2 * EDGE, ..Scene::default() };
    for (i, line) in (0..).zip(&lines) {
        let at = (EDGE + inner / 2, EDGE + HEADING.1 * i + HEADING.1 / 2);
        scene.text(at, Anchor::Middle, HEADING.0, INK, line);
    }
    let mut bottom = EDGE + above - GUTTER;
    for row in rows {
        bottom = draw_row(&mut scene, row, bottom + GUTTER);
    }
    scene.height = bottom + EDGE;
    Ok(scene)
}

/// The width of panels side by side.
fn width(row: &[Box<dyn Panel + '_>]) -> i32 {
    row.iter().map(|panel| panel.width()).sum::<i32>() + GUTTER * (row.len() as i32 - 1)
}

/// Draws panels side by side and returns where the longest ends.
fn draw_row(scene: &mut Scene, row: &[Box<dyn Panel + '_>], top: i32) -> i32 {
    let title_lines = row.iter().map(|panel| panel.title().len()).max().unwrap_or(0);
    let (mut x, mut bottom) = (EDGE, top);
    for panel in row {
        bottom = bottom.max(panel.draw(scene, (x, top), title_lines));
        x += panel.width() + GUTTER;
    }
    bottom
}

/// A heading in at most three lines. Of a longer one the middle is left out: a prompt's beginning,
/// its end and the answer say more.
fn heading_lines(text: &str, width: i32) -> Vec<String> {
    let words: Vec<&str> = text.split(' ').collect();
    // As many words as could ever fit, so that a page of prompt isn't measured again and again.
    let mut kept = words.len().min(300);
    loop {
        let (head, tail) = (kept / 2, kept - kept / 2);
        let shown = if kept == words.len() {
            text.to_owned()
        } else {
            format!("{} … {}", words[..head].join(" "), words[words.len() - tail..].join(" "))
        };
        let lines = wrap(&shown, HEADING.0, width, 4);
        if lines.len() <= 3 || kept <= 1 {
            return wrap_evenly(&shown, HEADING.0, width, 4);
        }
        kept -= 1;
    }
}

/// As [`wrap`], in lines of nearly equal length: no word is left alone below a long line.
pub(crate) fn wrap_evenly(text: &str, em: f32, width: i32, most: usize) -> Vec<String> {
    let lines = wrap(text, em, width, most);
    let narrower = (width / lines.len().max(1) as i32..width).step_by(4);
    let mut wrapped = narrower.map(|width| wrap(text, em, width, most));
    let whole = |other: &Vec<String>| other.len() == lines.len() && other.join(" ") == text;
    wrapped.find(whole).unwrap_or(lines)
}

/// `text` in lines of at most `width` pixels; the last one is shortened where more is left.
pub(crate) fn wrap(text: &str, em: f32, width: i32, most: usize) -> Vec<String> {
    let fits = |line: &str| text_width(line, em) <= width as f32;
    let mut lines: Vec<String> = Vec::new();
    let mut words = text.split(' ').peekable();
    while words.peek().is_some() && lines.len() < most {
        let mut line = words.next().unwrap_or_default().to_owned();
        while let Some(word) = words.peek() {
            let longer = format!("{line} {word}");
            if !fits(&longer) {
                break;
            }
            line = longer;
            words.next();
        }
        if lines.len() + 1 == most && words.peek().is_some() {
            line.push_str(" …");
        }
        lines.push(if fits(&line) { line } else { shorten(&line, fits) });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{Bars, Curve};
    use crate::heatmap::{Heatmap, RomeGrid, RomeKind};
    use crate::scene::{Shape, extent};
    use crate::series::Series;

    #[test]
    fn a_long_heading_keeps_its_beginning_and_its_end() {
        let prompt = format!("The {} is in → Paris", "very ".repeat(500).trim());
        let lines = heading_lines(&prompt, 300);
        assert!(lines.len() <= 3, "{lines:?}");
        assert!(lines[0].starts_with("The very"), "{lines:?}");
        assert!(lines[2].ends_with("is in → Paris"), "{lines:?}");
    }

    #[test]
    fn a_title_breaks_between_words_and_ends_in_an_ellipsis() {
        let words = "one two three four five six seven eight nine ten";
        let lines = wrap(words, 10.0, 80, 3);
        assert!(lines.iter().all(|line| text_width(line, 10.0) <= 80.0), "{lines:?}");
        assert_eq!(lines.len(), 3);
        assert!(lines[2].ends_with('…'), "{lines:?}");
        assert_eq!(wrap("short", 10.0, 80, 3), ["short"]);
    }

    #[test]
    fn no_word_is_left_alone_below_a_long_line() {
        let text = "one two three four five six";
        let width = text_width("one two three four five", 10.0).ceil() as i32;
        assert_eq!(wrap(text, 10.0, width, 2), ["one two three four five", "six"]);
        assert_eq!(wrap_evenly(text, 10.0, width, 2), ["one two three", "four five six"]);
        assert_eq!(wrap_evenly("short", 10.0, 80, 3), ["short"]);
        let cut = "one two three four five six seven eight";
        assert_eq!(wrap_evenly(cut, 10.0, 40, 2), wrap(cut, 10.0, 40, 2));
    }

    /// A heatmap of any tokens and number of layers.
    fn map(tokens: &[&str], layers: usize, answer: &str) -> Heatmap {
        let tokens: Vec<String> = tokens.iter().map(|t| (*t).to_owned()).collect();
        let values: Vec<f64> = (0..tokens.len() * layers).map(|i| i as f64 / 300.0).collect();
        let grid = RomeGrid {
            kind: RomeKind::Mlp,
            values: &values,
            low_score: 0.0,
            tokens: &tokens,
            subject: 0..1,
            answer,
            window: 10,
            model: "GPT",
        };
        Heatmap::rome(&grid).expect("a heatmap")
    }

    /// No text may leave the figure, and none may touch another.
    #[track_caller]
    fn check<'a>(plots: impl IntoIterator<Item: Into<Plot<'a>>>, heading: &str) {
        let plots: Vec<Plot<'_>> = plots.into_iter().map(Into::into).collect();
        let scene = figure(&plots, heading).expect("a figure");
        let mut boxes: Vec<(i32, i32, i32, i32, &str)> = Vec::new();
        for shape in &scene.shapes {
            let Shape::Text { x, y, em, anchor, turned, text, .. } = shape else { continue };
            let along = extent(0, *anchor, *em, text);
            // Capitals and descenders: 0.46 above and 0.51 below the middle of an x.
            let (above, below) = ((0.46 * em) as i32, (0.51 * em) as i32);
            let (left, right, top, bottom) = match turned {
                true => (x - above, x + below, y - along.1, y - along.0),
                false => (x + along.0, x + along.1, y - above, y + below),
            };
            let inside = left >= 0 && right <= scene.width && top >= 0 && bottom <= scene.height;
            assert!(inside, "{text:?} leaves the figure");
            for (l, r, t, b, other) in &boxes {
                let apart = right <= *l || left >= *r || bottom <= *t || top >= *b;
                assert!(apart, "{text:?} touches {other:?}");
            }
            boxes.push((left, right, top, bottom, text));
        }
    }

    #[test]
    fn texts_neither_touch_nor_leave_the_figure() {
        let prompt = "Vinson Massif is located in the continent of → Antarctica ".repeat(9);
        let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk";
        let tokens = vec![" token"; 80];
        for (rows, layers) in [(1, 1), (2, 3), (5, 12), (22, 48), (80, 80)] {
            let three = [(); 3].map(|()| map(&tokens[..rows], layers, " Antarctica"));
            check(&three, &prompt);
            check(&three[..1], "");
            check(three.iter().chain(&three), &prompt);
        }
        check(&[map(&[long, "", "中文", "\n"], 12, long)], long);
        check(&[map(&vec![" x"; 400], 200, "y")], "x → y");
    }

    #[test]
    fn numbers_in_cells_neither_touch_nor_leave_them() {
        for (rows, layers) in [(1, 1), (5, 12), (22, 32), (60, 12), (22, 48)] {
            let mut map = map(&vec![" token"; rows], layers, "y");
            (map.numbers, map.values[0]) = (true, Some(-0.99));
            check(&[map], "x → y");
        }
    }

    #[test]
    fn a_curves_texts_neither_touch_nor_leave_the_figure() {
        for (layers, lines) in [(1, 1), (12, 4), (48, 2), (80, 6)] {
            let series = |index: usize| Series {
                name: format!("resid_post {index}"),
                values: (0..layers).map(|layer| Some(layer as f64 / layers as f64)).collect(),
                intervals: vec![Some((0.25, 0.75)); layers],
                marked: Some(index % layers),
                color: None,
            };
            let title = "Recovery by layer at the subject's last token".to_owned();
            let x_label = "patched layer".to_owned();
            let columns: Vec<String> = (0..layers).map(|layer| layer.to_string()).collect();
            let series: Vec<Series> = (0..lines).map(series).collect();
            let bars = Bars {
                title: title.clone(),
                x_label: x_label.clone(),
                columns: columns.clone(),
                series: series.clone(),
                ..Bars::default()
            };
            let curve = Curve { title, x_label, columns, lines: series, ..Curve::default() };
            let heading = "The capital of France is / The capital of Poland is → Paris";
            check(&[curve.clone()], heading);
            check(&[bars.clone()], heading);
            check([Plot::from(&curve), Plot::from(&bars), Plot::from(&curve)], heading);
        }
    }

    #[test]
    fn the_texts_of_bars_of_names_neither_touch_nor_leave_the_figure() {
        for names in [["early (0–3)", "middle (4–7)", "late (8–11)"], ["a name"; 3]] {
            let columns: Vec<String> = names.map(|name| name.repeat(3)).to_vec();
            for columns in [names.map(str::to_owned).to_vec(), columns] {
                let values = vec![Some(-0.5); 3];
                let series = vec![Series { values, ..Series::default() }; 6];
                check(&[Bars { columns, series, ..Bars::default() }], "");
            }
        }
    }

    #[test]
    fn texts_of_tokens_across_neither_touch_nor_leave_the_figure() {
        let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk";
        let tokens = vec![" token"; 80];
        for (tokens, layers) in [
            (&tokens[..1], 12),
            (&tokens[..5], 80),
            (&tokens[..], 12),
            (&tokens[..], 80),
            (&[long, "", "中文", "\n", "a"], 48),
        ] {
            for numbers in [false, true] {
                let mut map = map(tokens, layers, " Antarctica").transposed();
                map.numbers = numbers;
                check(&[map.clone(), map.clone(), map], "Vinson Massif → Antarctica");
            }
        }
        check(&[map(&vec![" x"; 400], 200, "y").transposed()], "x → y");
    }
}
