//! Groups of cells as grids: which of their columns stand down and which across.

use std::collections::BTreeSet;

use tracewright_ir::Role;
use tracewright_results::{Grouped, Key};

/// The columns that say where a cell is. All others say what it is, but for a sender, which says both again.
const AXES: [&str; 8] =
    ["layer", "position", "src_position", "role", "src_role", "head", "kv_head", "neuron"];
const SENDER: &str = "sender";

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

/// What a group has in some columns.
type Keys<'a> = Vec<(&'a str, &'a Key)>;

/// Where a group is, and its numbers.
type Cell<'a, N> = (Keys<'a>, &'a N);

/// The grids of groups of cells, in the order in which they first occur.
///
/// As in a pair's own figures, queries stand down and keys across, layers down and heads across, and otherwise
/// tokens down and layers across. Every other axis with several indices makes several grids.
pub(crate) fn grids<N>(groups: &Grouped<N>) -> Vec<Grid<'_, N>> {
    let parted = groups.groups.iter().map(|group| {
        let keys = named(&groups.columns, &group.keys);
        let (at, what): (Keys<'_>, Keys<'_>) = keys.partition(|(name, _)| AXES.contains(name));
        (what, (at, &group.numbers))
    });
    gathered(parted).iter().flat_map(|(what, cells)| of_part(what, cells)).collect()
}

/// What has the same keys together, in the order in which they first occur.
fn gathered<'a, T>(all: impl Iterator<Item = (Keys<'a>, T)>) -> Vec<(Keys<'a>, Vec<T>)> {
    let mut groups: Vec<(Keys<'a>, Vec<T>)> = Vec::new();
    for (keys, one) in all {
        match groups.iter_mut().find(|(other, _)| *other == keys) {
            Some((_, group)) => group.push(one),
            None => groups.push((keys, vec![one])),
        }
    }
    groups
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

/// The grids of cells of one kind: one for each combination of what stands neither down nor across.
fn of_part<'a, N>(what: &[(&'a str, &'a Key)], cells: &[Cell<'a, N>]) -> Vec<Grid<'a, N>> {
    let (rows, columns) = laid_out(AXES.iter().filter_map(|name| axis(name, cells)).collect());
    let shown = |name: &str| [&rows, &columns].into_iter().flatten().any(|axis| axis.name == name);
    let placed = cells.iter().map(|cell| {
        let fixed = cell.0.iter().filter(|(name, _)| !shown(name)).copied().collect();
        (fixed, cell)
    });
    let grid = |(at, ours): (Keys<'a>, Vec<&Cell<'a, N>>)| {
        let across = len(&columns);
        let mut filled = vec![None; len(&rows) * across];
        for cell in ours {
            if let Some((row, column)) = index(&rows, cell).zip(index(&columns, cell)) {
                filled[row * across + column] = Some(cell.1);
            }
        }
        let (rows, columns) = (rows.clone(), columns.clone());
        Grid { what: what.to_vec(), at, rows, columns, cells: filled }
    };
    gathered(placed).into_iter().map(grid).collect()
}

/// Which axis stands down, and which across.
fn laid_out(mut axes: Vec<Axis<'_>>) -> (Option<Axis<'_>>, Option<Axis<'_>>) {
    let has = |name: &str| axes.iter().any(|axis| axis.name == name);
    let (down, across): (&[&str], &[&str]) = if has("src_position") || has("src_role") {
        (&["position", "role"], &["src_position", "src_role"])
    } else if has("layer") && (has("head") || has("kv_head")) {
        (&["layer"], &["head", "kv_head"])
    } else {
        (&["position", "role", "neuron"], &["layer", "head", "kv_head", "neuron"])
    };
    let mut take = |names: &[&str]| {
        let found = names.iter().find_map(|name| axes.iter().position(|axis| axis.name == *name));
        found.map(|place| axes.remove(place))
    };
    let columns = take(across);
    (take(down), columns)
}

fn len(axis: &Option<Axis<'_>>) -> usize {
    axis.as_ref().map_or(1, |axis| axis.keys.len())
}

/// Where a cell stands along an axis; where there is none it stands alone.
fn index<N>(axis: &Option<Axis<'_>>, (at, _): &Cell<'_, N>) -> Option<usize> {
    let Some(axis) = axis else { return Some(0) };
    let (_, key) = at.iter().find(|(name, _)| *name == axis.name)?;
    axis.keys.iter().position(|other| other == key)
}

/// What is in a column, in order; none where it is less than two things.
fn axis<'a, N>(name: &'static str, cells: &[Cell<'a, N>]) -> Option<Axis<'a>> {
    let of_cell = |(at, _): &Cell<'a, N>| Some(at.iter().find(|(other, _)| *other == name)?.1);
    let keys: BTreeSet<&Key> = cells.iter().filter_map(of_cell).collect();
    let mut keys: Vec<&Key> = keys.into_iter().collect();
    keys.sort_by_key(|key| Role::ALL.iter().position(|role| role.name() == key.to_string()));
    (keys.len() > 1).then_some(Axis { name, keys })
}
