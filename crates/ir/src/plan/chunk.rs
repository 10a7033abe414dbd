//! Passes that fit into a memory budget.

use crate::plan::PlanError;
use crate::plan::assemble::Item;
use crate::plan::cost::{row_bytes, scratch_bytes};
use crate::plan::program::Program;

/// Splits items, in their order, into passes that take at most `budget` bytes.
///
/// Counts a row for every position from a run's first own intervention on, which is the most that
/// it can have beyond its base's; what runs share makes the pass smaller than that, never larger.
pub(crate) fn chunk(
    program: &Program<'_>,
    items: &[Item],
    budget: u64,
) -> Result<Vec<Vec<Item>>, PlanError> {
    let (per_row, fixed) = (row_bytes(program.architecture), scratch(program));
    let mut seen = vec![usize::MAX; program.runs.len()];
    let mut passes: Vec<Vec<Item>> = Vec::new();
    let (mut rows, mut smallest) = (0, 0);
    for item in items {
        let mut more = new_rows(program, *item, &mut seen, passes.len());
        if passes.is_empty() || fixed + (rows + more) * per_row > budget {
            passes.push(Vec::new());
            rows = 0;
            more = new_rows(program, *item, &mut seen, passes.len());
            smallest = smallest.max(fixed + more * per_row);
        }
        rows += more;
        if let Some(pass) = passes.last_mut() {
            pass.push(*item);
        }
    }
    if smallest > budget {
        return Err(PlanError::TooSmall { budget, smallest });
    }
    Ok(passes)
}

fn scratch(program: &Program<'_>) -> u64 {
    scratch_bytes(program.architecture, usize::MAX)
}

/// The rows that an item adds to the pass which is marked by `pass`.
fn new_rows(program: &Program<'_>, item: Item, seen: &mut [usize], pass: usize) -> u64 {
    let mut open = item.runs(program);
    let mut rows = 0;
    while let Some(run) = open.pop() {
        if std::mem::replace(&mut seen[run], pass) != pass {
            rows += program.own_rows(run) as u64;
            open.extend(program.needs(run));
        }
    }
    rows
}
