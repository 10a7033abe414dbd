//! Which columns cells are grouped by: those asked for, and those that mustn't be pooled unasked.

use std::collections::{BTreeMap, BTreeSet};

use crate::averages::is_aligned;
use crate::case::CaseRecord;
use crate::key::{self, KeyColumn, Keys, SRC_ROLE};
use crate::rome::severed;
use crate::{Results, ResultsError, Row};

/// What makes a cell another experiment, or another number, and not another place in it. Cells
/// that differ in one of these are never pooled unasked; over layers, positions, tokens, heads,
/// neurons, senders and cases a mean is what a person asks for by leaving the column out.
const APART: [&str; 6] = ["metric", "corruption", "kind", "site", "receiver", "metric_position"];

/// The columns of the groups.
pub(crate) struct Grouping {
    columns: Vec<KeyColumn>,
}

impl Grouping {
    /// By the columns asked for, then by those that keep different things apart: `metric` always,
    /// the others where without them cells that differ in them would be pooled.
    pub(crate) fn new<'a, C: AsRef<str>>(
        asked: &[C],
        cases: impl IntoIterator<Item = &'a CaseRecord>,
        rows: impl IntoIterator<Item = &'a Row>,
    ) -> Result<Self, ResultsError> {
        let mut known = key::known(cases);
        let mut columns = key::take(asked, &mut known)?;
        let is_asked = |name: &str| asked.iter().any(|asked| asked.as_ref() == name);
        let found = Kinds::of(rows);
        let mut kept: Vec<usize> =
            (0..APART.len()).filter(|&place| is_asked(APART[place])).collect();
        for (place, name) in APART.into_iter().enumerate().filter(|(_, name)| !is_asked(name)) {
            let with: Vec<usize> = kept.iter().copied().chain([place]).collect();
            if name == "metric" || found.count(&with) > found.count(&kept) {
                columns.extend(key::take(&[name], &mut known)?);
                kept = with;
            }
        }
        Ok(Self { columns })
    }

    /// The group of a cell.
    pub(crate) fn keys(&self, row: &Row, case: &CaseRecord) -> Keys {
        self.columns.iter().map(|column| column.key(row, case)).collect()
    }

    /// The names of the columns, in the order of the keys.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// The columns that tell the cells of these results apart but for their cases, those of the groups
/// of `averages.parquet`: every one that some cell has something in, tokens by their position where
/// all prompts have the same number of them, and by their role otherwise.
///
/// A severed path starts wherever the subject ends, so where there is one, tokens go by their role.
pub fn grid_columns(results: &Results) -> Vec<String> {
    let is_severed = |row: &Row| row.kind.as_deref().and_then(severed).is_some();
    let left_out = match is_aligned(&results.cases) && !results.rows.iter().any(is_severed) {
        true => ["case", "token", "role", SRC_ROLE],
        false => ["case", "token", "position", "src_position"],
    };
    let cases: BTreeMap<&str, _> =
        results.cases.iter().map(|case| (case.name.as_str(), case)).collect();
    let occurs = |column: &KeyColumn| {
        let case = |row: &Row| cases.get(row.case.as_str()).copied();
        results.rows.iter().any(|row| case(row).and_then(|case| column.key(row, case)).is_some())
    };
    let columns = key::known([]).into_iter();
    let columns = columns.filter(|column| !left_out.contains(&column.name.as_str()));
    columns.filter(occurs).map(|column| column.name).collect()
}

/// What the cells have in the columns that are kept apart.
struct Kinds(BTreeSet<Keys>);

impl Kinds {
    fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let cells = key::of_cells();
        let columns = APART.map(|name| cells.iter().find(|column| column.name == name));
        let nobody = CaseRecord::default();
        let keys = |row: &Row| -> Keys {
            columns.iter().map(|column| column.and_then(|it| it.key(row, &nobody))).collect()
        };
        Self(rows.into_iter().map(keys).collect())
    }

    /// How many there are if only these columns tell them apart.
    fn count(&self, places: &[usize]) -> usize {
        let seen = |keys: &Keys| places.iter().map(|&place| keys[place].clone()).collect::<Keys>();
        self.0.iter().map(seen).collect::<BTreeSet<_>>().len()
    }
}
