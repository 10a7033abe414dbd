//! Two runs of the same cases, cell by cell.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::averages::is_averaged;
use crate::bootstrap::{Resamples, ends, resampled};
use crate::case::CaseRecord;
use crate::grouped::{CellGroup, Gathered, Grouped};
use crate::grouping::Grouping;
use crate::key::{self, Key};
use crate::place::Place;
use crate::statistics::Summary;
use crate::{Results, ResultsError, Row};

/// The difference of two runs over the cases of a group, in pairs: a case's own level is in both
/// and falls out, so that the interval is as narrow as the differences are alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// The mean over cases of the first run's cells that have a partner; null where none has.
    pub a: Option<f64>,
    /// The mean over cases of the second run's.
    pub b: Option<f64>,
    /// The mean over cases of second − first.
    pub difference: Option<f64>,
    /// The standard deviation of the differences over cases, with n − 1.
    pub std: Option<f64>,
    /// Their standard error.
    pub stderr: Option<f64>,
    /// The lower end of the 95 % bootstrap interval of `difference`; a case is drawn with both of
    /// its values.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The number of cases with a pair of cells.
    pub n: u32,
    /// The number of pairs of cells.
    pub cells: u32,
    /// The number of cells of the first run that have no partner in the second.
    pub only_a: u32,
    /// The number of cells of the second run that have no partner in the first.
    pub only_b: u32,
}

/// Compares two runs, second − first, in groups of the cells that agree in `columns` as in
/// [`group_by`](crate::group_by); [`grid_columns`](crate::grid_columns) are those of
/// `averages.parquet`.
///
/// Two cells are partners where their cases have one name and one prompt, and the cells agree in
/// everything that says what they are: metric, site, layer, position, token, head and so on. A
/// case counts once in a group, with the mean of its pairs. Cases that failed or are answered
/// wrongly in their run have no cells there.
///
/// # Errors
///
/// [`ResultsError::NoColumn`] for a column that isn't known; [`ResultsError::NothingInCommon`]
/// where no cell has a partner, with what differs.
pub fn compare<C: AsRef<str>>(
    a: &Results,
    b: &Results,
    columns: &[C],
) -> Result<Grouped<PairedDifference>, ResultsError> {
    let (cells_a, cells_b) = (Cells::of(a), Cells::of(b));
    let rows = cells_a.0.iter().chain(&cells_b.0).map(|cell| cell.row);
    let grouping = Grouping::new(columns, a.cases.iter().chain(&b.cases), rows)?;
    let mut partners: BTreeMap<_, _> =
        cells_b.0.iter().map(|cell| (cell.place(), cell.value)).collect();
    let mut groups = Gathered::<Pairs<'_>>::default();
    for cell in &cells_a.0 {
        let pairs = groups.of(grouping.keys(cell.row, cell.case));
        match partners.remove(&cell.place()) {
            Some(value) => pairs.add(cell, value),
            None => pairs.only_a += 1,
        }
    }
    if groups.groups.iter().all(|(_, pairs)| pairs.cases.is_empty()) {
        return Err(ResultsError::NothingInCommon { differences: differences(&cells_a, &cells_b) });
    }
    for cell in cells_b.0.iter().filter(|cell| partners.contains_key(&cell.place())) {
        groups.of(grouping.keys(cell.row, cell.case)).only_b += 1;
    }
    let count = |(_, pairs): &(_, Pairs<'_>)| pairs.cases.len();
    let groups = resampled(&groups.groups, count, |(keys, pairs), resamples| {
        Some(CellGroup { keys: keys.clone(), numbers: pairs.difference(resamples) })
    });
    Ok(Grouped { columns: grouping.names(), groups })
}

/// A cell that has a value, of a case that counts.
struct Cell<'a> {
    row: &'a Row,
    value: f64,
    case: &'a CaseRecord,
}

impl<'a> Cell<'a> {
    fn place(&self) -> (&'a str, Place<'a>) {
        (&self.case.prompt, Place::of(self.row))
    }
}

struct Cells<'a>(Vec<Cell<'a>>);

impl<'a> Cells<'a> {
    fn of(results: &'a Results) -> Self {
        let cases = results.cases.iter().filter(|case| is_averaged(case));
        let cases: BTreeMap<&str, _> = cases.map(|case| (case.name.as_str(), case)).collect();
        let cell = |row: &'a Row| {
            let case = cases.get(row.case.as_str())?;
            Some(Cell { row, value: row.value?, case })
        };
        Self(results.rows.iter().filter_map(cell).collect())
    }

    /// What the cells have in a column, each once, in order.
    fn all<K: Ord>(&self, of: impl Fn(&Cell<'a>) -> K) -> Vec<K> {
        let all: BTreeSet<K> = self.0.iter().map(of).collect();
        all.into_iter().collect()
    }
}

/// The pairs of a group.
#[derive(Default)]
struct Pairs<'a> {
    /// By the case's name, so that it doesn't depend on the order of the cells.
    cases: BTreeMap<&'a str, CasePairs>,
    only_a: u32,
    only_b: u32,
}

/// A case's pairs and the sums of their values.
#[derive(Default)]
struct CasePairs {
    cells: u32,
    a: f64,
    b: f64,
}

impl<'a> Pairs<'a> {
    fn add(&mut self, cell: &Cell<'a>, partner: f64) {
        let case = self.cases.entry(&cell.case.name).or_default();
        case.cells += 1;
        case.a += cell.value;
        case.b += partner;
    }

    fn difference(&self, resamples: &Resamples) -> PairedDifference {
        let of = |sum: fn(&CasePairs) -> f64| -> Vec<f64> {
            self.cases.values().map(|case| sum(case) / f64::from(case.cells)).collect()
        };
        let difference = Summary::with(&of(|case| case.b - case.a), resamples);
        let (low, high) = ends(difference.and_then(|difference| difference.interval));
        PairedDifference {
            a: Summary::finite_mean(&of(|case| case.a)),
            b: Summary::finite_mean(&of(|case| case.b)),
            difference: difference.map(|difference| difference.mean),
            std: difference.and_then(|difference| difference.std),
            stderr: difference.and_then(|difference| difference.stderr),
            low,
            high,
            n: self.cases.len() as u32,
            cells: self.cases.values().map(|case| case.cells).sum(),
            only_a: self.only_a,
            only_b: self.only_b,
        }
    }
}

/// In what two runs that share no cell have nothing in common.
fn differences(a: &Cells<'_>, b: &Cells<'_>) -> String {
    if let Some(which) = [(a, "first"), (b, "second")].iter().find(|(run, _)| run.0.is_empty()) {
        return format!("the {} has no cells of cases that count", which.1);
    }
    let mut told = Vec::new();
    let mut tell = |name: &str, a: Vec<Option<Key>>, b: Vec<Option<Key>>| {
        if !a.iter().any(|key| b.contains(key)) {
            told.push(format!(
                "{name} is {} in the first and {} in the second",
                list(&a),
                list(&b)
            ));
        }
    };
    for column in key::of_cells() {
        let of = |cell: &Cell<'_>| column.key(cell.row, cell.case);
        tell(&column.name, a.all(of), b.all(of));
    }
    let prompt = |cell: &Cell<'_>| Some(Key::Text(cell.case.prompt.clone()));
    tell("prompt", a.all(prompt), b.all(prompt));
    match told.is_empty() {
        true => "each column has something in common, but no cell agrees in all".to_owned(),
        false => told.join("; "),
    }
}

/// The first few of what a run has.
fn list(keys: &[Option<Key>]) -> String {
    const SHOWN: usize = 3;
    let shown = keys.iter().take(SHOWN);
    let shown: Vec<_> = shown
        .map(|key| key.as_ref().map_or("nothing".to_owned(), |key| format!("'{key}'")))
        .collect();
    let more = if keys.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
