//! Cells of a sweep: some of them, and how a peer is told which.

use serde_json::Value;
use tracewright_engine::Outcome;
use tracewright_ir::{Cell, Request, RunId, Sweep};

/// `count` of `total` cells, spread evenly over the grid.
pub(super) fn spread(total: usize, count: usize) -> Vec<usize> {
    let count = count.min(total);
    (0..count).map(|index| (2 * index + 1) * total / (2 * count)).collect()
}

/// The same sweep with some of its cells only.
pub(super) fn part(sweep: &Sweep, chosen: &[usize]) -> Sweep {
    let Request { runs, measures, .. } = &sweep.request;
    // Whatever isn't a cell's comes before the cells.
    let first = sweep.cells.iter().flat_map(|cell| &cell.runs).map(|run| run.0).min();
    let bases = runs[..first.unwrap_or(runs.len())].to_vec();
    let mut request = Request { runs: bases, measures: measures.clone(), ..Request::default() };
    let mut cells = Vec::new();
    for cell in chosen.iter().map(|index| &sweep.cells[*index]) {
        let runs = cell.runs.iter().map(|run| request.push(runs[run.0].clone())).collect();
        cells.push(Cell { at: cell.at.clone(), runs });
    }
    request.measured = (0..request.runs.len()).map(RunId).collect();
    let (clean, corrupted) = (sweep.clean.clone(), sweep.corrupted.clone());
    let (sources, direction) = (sweep.sources.clone(), sweep.direction);
    Sweep { request, clean, corrupted, sources, direction, cells }
}

/// The metric of the clean run, of the corrupted ones, and of each cell, averaged over samples.
///
/// Every run of the request must be measured, in order.
pub(super) fn values(sweep: &Sweep, outcome: &Outcome) -> Vec<f64> {
    let values = &outcome.values[0];
    let mean =
        |runs: &Vec<RunId>| runs.iter().map(|run| values[run.0]).sum::<f64>() / runs.len() as f64;
    let cells = sweep.cells.iter().map(|cell| &cell.runs);
    [&sweep.clean, &sweep.corrupted].into_iter().chain(cells).map(mean).collect()
}

/// Cells as a peer reads them: the kind or site, and the index on each axis that the sweep has, of layer,
/// position and head.
pub(super) fn message(sweep: &Sweep, chosen: &[usize]) -> Value {
    let cell = |index: &usize| {
        let at = &sweep.cells[*index].at;
        let indices = [at.layer, at.position, at.head].into_iter().flatten().map(Value::from);
        let kind = Value::from(at.kind.as_ref().unwrap_or(&at.site).as_str());
        Value::Array(std::iter::once(kind).chain(indices).collect())
    };
    chosen.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn chosen_cells_are_spread_over_the_grid() {
        assert_eq!(spread(12, 3), [2, 6, 10]);
        assert_eq!(spread(4, 4), [0, 1, 2, 3]);
        assert_eq!(spread(3, 9), [0, 1, 2]);
    }
}
