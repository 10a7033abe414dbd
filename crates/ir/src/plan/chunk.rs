//! Passes that fit into a memory budget.

use std::collections::BTreeMap;

use crate::component::Component;
use crate::plan::cost::{bytes_of, row_bytes, scratch_bytes};
use crate::plan::item::Item;
use crate::plan::outline;
use crate::plan::parallel::parallel;
use crate::plan::program::Program;
use crate::plan::{Chunk, PlanError};

/// Splits items, in their order, into passes that take at most `budget` bytes; what a pass reads of
/// others comes before it.
///
/// First by an estimate, then by what each pass really costs: one that is too large is halved until it
/// fits.
pub(crate) fn chunk(
    program: &Program<'_>,
    items: &[Item],
    budget: u64,
) -> Result<Vec<Chunk>, PlanError> {
    let mut levels: BTreeMap<usize, Vec<Item>> = BTreeMap::new();
    for item in items {
        levels.entry(item.level(program)).or_default().push(*item);
    }
    let groups: Vec<&[Item]> =
        levels.values().flat_map(|items| groups(program, items, budget)).collect();
    let chunks = parallel(groups.len(), |group| {
        let mut chunks = Vec::new();
        fit(program, groups[group], budget, &mut chunks).then_some(chunks)
    });
    match chunks.into_iter().collect::<Option<Vec<_>>>() {
        Some(chunks) => Ok(chunks.into_iter().flatten().collect()),
        None => Err(PlanError::TooSmall { budget, smallest: smallest(program, items) }),
    }
}

/// Halves items until each pass fits; false where one alone doesn't.
fn fit(program: &Program<'_>, items: &[Item], budget: u64, into: &mut Vec<Chunk>) -> bool {
    let (cost, results) = outline::cost(program, items);
    if cost.peak_bytes <= budget {
        into.push(Chunk { items: items.to_vec(), cost, results });
        return true;
    }
    let (first, second) = items.split_at(items.len() / 2);
    !first.is_empty() && fit(program, first, budget, into) && fit(program, second, budget, into)
}

/// The smallest budget that works: what the largest pass of a single item takes.
fn smallest(program: &Program<'_>, items: &[Item]) -> u64 {
    let alone = |item: usize| outline::cost(program, &items[item..=item]).0.peak_bytes;
    parallel(items.len(), alone).into_iter().max().unwrap_or(0)
}

/// Items that are likely to fit together. Counts a row for every position from a run's first own
/// intervention on, which is about what it has beyond its base's, and the logits that can be held; what
/// runs share makes the pass smaller than that.
fn groups<'a>(program: &Program<'_>, items: &'a [Item], budget: u64) -> Vec<&'a [Item]> {
    let mut seen = vec![usize::MAX; program.runs.len()];
    let mut groups = Vec::new();
    let (mut first, mut taken) = (0, Taken::default());
    for (at, item) in items.iter().enumerate() {
        let before = items[first..at].last();
        taken.add(program, *item, before, &mut seen, groups.len());
        if taken.peak(program) > budget && at > first {
            groups.push(&items[first..at]);
            (first, taken) = (at, Taken::default());
            taken.add(program, *item, None, &mut seen, groups.len());
        }
    }
    if first < items.len() {
        groups.push(&items[first..]);
    }
    groups
}

/// What the items of a pass take.
#[derive(Default)]
struct Taken {
    rows: u64,
    /// Bytes of values that are held.
    held: u64,
}

impl Taken {
    /// Adds an item to the pass which is marked by `pass` and has `before` as its last item.
    fn add(
        &mut self,
        program: &Program<'_>,
        item: Item,
        before: Option<&Item>,
        seen: &mut [usize],
        pass: usize,
    ) {
        self.rows += new_rows(program, item, seen, pass);
        self.held += match item {
            Item::Measured(run) => logits(program, run, before),
            Item::Reading { request, index } => {
                let locus = &program.requests[request].readings[index].locus;
                let len = locus.positions.len(program.runs[item.run(program)].tokens.len());
                let values = std::iter::repeat_n(locus.site.place().component, len);
                bytes_of(&program.architecture, values)
            }
            Item::Carried(row) => {
                let component = program.carried.rows[row as usize].site.component;
                bytes_of(&program.architecture, std::iter::once(component))
            }
        };
    }

    fn peak(&self, program: &Program<'_>) -> u64 {
        let architecture = &program.architecture;
        let scratch = scratch_bytes(architecture, &program.scope, self.rows as usize);
        let carried = program.carried.rows.iter().map(|row| row.site.component);
        let held = self.held + bytes_of(architecture, carried);
        self.rows * row_bytes(architecture) + held + scratch
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
    bytes_of(&program.architecture, std::iter::repeat_n(Component::Logits, rows))
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
