//! Groups of cells with their numbers, and the file of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::columns::{Column, Field, Table};
use crate::key::{self, Key, Keys};
use crate::table::write_table_in_pieces;
use crate::{GroupMean, PairedDifference, ResultsError, tables, whole_file};

/// Groups of cells, in the order in which they first occur.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grouped<N> {
    /// The names of the columns that the cells of a group agree in: those asked for, then those
    /// that keep different things apart.
    pub columns: Vec<String>,
    /// The groups.
    pub groups: Vec<CellGroup<N>>,
}

/// Cells that agree in some columns, and their numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellGroup<N> {
    /// What they have in each column; `None` where a column doesn't apply.
    pub keys: Vec<Option<Key>>,
    /// The numbers.
    pub numbers: N,
}

impl Grouped<GroupMean> {
    /// Writes the groups as a Parquet table, whole or not at all: their columns, texts or integers,
    /// then the columns of the numbers, named like the fields of [`GroupMean`].
    ///
    /// # Errors
    ///
    /// As [`write_whole`](crate::write_whole).
    pub fn write(&self, path: &Path) -> Result<(), ResultsError> {
        self.write_with(path, tables::group_means())
    }
}

impl Grouped<PairedDifference> {
    /// Writes the groups as a Parquet table, whole or not at all: their columns, texts or integers,
    /// then the columns of the numbers, named like the fields of [`PairedDifference`].
    ///
    /// # Errors
    ///
    /// As [`write_whole`](crate::write_whole).
    pub fn write(&self, path: &Path) -> Result<(), ResultsError> {
        self.write_with(path, tables::paired_differences())
    }
}

impl<N: Clone + 'static> Grouped<N> {
    fn write_with(&self, path: &Path, numbers: Vec<Column<N>>) -> Result<(), ResultsError> {
        let of_cells = key::of_cells();
        let is_number = |name: &String| {
            of_cells.iter().any(|column| column.name == *name && column.is_number())
        };
        let keys = self.columns.iter().enumerate();
        let mut columns: Vec<Column<CellGroup<N>>> =
            keys.map(|(place, name)| key_column(name, place, is_number(name))).collect();
        let within = |column: Column<N>| {
            column.within(|group: &CellGroup<N>| &group.numbers, |group| &mut group.numbers)
        };
        columns.extend(numbers.into_iter().map(within));
        let table = Table { name: "groups", columns };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| ResultsError::writing(folder, source))?;
        }
        write_table_in_pieces(path, &table, "{}", |push| push(&self.groups))?;
        whole_file::sync_folder_of(path)
    }
}

/// The column of the groups' keys at `place`.
fn key_column<N: 'static>(name: &str, place: usize, is_number: bool) -> Column<CellGroup<N>> {
    let set = move |group: &mut CellGroup<N>, key| {
        let keys = &mut group.keys;
        keys.resize(keys.len().max(place + 1), None);
        keys[place] = Some(key);
    };
    let field = if is_number {
        let get = move |group: &CellGroup<N>| match group.keys.get(place) {
            Some(Some(Key::Number(number))) => Some(*number),
            _ => None,
        };
        Field::Id(Box::new(get), Box::new(move |group, to| set(group, Key::Number(to))))
    } else {
        let get: fn(&CellGroup<N>, usize) -> Option<&str> =
            |group, place| match group.keys.get(place) {
                Some(Some(Key::Text(text))) => Some(text),
                _ => None,
            };
        Field::Text(
            Box::new(move |group| get(group, place)),
            Box::new(move |group, to| set(group, Key::Text(to))),
        )
    };
    Column { name: name.to_owned(), required: false, field }
}

/// Something for each group, in the order in which the groups first occur.
#[derive(Default)]
pub(crate) struct Gathered<S> {
    by_keys: BTreeMap<Keys, usize>,
    pub(crate) groups: Vec<(Keys, S)>,
}

impl<S: Default> Gathered<S> {
    pub(crate) fn of(&mut self, keys: Keys) -> &mut S {
        let index = *self.by_keys.entry(keys).or_insert_with_key(|keys| {
            self.groups.push((keys.clone(), S::default()));
            self.groups.len() - 1
        });
        &mut self.groups[index].1
    }
}
