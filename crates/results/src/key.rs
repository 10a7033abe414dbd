//! The columns that cells can be grouped by, and what a cell has in them.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use tracewright_ir::nearest;

use crate::averages::src_role;
use crate::case::CaseRecord;
use crate::columns::{Column, Field};
use crate::{ResultsError, Row, tables};

/// What a group's cells have in common in a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// A layer, a position, a head.
    Number(u32),
    /// Everything else.
    Text(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// A group's place: what it has in each column, `None` where a column doesn't apply.
pub(crate) type Keys = Vec<Option<Key>>;

/// The column of the role of the token at the key's position.
pub(crate) const SRC_ROLE: &str = "src_role";

/// A column that cells can be grouped by.
pub(crate) struct KeyColumn {
    pub(crate) name: String,
    of: Of,
}

enum Of {
    Row(Column<Row>),
    /// The role of the token at the key's position.
    SrcRole,
    /// A column of the dataset, by the dataset's name for it.
    Case(String),
}

impl KeyColumn {
    pub(crate) fn key(&self, row: &Row, case: &CaseRecord) -> Option<Key> {
        let text = |text: &str| Key::Text(text.to_owned());
        match &self.of {
            Of::Row(column) => match &column.field {
                Field::Text(get, _) => get(row).map(text),
                Field::Id(get, _) => get(row).map(Key::Number),
                Field::Float(..) => None,
            },
            Of::SrcRole => src_role(row, case).map(text),
            Of::Case(name) => case.columns.get(name).map(String::as_str).map(text),
        }
    }

    /// True where the keys are numbers.
    pub(crate) fn is_number(&self) -> bool {
        matches!(&self.of, Of::Row(Column { field: Field::Id(..), .. }))
    }
}

/// The columns that say what a cell is: those of `cells.parquet` that aren't measured.
pub(crate) fn of_cells() -> Vec<KeyColumn> {
    let is_key = |column: &Column<Row>| {
        // A number of samples, not a place.
        !matches!(column.field, Field::Float(..)) && column.name != "n"
    };
    let columns = tables::cells().columns.into_iter().filter(is_key);
    columns.map(|column| KeyColumn { name: column.name.clone(), of: Of::Row(column) }).collect()
}

/// All columns that the cells of these cases can be grouped by: the dataset's come last, and one
/// with a name that our tables use otherwise is called `case_NAME`.
pub(crate) fn known<'a>(cases: impl IntoIterator<Item = &'a CaseRecord>) -> Vec<KeyColumn> {
    let mut columns = of_cells();
    columns.push(KeyColumn { name: SRC_ROLE.to_owned(), of: Of::SrcRole });
    let of_cases: BTreeSet<&String> =
        cases.into_iter().flat_map(|case| case.columns.keys()).collect();
    let taken = tables::column_names();
    for name in of_cases {
        let shown = match taken.contains(name) {
            true => format!("case_{name}"),
            false => name.clone(),
        };
        columns.push(KeyColumn { name: shown, of: Of::Case(name.clone()) });
    }
    columns
}

/// Takes the columns with these names, in their order, out of those that are known.
pub(crate) fn take<C: AsRef<str>>(
    names: &[C],
    known: &mut Vec<KeyColumn>,
) -> Result<Vec<KeyColumn>, ResultsError> {
    let all: Vec<String> = known.iter().map(|column| column.name.clone()).collect();
    let mut taken: Vec<KeyColumn> = Vec::new();
    for name in names.iter().map(AsRef::as_ref) {
        match known.iter().position(|column| column.name == name) {
            Some(place) => taken.push(known.remove(place)),
            // Given twice.
            None if taken.iter().any(|column| column.name == name) => {}
            None => {
                let given = name.to_owned();
                let nearest = nearest(name, all.iter().map(String::as_str));
                return Err(ResultsError::NoColumn { given, nearest, known: all });
            }
        }
    }
    Ok(taken)
}
