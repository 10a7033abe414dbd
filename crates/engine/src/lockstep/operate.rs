//! Operations on the host, number by number.

use tracewright_ir::{Along, Array, Operation, Value};

use crate::lockstep::part::Part;
use crate::patch::unit;

/// Carries an operation out on a row: on the numbers at `to`, with those of each source at `from`.
pub(crate) fn operate(
    operation: &Operation,
    row: &mut [f32],
    to: &Part,
    from: &[Part],
    sources: &[&[f32]],
) {
    if let Operation::Project { direction, along } = operation {
        return project(direction, along, row, to, from, sources);
    }
    let count = sources.len().max(1) as f32;
    let mean = |index: usize| {
        let of_source = |(from, source): (&Part, &&[f32])| source[from.columns[index]];
        from.iter().zip(sources).map(of_source).sum::<f32>() / count
    };
    for (index, (column, place)) in to.columns.iter().zip(&to.places).enumerate() {
        let read = |value: &Value| match value {
            Value::Constant(number) => *number as f32,
            Value::Array(array) => array.data[*place] as f32,
            Value::Source(_) | Value::Mean(_) => mean(index),
        };
        let value = &mut row[*column];
        *value = match operation {
            Operation::Scale(factor) => *value * *factor as f32,
            Operation::Replace(new) => read(new),
            // Summed in f64 and rounded once, as NumPy's noise is in ROME's code.
            Operation::Add(Value::Array(array)) => (f64::from(*value) + array.data[*place]) as f32,
            Operation::Add(added) => *value + read(added),
            Operation::Interpolate { value: to, weight } => {
                *value + (read(to) - *value) * *weight as f32
            }
            Operation::Project { .. } | Operation::Call(_) => *value,
        };
    }
}

/// What [`Operation::Project`] does, in f64: sums of products cancel.
fn project(
    direction: &Array,
    along: &Along,
    row: &mut [f32],
    to: &Part,
    from: &[Part],
    sources: &[&[f32]],
) {
    let unit = unit(direction);
    let dot = |numbers: &[f32], columns: &[usize]| -> f64 {
        columns.iter().zip(&unit).map(|(column, d)| f64::from(numbers[*column]) * d).sum()
    };
    for (part, columns) in to.columns.chunks(unit.len()).enumerate() {
        let own = dot(row, columns);
        let along_it = match (along, from, sources) {
            (Along::Of(_), [from, ..], [source, ..]) => {
                dot(source, &from.columns[part * unit.len()..][..columns.len()])
            }
            (Along::In, ..) => own,
            _ => 0.0,
        };
        for (column, d) in columns.iter().zip(&unit) {
            let rest = match along {
                Along::In => 0.0,
                Along::Out | Along::Of(_) => f64::from(row[*column]) - own * d,
            };
            row[*column] = (rest + along_it * d) as f32;
        }
    }
}
