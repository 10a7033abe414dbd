//! A sweep's means as heatmaps.

use tracewright_results::GroupMean;

use crate::average_figures::Averages;
use crate::colormap::Colormap;
use crate::grids::{Axis, Grid};
use crate::heatmap::Heatmap;
use crate::pair_figures::{MOST_CELLS, MOST_HEATMAPS, limit, span};

impl Averages<'_> {
    /// A heatmap for each grid, or where grids are single rows one of all sites; none where they would be too many,
    /// or one of them too large.
    pub(crate) fn heatmaps(&self, grids: &[Grid<'_, GroupMean>], metric: &str) -> Vec<Heatmap> {
        let together: Vec<_> = grids.chunk_by(Grid::is_beside).collect();
        let is_large = |axis: &Axis<'_>| {
            let free = ["layer", "position"].contains(&axis.name);
            axis.keys.len() > MOST_CELLS && !free
        };
        let axes = grids.iter().flat_map(|grid| [&grid.rows, &grid.columns]);
        if together.len() > MOST_HEATMAPS || axes.flatten().any(is_large) {
            return Vec::new();
        }
        let alone = |part: &&[Grid<'_, GroupMean>]| part.iter().any(|grid| grid.cells.len() > 1);
        together.into_iter().filter(alone).map(|part| self.heatmap(part, grids, metric)).collect()
    }

    fn heatmap(
        &self,
        part: &[Grid<'_, GroupMean>],
        all: &[Grid<'_, GroupMean>],
        metric: &str,
    ) -> Heatmap {
        let first = &part[0];
        let of = |grid: &Grid<'_, GroupMean>| -> Vec<Option<f64>> {
            grid.cells.iter().map(|mean| self.shown((*mean)?)).collect()
        };
        let values: Vec<Option<f64>> = part.iter().flat_map(of).collect();
        // Slices of one site have one scale.
        let of_site =
            all.iter().filter(|grid| part.iter().any(|p| p.of("site") == grid.of("site")));
        let sizes = of_site.flat_map(of).flatten().map(f64::abs);
        let limit = limit(sizes, self.report.is_ablation());
        let known = || values.iter().flatten().copied();
        let range = match known().reduce(f64::min).zip(known().reduce(f64::max)) {
            Some((low, high)) => format!("; {}", span(low, high)),
            None => String::new(),
        };
        let (what, rows) = match &first.rows {
            Some(axis) => (first.of("site"), self.rows(axis)),
            None if part.len() > 1 => {
                ("activations".to_owned(), part.iter().map(|grid| grid.of("site")).collect())
            }
            None => (first.of("site"), vec![first.of("site")]),
        };
        Heatmap {
            title: self.title(first, &what),
            x_label: format!("{}{range}", across(first.columns.as_ref())),
            colorbar_label: self.report.quantity(metric).0.to_owned(),
            rows,
            columns: self.columns(first),
            values,
            low: -limit,
            high: limit,
            colormap: Colormap::RedBlue,
            numbers: true,
        }
    }

    fn rows(&self, axis: &Axis<'_>) -> Vec<String> {
        axis.keys.iter().map(|key| self.labels.row(axis.name, key)).collect()
    }
}

fn across(axis: Option<&Axis<'_>>) -> String {
    match axis.map(|axis| axis.name) {
        Some("src_position" | "src_role") => "key's token (queries down)".to_owned(),
        Some(axis) => format!("patched {axis}"),
        None => String::new(),
    }
}
