//! Two runs side by side, and their difference.

use tracewright_results::{CaseRecord, Grouped, Key, PairedDifference};

use crate::cell_labels::Labels;
use crate::colormap::Colormap;
use crate::drawing::Figure;
use crate::grids::{Grid, grids};
use crate::heatmap::Heatmap;
use crate::label::visible;
use crate::pair_figures::{MOST_CELLS, span};

/// A figure for each grid of the cells that two runs have in common: the first run, the second, and second −
/// first with zero in the middle. `cases` are those of either run, `names` what the runs are called.
///
/// A figure's name is `against_` and what tells its cells from others: metric, kind, site. Grids of a single cell or
/// without a cell in common have none, and neither have those with more than 128 rows or columns.
pub fn comparison_figures(
    groups: &Grouped<PairedDifference>,
    cases: &[CaseRecord],
    names: [&str; 2],
) -> Vec<Figure> {
    let labels = Labels::new(cases);
    let all = grids(groups);
    let parts = all.chunk_by(Grid::is_beside);
    let drawn = |part: &&[Grid<'_, PairedDifference>]| {
        let axes = part.iter().flat_map(|grid| [&grid.rows, &grid.columns]).flatten();
        let largest = axes.map(|axis| axis.keys.len()).max().unwrap_or(1);
        let mut cells = part.iter().flat_map(|grid| grid.cells.iter().flatten());
        (2..=MOST_CELLS).contains(&largest) && cells.any(|cell| cell.difference.is_some())
    };
    parts.filter(drawn).map(|part| figure(part, &labels, names)).collect()
}

fn figure(
    part: &[Grid<'_, PairedDifference>],
    labels: &Labels<'_>,
    [first, second]: [&str; 2],
) -> Figure {
    let of = |number: fn(&PairedDifference) -> Option<f64>| -> Vec<Option<f64>> {
        part.iter().flat_map(|grid| grid.cells.iter().map(|cell| number((*cell)?))).collect()
    };
    let (a, b) = (of(|cell| cell.a), of(|cell| cell.b));
    let difference = of(|cell| cell.difference);
    let known = || a.iter().chain(&b).flatten().copied();
    let scale = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let widest = difference.iter().flatten().fold(0.0, |most, v| v.abs().max(most));
    // Runs that are equal have a scale all the same.
    let widest = if widest > 0.0 { widest } else { 1.0 };
    // Values with both signs have zero in the middle.
    let most = scale.0.abs().max(scale.1.abs());
    let (scale, colormap) = match scale.0 < 0.0 && scale.1 > 0.0 {
        true => ((-most, most), Colormap::RedBlue),
        false => (scale, Colormap::Purples),
    };
    let run = |name: &str, values| {
        let title = visible(name);
        heatmap(part, labels, (title, values), (scale, colormap))
    };
    let title = format!("{} − {}", visible(second), visible(first));
    let difference =
        heatmap(part, labels, (title, difference), ((-widest, widest), Colormap::RedBlue));
    let (words, name) = what(part, labels);
    Figure {
        name: format!("against_{name}"),
        heading: words,
        heatmaps: vec![run(first, a), run(second, b), difference],
        ..Figure::default()
    }
}

/// What the cells are, in words and for a file's name.
fn what(part: &[Grid<'_, PairedDifference>], labels: &Labels<'_>) -> (String, String) {
    let first = &part[0];
    let told_by_rows = |name: &str| part.len() > 1 && ["kind", "site"].contains(&name);
    let shared = first.what.iter().filter(|(name, _)| !told_by_rows(name));
    let shared: Vec<String> = shared.map(|(_, key)| key.to_string()).collect();
    // Tokens can be alike; where they stand can't.
    let places = first.at.iter().map(|(axis, key)| match key {
        Key::Number(number) => format!("{axis}-{number}"),
        Key::Text(text) => text.replace('_', "-"),
    });
    let names: Vec<String> = shared.iter().cloned().chain(places).collect();
    let at = first.at.iter().map(|(axis, key)| labels.place(axis, key));
    let words: Vec<String> = shared.into_iter().chain(at).collect();
    let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    (words.join(", "), names.join("_").chars().map(safe).collect())
}

fn heatmap(
    part: &[Grid<'_, PairedDifference>],
    labels: &Labels<'_>,
    (title, values): (String, Vec<Option<f64>>),
    ((low, high), colormap): ((f64, f64), Colormap),
) -> Heatmap {
    let first = &part[0];
    let rows = match &first.rows {
        Some(axis) => axis.keys.iter().map(|key| labels.row(axis.name, key)).collect(),
        None => part.iter().map(Grid::component).collect(),
    };
    let (across, columns) = match &first.columns {
        Some(axis) => {
            (axis.name, axis.keys.iter().map(|key| labels.column(axis.name, key)).collect())
        }
        None => ("", vec!["–".to_owned()]),
    };
    let known = || values.iter().flatten().copied();
    let range = match known().reduce(f64::min).zip(known().reduce(f64::max)) {
        Some((low, high)) => span(low, high),
        None => "no values".to_owned(),
    };
    Heatmap {
        title,
        x_label: match across {
            "" => range,
            "src_position" => format!("key; {range}"),
            axis => format!("{axis}; {range}"),
        },
        colorbar_label: first.of("metric"),
        rows,
        columns,
        values,
        low,
        high,
        colormap,
        numbers: true,
    }
}
