//! The columns of the table: one for each field of [`Row`], in its order.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::Row;

/// A column and how it reads and writes a row's field.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// A column that is never null has no definition levels.
    pub(crate) required: bool,
    pub(crate) field: Field,
}

/// Access to a field. A required field's getter gives no `None`.
pub(crate) enum Field {
    Text(fn(&Row) -> Option<&str>, fn(&mut Row, String)),
    Id(fn(&Row) -> Option<u32>, fn(&mut Row, u32)),
    Float(fn(&Row) -> Option<f64>, fn(&mut Row, f64)),
}

macro_rules! column {
    (text $name:ident) => {
        column!($name, true, Field::Text(|row| Some(&row.$name), |row, to| row.$name = to))
    };
    (text? $name:ident) => {
        column!(
            $name,
            false,
            Field::Text(|row| row.$name.as_deref(), |row, to| row.$name = Some(to))
        )
    };
    (id $name:ident) => {
        column!($name, true, Field::Id(|row| Some(row.$name), |row, to| row.$name = to))
    };
    (id? $name:ident) => {
        column!($name, false, Field::Id(|row| row.$name, |row, to| row.$name = Some(to)))
    };
    (float? $name:ident) => {
        column!($name, false, Field::Float(|row| row.$name, |row, to| row.$name = Some(to)))
    };
    ($name:ident, $required:literal, $field:expr) => {
        Column { name: stringify!($name), required: $required, field: $field }
    };
}

pub(crate) const COLUMNS: [Column; 23] = [
    column!(text case),
    column!(text? kind),
    column!(text site),
    column!(id? layer),
    column!(id? position),
    column!(id? src_position),
    column!(text? token),
    column!(text? role),
    column!(id? head),
    column!(id? kv_head),
    column!(id? neuron),
    column!(text? sender),
    column!(text? receiver),
    column!(text metric),
    column!(float? value),
    column!(float? clean),
    column!(float? corrupted),
    column!(float? base),
    column!(float? source),
    column!(float? recovery),
    column!(float? effect),
    column!(float? std),
    column!(id n),
];

impl Column {
    fn physical(&self) -> Physical {
        match self.field {
            Field::Text(..) => Physical::BYTE_ARRAY,
            Field::Id(..) => Physical::INT32,
            Field::Float(..) => Physical::DOUBLE,
        }
    }

    fn logical(&self) -> Option<LogicalType> {
        match self.field {
            Field::Text(..) => Some(LogicalType::String),
            Field::Id(..) => Some(LogicalType::integer(32, false)),
            Field::Float(..) => None,
        }
    }

    fn schema(&self) -> Result<Type, ParquetError> {
        let repetition = if self.required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        Type::primitive_type_builder(self.name, self.physical())
            .with_repetition(repetition)
            .with_logical_type(self.logical())
            .build()
    }

    /// The column as a message shows it, and as two schemas are compared.
    fn describe(&self) -> String {
        let null = if self.required { "" } else { ", may be null" };
        format!("{} ({}{null})", self.name, self.physical())
    }
}

/// The schema of the table.
pub(crate) fn schema() -> Result<Arc<Type>, ParquetError> {
    let fields: Result<Vec<_>, _> = COLUMNS.iter().map(|c| c.schema().map(Arc::new)).collect();
    Type::group_type_builder("cells").with_fields(fields?).build().map(Arc::new)
}

/// What keeps a file's columns from being read as ours, if anything.
pub(crate) fn schema_problem(found: &SchemaDescriptor) -> Option<String> {
    if found.num_columns() != COLUMNS.len() {
        let (found, expected) = (found.num_columns(), COLUMNS.len());
        return Some(format!("it has {found} columns, expected are {expected}"));
    }
    COLUMNS.iter().zip(found.columns()).find_map(|(expected, found)| {
        let null = if found.max_def_level() == 0 { "" } else { ", may be null" };
        let found = format!("{} ({}{null})", found.name(), found.physical_type());
        let expected = expected.describe();
        (found != expected).then(|| format!("it has a column {found}, expected is {expected}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_fields_of_a_row_in_their_order() {
        let serde_json::Value::Object(fields) = serde_json::to_value(Row::default()).unwrap()
        else {
            panic!("a row is an object")
        };
        let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(names, fields.keys().collect::<Vec<_>>());
        let found = SchemaDescriptor::new(schema().unwrap());
        assert_eq!(schema_problem(&found), None);
    }
}
