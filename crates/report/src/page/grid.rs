//! Cells as dense grids: what a page holds of a table.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use tracewright_ir::Role;
use tracewright_results::Key;

use crate::error::ReportError;
use crate::label::visible;

/// Axes that may say again what other ones say; such an axis is left out.
const IMPLIED: [&str; 4] = ["src_role", "role", "receiver", "sender"];

/// One cell, whichever table it is from.
#[derive(Debug)]
pub(super) struct Cell {
    /// What keeps grids apart: the same names in the same order in every cell of a table.
    pub(super) facets: Vec<(&'static str, Option<String>)>,
    /// Its place within a grid; the same names in the same order too.
    pub(super) place: Vec<(&'static str, Option<Key>)>,
    /// Its numbers, named by the table.
    pub(super) numbers: Vec<Option<f64>>,
}

/// All cells of a table that agree in what keeps grids apart.
#[derive(Debug, Serialize)]
pub(super) struct Grid {
    /// What it has in each facet, where that applies.
    facets: BTreeMap<&'static str, String>,
    /// What all its cells have in common of their places.
    at: BTreeMap<&'static str, Value>,
    /// What its cells differ in; numbers stand in this order, the last axis fastest.
    axes: Vec<Axis>,
    columns: BTreeMap<&'static str, Column>,
    /// The column that is shown first.
    show: &'static str,
}

#[derive(Debug, Serialize)]
struct Axis {
    name: &'static str,
    keys: Vec<Value>,
}

/// The numbers of a column. Those of single precision are enough for whoever looks at them, and half as long.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Column {
    /// The same number in all cells.
    Constant(f32),
    /// The same numbers as another column.
    Same(&'static str),
    /// One for each place; null where there is no cell, or it has no such number.
    Each(Vec<Option<f32>>),
}

/// The grids of a table's cells, in the order in which they first occur. `names` are those of the
/// numbers; `show` is the one that is shown first.
///
/// # Errors
///
/// [`ReportError::Twice`] for two cells at one place.
pub(super) fn grids(
    cells: Vec<Cell>,
    names: &[&'static str],
    show: &'static str,
) -> Result<Vec<Grid>, ReportError> {
    let mut places: BTreeMap<Vec<Option<String>>, usize> = BTreeMap::new();
    let mut tables: Vec<Vec<Cell>> = Vec::new();
    for cell in cells {
        let key = cell.facets.iter().map(|(_, facet)| facet.clone()).collect();
        let place = *places.entry(key).or_insert(tables.len());
        if place == tables.len() {
            tables.push(Vec::new());
        }
        tables[place].push(cell);
    }
    tables.into_iter().map(|cells| Grid::new(&cells, names, show)).collect()
}

impl Grid {
    /// Of at least one cell.
    fn new(
        cells: &[Cell],
        names: &[&'static str],
        show: &'static str,
    ) -> Result<Self, ReportError> {
        let all = (0..cells[0].place.len()).collect::<Vec<_>>();
        let (varying, common): (Vec<usize>, Vec<usize>) =
            all.into_iter().partition(|axis| keys(cells, *axis).len() > 1);
        let axes = needed(cells, varying);
        let keys: Vec<Vec<Option<Key>>> = axes.iter().map(|axis| keys(cells, *axis)).collect();
        let places = places(cells, &axes, &keys)?;
        let facets = cells[0].facets.iter();
        let facets = facets.filter_map(|(name, facet)| Some((*name, visible(facet.as_ref()?))));
        let at = common.iter().map(|axis| &cells[0].place[*axis]);
        let axis = |(axis, keys): (&usize, &Vec<Option<Key>>)| Axis {
            name: cells[0].place[*axis].0,
            keys: keys.iter().map(key).collect(),
        };
        Ok(Self {
            facets: facets.collect(),
            at: at.filter(|(_, key)| key.is_some()).map(|(name, k)| (*name, key(k))).collect(),
            axes: axes.iter().zip(&keys).map(axis).collect(),
            columns: columns(cells, names, &places),
            show,
        })
    }
}

/// Which cell is at each place of the axes, the last axis fastest.
fn places(
    cells: &[Cell],
    axes: &[usize],
    keys: &[Vec<Option<Key>>],
) -> Result<Vec<Option<usize>>, ReportError> {
    let order = |keys: &Vec<Option<Key>>| -> BTreeMap<Option<Key>, usize> {
        keys.iter().enumerate().map(|(index, key)| (key.clone(), index)).collect()
    };
    let orders: Vec<_> = keys.iter().map(order).collect();
    let mut places = vec![None; orders.iter().map(BTreeMap::len).product()];
    for (index, cell) in cells.iter().enumerate() {
        let place = axes
            .iter()
            .zip(&orders)
            .fold(0, |place, (axis, order)| place * order.len() + order[&cell.place[*axis].1]);
        if places[place].replace(index).is_some() {
            return Err(twice(cell));
        }
    }
    Ok(places)
}

/// What cells have of an axis, each once: numbers and roles in their order, other texts in the
/// order in which they occur.
fn keys(cells: &[Cell], axis: usize) -> Vec<Option<Key>> {
    let (mut seen, mut keys) = (BTreeSet::new(), Vec::new());
    for cell in cells {
        let key = &cell.place[axis].1;
        if seen.insert(key) {
            keys.push(key.clone());
        }
    }
    let rank = |key: &Option<Key>| match key {
        Some(Key::Number(number)) => *number as usize,
        Some(Key::Text(text)) => Role::ALL.iter().position(|role| role.name() == text).unwrap_or(0),
        None => usize::MAX,
    };
    keys.sort_by_key(rank);
    keys
}

/// The axes without those that others imply.
fn needed(cells: &[Cell], mut axes: Vec<usize>) -> Vec<usize> {
    for name in IMPLIED {
        let others: Vec<usize> =
            axes.iter().copied().filter(|axis| cells[0].place[*axis].0 != name).collect();
        let mut seen = BTreeSet::new();
        let place =
            |cell: &Cell| others.iter().map(|a| cell.place[*a].1.clone()).collect::<Vec<_>>();
        if cells.iter().all(|cell| seen.insert(place(cell))) {
            axes = others;
        }
    }
    axes
}

fn key(key: &Option<Key>) -> Value {
    match key {
        Some(Key::Number(number)) => Value::from(*number),
        Some(Key::Text(text)) => Value::from(visible(text)),
        None => Value::Null,
    }
}

/// The numbers by name; a column without any is left out.
fn columns(
    cells: &[Cell],
    names: &[&'static str],
    places: &[Option<usize>],
) -> BTreeMap<&'static str, Column> {
    let number = |column: usize, place: &Option<usize>| {
        let number = cells[(*place)?].numbers[column]? as f32;
        number.is_finite().then_some(number)
    };
    let mut known: Vec<(&'static str, Vec<Option<f32>>)> = Vec::new();
    let mut columns = BTreeMap::new();
    for (column, name) in names.iter().enumerate() {
        let numbers: Vec<Option<f32>> = places.iter().map(|place| number(column, place)).collect();
        let Some(first) = numbers.iter().flatten().next().copied() else { continue };
        let same = known.iter().find(|(_, others)| *others == numbers).map(|(name, _)| *name);
        let mut there = places.iter().zip(&numbers).filter(|(place, _)| place.is_some());
        let constant = there.all(|(_, number)| *number == Some(first));
        columns.insert(
            *name,
            match (constant, same) {
                (true, _) => Column::Constant(first),
                (_, Some(same)) => Column::Same(same),
                _ => {
                    known.push((name, numbers.clone()));
                    Column::Each(numbers)
                }
            },
        );
    }
    columns
}

fn twice(cell: &Cell) -> ReportError {
    let facets = cell
        .facets
        .iter()
        .filter_map(|(name, facet)| Some(format!("{name} {}", visible(facet.as_ref()?))));
    let place =
        cell.place.iter().filter_map(|(name, key)| Some(format!("{name} {}", key.as_ref()?)));
    ReportError::Twice { place: facets.chain(place).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["value", "clean", "effect"];

    fn cell(site: &str, layer: u32, position: u32, value: f64) -> Cell {
        Cell {
            facets: vec![("site", Some(site.to_owned())), ("kind", None)],
            place: vec![
                ("layer", Some(Key::Number(layer))),
                ("position", Some(Key::Number(position))),
                ("head", Some(Key::Number(7))),
                ("sender", Some(Key::Text(format!("z@{layer}.{position}")))),
                ("receiver", None),
            ],
            numbers: vec![Some(value), Some(0.9), Some(value)],
        }
    }

    fn json(cells: Vec<Cell>) -> String {
        let grids = grids(cells, &NAMES, "value").expect("grids");
        let lines = grids.iter().map(|grid| serde_json::to_string(grid).expect("JSON"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn columns_that_vary_are_axes_and_what_others_imply_is_not() {
        let cells = vec![cell("z", 2, 1, 0.1), cell("z", 0, 0, 0.2), cell("z", 0, 1, f64::NAN)];
        insta::assert_snapshot!(json(cells), @r#"{"facets":{"site":"z"},"at":{"head":7},"axes":[{"name":"layer","keys":[0,2]},{"name":"position","keys":[0,1]}],"columns":{"clean":0.9,"effect":"value","value":[0.2,null,null,0.1]},"show":"value"}"#);
    }

    #[test]
    fn sites_are_grids_of_their_own_and_equal_numbers_are_written_once() {
        let cells = vec![cell("z", 0, 0, 0.5), cell("q", 0, 0, 0.25), cell("z", 1, 0, 0.5)];
        insta::assert_snapshot!(json(cells), @r#"
        {"facets":{"site":"z"},"at":{"head":7,"position":0},"axes":[{"name":"layer","keys":[0,1]}],"columns":{"clean":0.9,"effect":0.5,"value":0.5},"show":"value"}
        {"facets":{"site":"q"},"at":{"head":7,"layer":0,"position":0,"sender":"z@0.0"},"axes":[],"columns":{"clean":0.9,"effect":0.25,"value":0.25},"show":"value"}
        "#);
    }

    #[test]
    fn roles_stand_in_their_order() {
        let cell = |role: &str| Cell {
            facets: Vec::new(),
            place: vec![("role", Some(Key::Text(role.to_owned())))],
            numbers: vec![Some(0.5), None, None],
        };
        let grids = json(["last", "first_subject", "further"].map(cell).into_iter().collect());
        assert!(grids.contains(r#""keys":["first_subject","further","last"]"#), "{grids}");
    }

    #[test]
    fn two_cells_at_one_place_are_an_error() {
        let cells = vec![cell("z", 0, 1, 0.1), cell("z", 0, 2, 0.1), cell("z", 0, 1, 0.3)];
        let error = grids(cells, &NAMES, "value").unwrap_err();
        insta::assert_snapshot!(error, @"two cells stand at one place (site z, layer 0, position 1, head 7, sender z@0.1): the table of cells isn't as it was written; put the folder back from a copy");
    }
}
