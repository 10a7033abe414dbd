//! Groups of cells as grids: which of their columns stand down and which across.

use std::collections::BTreeSet;

use tracewright_ir::Role;
use tracewright_results::{Grouped, Key};

/// The columns that say where a cell is. All others say what it is, but for a sender, which says both again.
const AXES: [&str; 8] =
    ["layer", "position", "src_position", "role", "src_role", "head", "kv_head", "neuron"];
const SENDER: &str = "sender";

/// The classes of tokens in the order in which they stand in a prompt.
const ROLES: [Role; 7] = [
    Role::BeforeSubject,
    Role::FirstSubject,
    Role::MiddleSubject,
    Role::LastSubject,
    Role::FirstSubsequent,
    Role::Further,
    Role::Last,
];

/// A column that stands down or across, and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis<'a> {
    pub(crate) name: &'a str,
    pub(crate) keys: Vec<&'a Key>,
}

/// Cells that are shown together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid<'a, N> {
    /// What all its cells are: their metric, site, corruption.
    pub(crate) what: Vec<(&'a str, &'a Key)>,
    /// Where all its cells are.
    pub(crate) at: Vec<(&'a str, &'a Key)>,
    pub(crate) rows: Option<Axis<'a>>,
    pub(crate) columns: Option<Axis<'a>>,
    /// Row by row.
    pub(crate) cells: Vec<Option<&'a N>>,
}

impl<'a, N> Grid<'a, N> {
    /// What all its cells are in a column; empty where they are nothing in it.
    pub(crate) fn of(&self, column: &str) -> String {
        let found = self.what.iter().find(|(name, _)| *name == column);
        found.map(|(_, key)| key.to_string()).unwrap_or_default()
    }

    /// What is patched: its kind, or its site.
    pub(crate) fn component(&self) -> String {
        match self.of("kind") {
            kind if kind.is_empty() => self.of("site"),
            kind => kind,
        }
    }

    /// The cells of one row.
    pub(crate) fn row(&self, row: usize) -> &[Option<&'a N>] {
        let across = self.columns.as_ref().map_or(1, |axis| axis.keys.len());
        &self.cells[row * across..(row + 1) * across]
    }

    /// Whether the two are rows of one heatmap, a component each.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        let but_site = |grid: &Self| -> Vec<_> {
            grid.what.iter().filter(|(name, _)| !["site", "kind"].contains(name)).copied().collect()
        };
        let flat = self.rows.is_none() && other.rows.is_none();
        flat && (&self.columns, &self.at) == (&other.columns, &other.at)
            && but_site(self) == but_site(other)
    }
}

/// A group's keys by the names of their columns, and its numbers.
type Cell<'a, N> = (Vec<(&'a str, &'a Key)>, &'a N);

/// The grids of groups of cells, in the order in which they first occur.
///
/// As in a pair's own figures, queries stand down and keys across, layers down and heads across, and otherwise
/// tokens down and layers across. Every other axis with several indices makes several grids.
pub(crate) fn grids<N>(groups: &Grouped<N>) -> Vec<Grid<'_, N>> {
    let mut parts: Vec<(Vec<(&str, &Key)>, Vec<Cell<'_, N>>)> = Vec::new();
    for group in &groups.groups {
        let (at, what): (Vec<_>, Vec<_>) =
            named(&groups.columns, &group.keys).partition(|(name, _)| AXES.contains(name));
        let cell = (at, &group.numbers);
        match parts.iter_mut().find(|(other, _)| *other == what) {
            Some((_, cells)) => cells.push(cell),
            None => parts.push((what, vec![cell])),
        }
    }
    parts.iter().flat_map(|(what, cells)| of_part(what, cells)).collect()
}

/// What a group has in the columns that apply to it.
fn named<'a>(
    columns: &'a [String],
    keys: &'a [Option<Key>],
) -> impl Iterator<Item = (&'a str, &'a Key)> {
    let known = columns.iter().zip(keys);
    let known = known.filter_map(|(name, key)| Some((name.as_str(), key.as_ref()?)));
    known.filter(|(name, _)| *name != SENDER)
}

fn of_part<'a, N>(what: &[(&'a str, &'a Key)], cells: &[Cell<'a, N>]) -> Vec<Grid<'a, N>> {
    let mut axes: Vec<Axis<'a>> = AXES.iter().filter_map(|name| axis(name, cells)).collect();
    let has = |name: &str| axes.iter().any(|axis| axis.name == name);
    let heads = has("head") || has("kv_head");
    let (down, across): (&[&str], &[&str]) = if has("src_position") || has("src_role") {
        (&["position", "role"], &["src_position", "src_role"])
    } else if has("layer") && heads {
        (&["layer"], &["head", "kv_head"])
    } else {
        (&["position", "role", "neuron"], &["layer", "head", "kv_head", "neuron"])
    };
    let mut take = |names: &[&str]| {
        let found = names.iter().find_map(|name| axes.iter().position(|axis| axis.name == *name));
        found.map(|place| axes.remove(place))
    };
    let columns = take(across);
    let rows = take(down);
    // Of the other axes each combination that occurs.
    let shown = |name: &str| {
        let is = |axis: &Option<Axis<'_>>| axis.as_ref().is_some_and(|axis| axis.name == name);
        is(&rows) || is(&columns)
    };
    let place = |(at, _): &Cell<'a, N>| -> Vec<(&'a str, &'a Key)> {
        at.iter().filter(|(name, _)| !shown(name)).copied().collect()
    };
    let places: Vec<_> = cells.iter().fold(Vec::new(), |mut places, cell| {
        let place = place(cell);
        if !places.contains(&place) {
            places.push(place);
        }
        places
    });
    let grid = |at: Vec<(&'a str, &'a Key)>| {
        let ours: Vec<&Cell<'a, N>> = cells.iter().filter(|cell| place(cell) == at).collect();
        let index = |axis: &Option<Axis<'a>>, (at, _): &Cell<'a, N>| match axis {
            Some(axis) => {
                let (_, key) = at.iter().find(|(name, _)| *name == axis.name)?;
                axis.keys.iter().position(|other| other == key)
            }
            None => Some(0),
        };
        let len = |axis: &Option<Axis<'a>>| axis.as_ref().map_or(1, |axis| axis.keys.len());
        let mut filled = vec![None; len(&rows) * len(&columns)];
        for cell in ours {
            if let Some((row, column)) = index(&rows, cell).zip(index(&columns, cell)) {
                filled[row * len(&columns) + column] = Some(cell.1);
            }
        }
        let (rows, columns) = (rows.clone(), columns.clone());
        Grid { what: what.to_vec(), at, rows, columns, cells: filled }
    };
    places.into_iter().map(grid).collect()
}

/// What is in a column, in order; none where it is less than two things.
fn axis<'a, N>(name: &'static str, cells: &[Cell<'a, N>]) -> Option<Axis<'a>> {
    let of_cell = |(at, _): &Cell<'a, N>| Some(at.iter().find(|(other, _)| *other == name)?.1);
    let keys: BTreeSet<&Key> = cells.iter().filter_map(of_cell).collect();
    let mut keys: Vec<&Key> = keys.into_iter().collect();
    keys.sort_by_key(|key| ROLES.iter().position(|role| role.name() == key.to_string()));
    (keys.len() > 1).then_some(Axis { name, keys })
}
