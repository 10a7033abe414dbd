//! Reading numbers off the tables of a results folder.

use std::cmp::Ordering;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Map, Value};
use tracewright_results::{read_averages, read_rome_averages, read_table};

use super::file::{Quantity, Table, Take};

/// What rows are ordered by: all places that a cell can have.
pub(super) const ORDER: [&str; 11] = [
    "case",
    "corruption",
    "kind",
    "site",
    "receiver",
    "metric",
    "layer",
    "position",
    "role",
    "head",
    "sender",
];

/// Columns with an interval, and its ends.
const INTERVALS: [(&str, [&str; 2]); 3] = [
    ("value", ["low", "high"]),
    ("effect", ["effect_low", "effect_high"]),
    ("recovery", ["recovery_low", "recovery_high"]),
];

type Row = Map<String, Value>;

/// The tables of results folders, in the order of [`ORDER`].
pub(super) struct Tables {
    cells: Vec<Row>,
    averages: Vec<Row>,
    rome_averages: Vec<Row>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// The number, or the numbers of an array.
    pub(super) values: Vec<f64>,
    /// The ends of its interval over cases or noise samples; none for an array.
    pub(super) interval: Option<(f64, f64)>,
}

impl Measured {
    /// The lowest and the highest that it may be.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        self.interval.or_else(|| self.values.first().map(|value| (*value, *value)))
    }
}

impl Tables {
    /// Of the results folders of all sweeps together.
    pub(super) fn read(folders: impl Iterator<Item = PathBuf>) -> Result<Self> {
        let (mut cells, mut averages, mut rome) = (Vec::new(), Vec::new(), Vec::new());
        for folder in folders {
            let there = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
            cells.extend(read_table(&folder.join("cells.parquet"))?.0);
            if let Some(path) = there("averages.parquet") {
                averages.extend(read_averages(&path)?);
            }
            if let Some(path) = there("rome_averages.parquet") {
                rome.extend(read_rome_averages(&path)?);
            }
        }
        Ok(Self { cells: rows(&cells)?, averages: rows(&averages)?, rome_averages: rows(&rome)? })
    }

    /// A quantity.
    pub(super) fn measure(&self, quantity: &Quantity) -> Result<Measured> {
        let rows = match quantity.table {
            Table::Cells => &self.cells,
            Table::Averages => &self.averages,
            Table::RomeAverages => &self.rome_averages,
        };
        let matches = |row: &&Row| quantity.rows.iter().all(|(name, want)| is(&row[name], want));
        let columns = quantity.rows.keys().chain([&quantity.column]).chain(&quantity.give);
        if let (Some(row), Some(unknown)) =
            (rows.first(), columns.into_iter().find(|name| !rows[0].contains_key(*name)))
        {
            let columns: Vec<&String> = row.keys().collect();
            bail!("'{}': there is no column '{unknown}' among {columns:?}", quantity.name);
        }
        let rows: Vec<&Row> = rows.iter().filter(matches).collect();
        take(quantity, &rows).with_context(|| quantity.name.clone())
    }
}

fn rows<T: Serialize>(table: &[T]) -> Result<Vec<Row>> {
    let row = |row: &T| match serde_json::to_value(row)? {
        Value::Object(row) => Ok(row),
        other => bail!("{other} is no row"),
    };
    let mut rows: Vec<Row> = table.iter().map(row).collect::<Result<_>>()?;
    rows.sort_by(|a, b| {
        let orders = ORDER.iter().map(|name| order(a.get(*name), b.get(*name)));
        orders.fold(Ordering::Equal, Ordering::then)
    });
    Ok(rows)
}

/// Numbers by size, texts by their letters.
fn order(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => text(a).cmp(&text(b)),
    }
}

fn is(value: &Value, want: &Value) -> bool {
    match want {
        Value::Array(any) => any.contains(value),
        _ => value == want,
    }
}

fn take(quantity: &Quantity, rows: &[&Row]) -> Result<Measured> {
    let valued = rows.iter().filter_map(|row| Some((*row, number(row, &quantity.column)?)));
    let valued: Vec<(&Row, f64)> = valued.collect();
    ensure!(!valued.is_empty(), "no row of the table has a value there: {:?}", quantity.rows);
    let best = |better: fn(f64, f64) -> bool| {
        valued.iter().copied().reduce(|best, next| if better(next.1, best.1) { next } else { best })
    };
    let (row, value) = match quantity.take {
        Take::All => {
            let values = valued.iter().map(|(_, value)| *value).collect();
            return Ok(Measured { values, interval: None });
        }
        Take::Mean => {
            let sum: f64 = valued.iter().map(|(_, value)| value).sum();
            let values = vec![sum / valued.len() as f64];
            return Ok(Measured { values, interval: None });
        }
        Take::Only => {
            let (row, value) = valued[0];
            let other = valued.iter().find(|(_, other)| *other != value);
            ensure!(other.is_none(), "the rows have several values, {value} and {other:?}");
            (row, value)
        }
        Take::Largest => best(|next, best| next > best).context("no rows")?,
        Take::Smallest => best(|next, best| next < best).context("no rows")?,
    };
    if let Some(give) = &quantity.give {
        let given = number(row, give).with_context(|| format!("'{give}' of {row:?}"))?;
        return Ok(Measured { values: vec![given], interval: None });
    }
    Ok(Measured { values: vec![value], interval: interval(quantity, row, rows) })
}

/// The interval of the row that was taken. Of a largest or smallest one another row could have been it, so the interval
/// reaches as far as theirs.
fn interval(quantity: &Quantity, row: &Row, rows: &[&Row]) -> Option<(f64, f64)> {
    let (_, [low, high]) = INTERVALS.iter().find(|(column, _)| *column == quantity.column)?;
    let (from, to) = (number(row, low)?, number(row, high)?);
    let ends = |name: &str| rows.iter().filter_map(|row| number(row, name)).collect::<Vec<_>>();
    Some(match quantity.take {
        Take::Largest => (from, ends(high).into_iter().fold(to, f64::max)),
        Take::Smallest => (ends(low).into_iter().fold(from, f64::min), to),
        _ => (from, to),
    })
}

fn number(row: &Row, name: &str) -> Option<f64> {
    row.get(name)?.as_f64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Three cells of two layers, as tables hold them.
    fn tables() -> Tables {
        let cell = |layer: u32, position: u32, value: f64| {
            json!({ "kind": "hidden", "layer": layer, "position": position, "value": value,
                    "low": value - 0.1, "high": value + 0.1, "clean": 0.9 })
        };
        let cells = [cell(1, 0, 0.5), cell(0, 1, 0.7), cell(0, 0, 0.2)];
        Tables {
            cells: rows(&cells).expect("rows"),
            averages: Vec::new(),
            rome_averages: Vec::new(),
        }
    }

    #[track_caller]
    fn check(query: &str, expected: Result<Measured, &str>) {
        let text = format!("name = \"it\"\ntable = \"cells\"\n{query}");
        let quantity: Quantity = toml::from_str(&text).expect("a quantity");
        match (tables().measure(&quantity), expected) {
            (Ok(measured), Ok(expected)) => assert_eq!(measured, expected),
            (Err(error), Err(expected)) => {
                assert!(format!("{error:#}").contains(expected), "{error:#}")
            }
            (measured, expected) => panic!("{measured:?} instead of {expected:?}"),
        }
    }

    fn one(value: f64, interval: Option<(f64, f64)>) -> Result<Measured, &'static str> {
        Ok(Measured { values: vec![value], interval })
    }

    #[test]
    fn a_quantity_is_read_off_its_table() {
        let all = "column = \"value\"\ntake = \"all\"";
        check(all, Ok(Measured { values: vec![0.2, 0.7, 0.5], interval: None }));
        check("column = \"value\"\ntake = \"largest\"", one(0.7, Some((0.7 - 0.1, 0.7 + 0.1))));
        check("column = \"value\"\ntake = \"largest\"\ngive = \"position\"", one(1.0, None));
        check(
            "column = \"value\"\ntake = \"smallest\"\nwhere = { layer = [0, 1] }\ngive = \"layer\"",
            one(0.0, None),
        );
        check("column = \"clean\"\ntake = \"only\"", one(0.9, None));
        check("column = \"clean\"\ntake = \"mean\"\nwhere = { layer = 0 }", one(0.9, None));
    }

    #[test]
    fn what_isnt_there_or_isnt_one_number_is_an_error() {
        check("column = \"value\"\ntake = \"only\"", Err("several values"));
        check("column = \"value\"\ntake = \"all\"\nwhere = { layer = 7 }", Err("no row"));
        check("column = \"recovry\"\ntake = \"all\"", Err("no column 'recovry'"));
        check(
            "column = \"value\"\ntake = \"all\"\nwhere = { leyer = 0 }",
            Err("no column 'leyer'"),
        );
    }
}
