//! What a column of a table is, and how it is told from another.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

/// A table's name inside its files, and its columns.
pub(crate) struct Table<T> {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column<T>>,
}

/// A column and how it reads and writes a row's field.
pub(crate) struct Column<T> {
    pub(crate) name: String,
    /// A column that is never null has no definition levels.
    pub(crate) required: bool,
    pub(crate) field: Field<T>,
}

/// Access to a field. A required field's getter gives no `None`.
pub(crate) enum Field<T> {
    Text(GetText<T>, Set<T, String>),
    Id(Get<T, u32>, Set<T, u32>),
    Float(Get<T, f64>, Set<T, f64>),
}

type GetText<T> = Box<dyn Fn(&T) -> Option<&str>>;
type Get<T, V> = Box<dyn Fn(&T) -> Option<V>>;
type Set<T, V> = Box<dyn Fn(&mut T, V)>;

/// `Row, type name`, or `Row, type name, part` for the field `name` of the row's field `part`; a
/// question mark at the type is a column that may be null.
macro_rules! column {
    ($row:ty, text $name:ident $(, $part:ident)?) => {
        column!(
            $row, Text, $name, true,
            |row| Some(&row$(.$part)?.$name),
            |row, to| row$(.$part)?.$name = to
        )
    };
    ($row:ty, text? $name:ident $(, $part:ident)?) => {
        column!(
            $row, Text, $name, false,
            |row| row$(.$part)?.$name.as_deref(),
            |row, to| row$(.$part)?.$name = Some(to)
        )
    };
    ($row:ty, id $name:ident $(, $part:ident)?) => {
        column!(
            $row, Id, $name, true,
            |row| Some(row$(.$part)?.$name),
            |row, to| row$(.$part)?.$name = to
        )
    };
    ($row:ty, id? $name:ident $(, $part:ident)?) => {
        column!(
            $row, Id, $name, false,
            |row| row$(.$part)?.$name,
            |row, to| row$(.$part)?.$name = Some(to)
        )
    };
    ($row:ty, float $name:ident $(, $part:ident)?) => {
        column!(
            $row, Float, $name, true,
            |row| Some(row$(.$part)?.$name),
            |row, to| row$(.$part)?.$name = to
        )
    };
    ($row:ty, float? $name:ident $(, $part:ident)?) => {
        column!(
            $row, Float, $name, false,
            |row| row$(.$part)?.$name,
            |row, to| row$(.$part)?.$name = Some(to)
        )
    };
    ($row:ty, $field:ident, $name:ident, $required:literal, $get:expr, $set:expr) => {
        $crate::columns::Column::<$row> {
            name: stringify!($name).to_owned(),
            required: $required,
            field: $crate::columns::Field::$field(Box::new($get), Box::new($set)),
        }
    };
}
pub(crate) use column;

impl<T: 'static> Column<T> {
    /// The same column of a row that has these rows as a part.
    pub(crate) fn within<R: 'static>(
        self,
        part: fn(&R) -> &T,
        part_mut: fn(&mut R) -> &mut T,
    ) -> Column<R> {
        let field = match self.field {
            Field::Text(get, set) => Field::Text(
                Box::new(move |row| get(part(row))),
                Box::new(move |row, to| set(part_mut(row), to)),
            ),
            Field::Id(get, set) => Field::Id(
                Box::new(move |row| get(part(row))),
                Box::new(move |row, to| set(part_mut(row), to)),
            ),
            Field::Float(get, set) => Field::Float(
                Box::new(move |row| get(part(row))),
                Box::new(move |row, to| set(part_mut(row), to)),
            ),
        };
        Column { name: self.name, required: self.required, field }
    }
}

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
        Type::primitive_type_builder(&self.name, self.physical())
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
        for column in &self.columns {
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
    use crate::{Row, tables};

    fn check<T: Serialize + Default>(table: &Table<T>) {
        let Value::Object(fields) = serde_json::to_value(T::default()).unwrap() else {
            panic!("a row is an object")
        };
        let names: Vec<_> = table.columns.iter().map(|column| &column.name).collect();
        assert_eq!(names, fields.keys().collect::<Vec<_>>());
        let found = SchemaDescriptor::new(table.schema().unwrap());
        assert_eq!(table.places(&found).unwrap(), (0..names.len()).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn the_columns_are_the_fields_of_a_row_in_their_order() {
        check(&tables::cells());
        check(&tables::averages());
        check(&tables::rome_averages());
        check(&tables::peaks());
    }

    fn problem(found: Vec<Column<Row>>, expected: Vec<Column<Row>>) -> String {
        let found = Table { name: "found", columns: found };
        let found = SchemaDescriptor::new(found.schema().unwrap());
        Table { name: "expected", columns: expected }.places(&found).unwrap_err()
    }

    #[test]
    fn what_another_table_has_instead_is_named() {
        let case = || column!(Row, text case);
        let value = || column!(Row, float? value);
        let n = || column!(Row, id n);
        let ours = || vec![case(), value(), n()];
        let short = problem(vec![case(), value()], ours());
        insta::assert_snapshot!(short, @"it ends where the column n (INT32) is expected");
        let other = problem(vec![case(), column!(Row, text? token), n()], ours());
        insta::assert_snapshot!(other, @"it has a column token (BYTE_ARRAY, may be null) where the column n (INT32) is expected");
        let order = problem(vec![case(), n(), value()], ours());
        insta::assert_snapshot!(order, @"it has a column n (INT32) where the column value (DOUBLE, may be null) is expected");
        let more = problem(ours(), vec![case(), value()]);
        insta::assert_snapshot!(more, @"it has a column n (INT32), which isn't expected");
    }
}
