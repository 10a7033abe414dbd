//! Tables of groups of cells: their files, and what is printed of them.

use std::path::{Path, PathBuf};

use tracewright_results::{GroupMean, Grouped, Key, PairedDifference, STATISTICS};

use crate::console::{Console, table};
use crate::error::Failure;

/// Of many groups these many are printed; all are in the file.
const MOST_GROUPS: usize = 60;

/// The file of a table of groups.
pub(super) fn file(folder: &Path, what: &str, columns: &[String]) -> PathBuf {
    folder.join(STATISTICS).join(format!("{what}-{}.parquet", columns.join("-")))
}

pub(super) const MEAN: [&str; 8] =
    ["value", "± s.e.", "95 %", "noise s.e.", "recovery", "effect", "cells", "cases"];
pub(super) const DIFFERENCE: [&str; 6] =
    ["against (a)", "folder (b)", "b − a", "± s.e.", "95 %", "cases"];

pub(super) fn numbers(group: &GroupMean) -> Vec<String> {
    vec![
        format!("{:.4}", group.value),
        optional(group.stderr),
        interval(group.low, group.high),
        optional(group.noise_stderr),
        optional(group.recovery),
        optional(group.effect),
        group.cells.to_string(),
        group.n.to_string(),
    ]
}

pub(super) fn difference(group: &PairedDifference) -> Vec<String> {
    vec![
        optional(group.a),
        optional(group.b),
        optional(group.difference),
        optional(group.stderr),
        interval(group.low, group.high),
        group.n.to_string(),
    ]
}

fn optional(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.4}"))
}

fn interval(low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("{low:.4} … {high:.4}"),
        _ => "–".to_owned(),
    }
}

/// Prints a table of groups.
pub(super) fn shown<N>(
    groups: &Grouped<N>,
    head: &[&str],
    numbers: fn(&N) -> Vec<String>,
    path: &Path,
    console: &Console,
) -> Result<(), Failure> {
    let key = |key: &Option<Key>| key.as_ref().map_or_else(|| "–".to_owned(), Key::to_string);
    let head = groups.columns.iter().cloned().chain(head.iter().map(|word| (*word).to_owned()));
    let mut rows = vec![head.collect::<Vec<_>>()];
    for group in groups.groups.iter().take(MOST_GROUPS) {
        rows.push(group.keys.iter().map(key).chain(numbers(&group.numbers)).collect());
    }
    console.answer(&table(&rows))?;
    if groups.groups.len() > MOST_GROUPS {
        console.answer(&format!("… and {} more groups", groups.groups.len() - MOST_GROUPS))?;
    }
    console.explain(&format!("all of them in {}", path.display()))
}
