//! The columns of the tables: one for each field of a row, in its order.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use crate::{Average, Row};

/// A table's name inside its files, and its columns.
pub(crate) struct Table<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column<T>],
}

/// A column and how it reads and writes a row's field.
pub(crate) struct Column<T> {
    pub(crate) name: &'static str,
    /// A column that is never null has no definition levels.
    pub(crate) required: bool,
    pub(crate) field: Field<T>,
}

/// Access to a field. A required field's getter gives no `None`.
#[derive(Clone)]
pub(crate) enum Field<T> {
    Text(fn(&T) -> Option<&str>, fn(&mut T, String)),
    Id(fn(&T) -> Option<u32>, fn(&mut T, u32)),
    Float(fn(&T) -> Option<f64>, fn(&mut T, f64)),
}

/// `kind name`, or `kind name, part` for the field `name` of the row's field `part`; a question
/// mark at the kind is a column that may be null.
macro_rules! column {
    (text $name:ident) => {
        column!($name, true, Field::Text(|row| Some(&row.$name), |row, to| row.$name = to))
    };
    (text? $name:ident $(, $part:ident)?) => {
        column!(
            $name,
            false,
            Field::Text(
                |row| row$(.$part)?.$name.as_deref(),
                |row, to| row$(.$part)?.$name = Some(to)
            )
        )
    };
    (text $name:ident, $part:ident) => {
        column!(
            $name,
            true,
            Field::Text(|row| Some(&row.$part.$name), |row, to| row.$part.$name = to)
        )
    };
    (id $name:ident) => {
        column!($name, true, Field::Id(|row| Some(row.$name), |row, to| row.$name = to))
    };
    (id? $name:ident $(, $part:ident)?) => {
        column!(
            $name,
            false,
            Field::Id(|row| row$(.$part)?.$name, |row, to| row$(.$part)?.$name = Some(to))
        )
    };
    (float $name:ident) => {
        column!($name, true, Field::Float(|row| Some(row.$name), |row, to| row.$name = to))
    };
    (float? $name:ident) => {
        column!($name, false, Field::Float(|row| row.$name, |row, to| row.$name = Some(to)))
    };
    ($name:ident, $required:literal, $field:expr) => {
        Column { name: stringify!($name), required: $required, field: $field }
    };
}

/// `cells.parquet`, and the parts.
pub(crate) const CELLS: Table<Row> = Table {
    name: "cells",
    columns: &[
        column!(text case),
        column!(text? corruption),
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
        column!(id? metric_position),
        column!(float? value),
        column!(float? clean),
        column!(float? corrupted),
        column!(float? base),
        column!(float? source),
        column!(float? recovery),
        column!(float? effect),
        column!(float? std),
        column!(float? stderr),
        column!(float? low),
        column!(float? high),
        column!(id n),
    ],
};

/// `averages.parquet`.
pub(crate) const AVERAGES: Table<Average> = Table {
    name: "averages",
    columns: &[
        column!(text? corruption, group),
        column!(text? kind, group),
        column!(text site, group),
        column!(id? layer, group),
        column!(id? position, group),
        column!(id? src_position, group),
        column!(text? role, group),
        column!(text? src_role, group),
        column!(id? head, group),
        column!(id? kv_head, group),
        column!(id? neuron, group),
        column!(text? sender, group),
        column!(text? receiver, group),
        column!(text metric, group),
        column!(id? metric_position, group),
        column!(float value),
        column!(float? std),
        column!(float? stderr),
        column!(float? low),
        column!(float? high),
        column!(float? clean),
        column!(float? corrupted),
        column!(float? recovery),
        column!(float? recovery_low),
        column!(float? recovery_high),
        column!(text? reason),
        column!(float? mean_of_ratios),
        column!(id ratios),
        column!(id n),
    ],
};

impl<T> Column<T> {
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

fn describe_found(found: &ColumnDescriptor) -> String {
    let null = if found.max_def_level() == 0 { "" } else { ", may be null" };
    format!("{} ({}{null})", found.name(), found.physical_type())
}

impl<T> Table<T> {
    /// The schema of a file.
    pub(crate) fn schema(&self) -> Result<Arc<Type>, ParquetError> {
        let fields: Result<Vec<_>, _> =
            self.columns.iter().map(|column| column.schema().map(Arc::new)).collect();
        Type::group_type_builder(self.name).with_fields(fields?).build().map(Arc::new)
    }

    /// Where each of the columns is in a file, or what keeps the file from being read as ours.
    ///
    /// A column that may be null and isn't there is null in every row (`None`), so that a folder
    /// which was written before the column was thought of is still read.
    pub(crate) fn places(&self, found: &SchemaDescriptor) -> Result<Vec<Option<usize>>, String> {
        let found: Vec<String> = found.columns().iter().map(|c| describe_found(c)).collect();
        let mut next = 0;
        let mut places = Vec::with_capacity(self.columns.len());
        for column in self.columns {
            let expected = column.describe();
            let here = found.get(next);
            let is_here = here == Some(&expected);
            if !is_here && (column.required || found.contains(&expected)) {
                let here =
                    here.map_or("it ends".to_owned(), |here| format!("it has a column {here}"));
                return Err(format!("{here} where the column {expected} is expected"));
            }
            places.push(is_here.then_some(next));
            next += usize::from(is_here);
        }
        match found.get(next) {
            Some(extra) => Err(format!("it has a column {extra}, which isn't expected")),
            None => Ok(places),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::Value;

    use super::*;

    fn check<T: Serialize + Default>(table: &Table<T>) {
        let Value::Object(fields) = serde_json::to_value(T::default()).unwrap() else {
            panic!("a row is an object")
        };
        let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(names, fields.keys().collect::<Vec<_>>());
        let found = SchemaDescriptor::new(table.schema().unwrap());
        assert_eq!(table.places(&found).unwrap(), (0..names.len()).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn the_columns_are_the_fields_of_a_row_in_their_order() {
        check(&CELLS);
        check(&AVERAGES);
    }

    fn problem(found: &'static [Column<Row>], expected: &'static [Column<Row>]) -> String {
        let found = Table { name: "found", columns: found };
        let found = SchemaDescriptor::new(found.schema().unwrap());
        Table { name: "expected", columns: expected }.places(&found).unwrap_err()
    }

    #[test]
    fn what_another_table_has_instead_is_named() {
        const OURS: &[Column<Row>] = &[column!(text case), column!(float? value), column!(id n)];
        let short = problem(&[column!(text case), column!(float? value)], OURS);
        insta::assert_snapshot!(short, @"it ends where the column n (INT32) is expected");
        let other = problem(&[column!(text case), column!(text? token), column!(id n)], OURS);
        insta::assert_snapshot!(other, @"it has a column token (BYTE_ARRAY, may be null) where the column n (INT32) is expected");
        let order = problem(&[column!(text case), column!(id n), column!(float? value)], OURS);
        insta::assert_snapshot!(order, @"it has a column n (INT32) where the column value (DOUBLE, may be null) is expected");
        let more = problem(OURS, &[column!(text case), column!(float? value)]);
        insta::assert_snapshot!(more, @"it has a column n (INT32), which isn't expected");
    }
}
