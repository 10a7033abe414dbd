//! Passes that fit into a memory budget.

use crate::component::Component;
use crate::plan::PlanError;
use crate::plan::assemble::Item;
use crate::plan::cost::{bytes_of, row_bytes, scratch_bytes};
use crate::plan::program::Program;

/// Splits items, in their order, into passes that take at most `budget` bytes.
///
/// Counts a row for every position from a run's first own intervention on, which is the most that
/// it can have beyond its base's, and the logits that can be held; what runs share makes the pass
/// smaller than that, never larger.
pub(crate) fn chunk(
    program: &Program<'_>,
    items: &[Item],
    budget: u64,
) -> Result<Vec<Vec<Item>>, PlanError> {
    let fixed = scratch_bytes(program.architecture, usize::MAX);
    let mut seen = vec![usize::MAX; program.runs.len()];
    let mut passes: Vec<Vec<Item>> = Vec::new();
    let (mut taken, mut smallest) = (fixed, 0);
    for item in items {
        let before = passes.last().and_then(|pass| pass.last());
        let mut more = bytes(program, *item, before, &mut seen, passes.len());
        if passes.is_empty() || taken + more > budget {
            passes.push(Vec::new());
            more = bytes(program, *item, None, &mut seen, passes.len());
            taken = fixed;
            smallest = smallest.max(fixed + more);
        }
        taken += more;
        if let Some(pass) = passes.last_mut() {
            pass.push(*item);
        }
    }
    if smallest > budget {
        return Err(PlanError::TooSmall { budget, smallest });
    }
    Ok(passes)
}

/// What an item adds to the pass which is marked by `pass` and has `before` as its last item.
fn bytes(
    program: &Program<'_>,
    item: Item,
    before: Option<&Item>,
    seen: &mut [usize],
    pass: usize,
) -> u64 {
    let rows = new_rows(program, item, seen, pass) * row_bytes(program.architecture);
    rows + match item {
        Item::Measured(run) => logits(program, run, before),
        Item::Reading { request, index } => {
            let locus = &program.requests[request].readings[index].locus;
            let positions = locus.positions.indices(program.runs[item.run(program)].tokens.len());
            let values = std::iter::repeat_n(locus.site.place().component, positions.len());
            bytes_of(program.architecture, values)
        }
    }
}

/// The logits that are held for a run's metrics: the clean runs', where they aren't yet, and its own,
/// unless it comes after them.
fn logits(program: &Program<'_>, run: usize, before: Option<&Item>) -> u64 {
    let request = program.runs[run].request;
    let measures = &program.requests[request].measures;
    let compare = measures.iter().filter(|measure| measure.metric.clean().is_some()).count();
    let held = matches!(before, Some(Item::Measured(run)) if program.runs[*run].request == request);
    let waits = program.clean[request].iter().any(|clean| {
        let len = |run: usize| program.runs[run].tokens.len();
        !program.is_first(*clean) || len(*clean) != len(run)
    });
    let rows = compare * (usize::from(!held) + usize::from(waits));
    bytes_of(program.architecture, std::iter::repeat_n(Component::Logits, rows))
}

/// The rows that an item adds to the pass which is marked by `pass`.
fn new_rows(program: &Program<'_>, item: Item, seen: &mut [usize], pass: usize) -> u64 {
    let mut open: Vec<usize> = item.runs(program).collect();
    let mut rows = 0;
    while let Some(run) = open.pop() {
        if std::mem::replace(&mut seen[run], pass) != pass {
            rows += program.own_rows(run) as u64;
            open.extend(program.needs(run));
        }
    }
    rows
}
