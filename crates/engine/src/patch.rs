//! Loci as parts of a matrix: taking values out, putting values in, operating on them.

use burn::tensor::{IndexingUpdateOp, Tensor, TensorData};
use tracewright_ir::{Along, Array, Extent, Operation, Selection, Value};
use tracewright_models::Decoder;

use crate::error::EngineError;

/// Takes the extent's values out of a site's value; the run's rows begin at `first_row`.
///
/// `[rows, columns]` of the extent.
pub(crate) fn take(
    decoder: &Decoder,
    value: &Tensor<2>,
    extent: &Extent,
    first_row: usize,
) -> Tensor<2> {
    let rows: Vec<usize> = extent.rows.iter().map(|row| first_row + row).collect();
    let taken = decoder.select_rows(value.clone(), &rows);
    match &extent.columns {
        Selection::All => taken,
        Selection::Only(columns) => taken.select(1, decoder.indices(columns)),
    }
}

/// Puts values back where [`take`] takes them from.
pub(crate) fn put(
    decoder: &Decoder,
    value: Tensor<2>,
    extent: &Extent,
    first_row: usize,
    part: Tensor<2>,
) -> Tensor<2> {
    let rows: Vec<usize> = extent.rows.iter().map(|row| first_row + row).collect();
    let assign = IndexingUpdateOp::Assign;
    let whole_rows = match &extent.columns {
        Selection::All => part,
        Selection::Only(columns) => {
            let taken = decoder.select_rows(value.clone(), &rows);
            taken.select_assign(1, decoder.indices(columns), part, assign)
        }
    };
    value.select_assign(0, decoder.indices(&rows), whole_rows, assign)
}

/// What an operation makes of the values at its locus; `read` gives the values of sources.
pub(crate) fn operate(
    operation: &Operation,
    current: Tensor<2>,
    read: impl Fn(&tracewright_ir::Source) -> Result<Tensor<2>, EngineError>,
) -> Result<Tensor<2>, EngineError> {
    match operation {
        Operation::Scale(factor) => Ok(current * *factor),
        Operation::Replace(value) => resolve(value, &current, read),
        Operation::Add(Value::Array(array)) => add_in_f64(current, array),
        Operation::Add(value) => {
            let added = resolve(value, &current, read)?;
            Ok(current + added)
        }
        Operation::Interpolate { value, weight } => {
            let value = resolve(value, &current, read)?;
            Ok(current.clone() + (value - current) * *weight)
        }
        Operation::Project { direction, along } => {
            let part = |value| along_direction(value, direction);
            match along {
                Along::Out => Ok(current.clone() - part(current)),
                Along::In => Ok(part(current)),
                Along::Of(source) => Ok(current.clone() + part(read(source)? - current)),
            }
        }
        // The executors call functions themselves.
        Operation::Call(_) => Ok(current),
    }
}

/// (x · d) d / (d · d) of each row, or of each of its parts that are as long as d.
fn along_direction(value: Tensor<2>, direction: &Array) -> Tensor<2> {
    let (shape, len) = (value.dims(), direction.data.len());
    let unit: Vec<f32> = unit(direction).into_iter().map(|number| number as f32).collect();
    let unit = Tensor::<2>::from_data(TensorData::new(unit, [1, len]), &value.device());
    let parts = value.reshape([shape[0] * shape[1] / len, len]);
    let dots = (parts * unit.clone()).sum_dim(1);
    (dots * unit).reshape(shape)
}

/// A direction of length 1.
pub(crate) fn unit(direction: &Array) -> Vec<f64> {
    let largest = direction.data.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let scaled = || direction.data.iter().map(|x| x / largest);
    let length = scaled().map(|x| x * x).sum::<f64>().sqrt();
    scaled().map(|x| x / length).collect()
}

fn resolve(
    value: &Value,
    like: &Tensor<2>,
    read: impl Fn(&tracewright_ir::Source) -> Result<Tensor<2>, EngineError>,
) -> Result<Tensor<2>, EngineError> {
    match value {
        Value::Constant(constant) => Ok(like.full_like(*constant)),
        Value::Array(array) => {
            let values: Vec<f32> = array.data.iter().map(|value| *value as f32).collect();
            Ok(Tensor::from_data(TensorData::new(values, like.dims()), &like.device()))
        }
        Value::Source(source) => read(source),
        Value::Mean(sources) => {
            let mut values = sources.iter().map(read);
            let first = values.next().unwrap_or_else(|| Ok(like.zeros_like()))?;
            let sum = values.try_fold(first, |sum, value| Ok::<_, EngineError>(sum + value?))?;
            Ok(sum / sources.len() as f64)
        }
    }
}

/// Adds in f64 and rounds once. NumPy's noise is f64 in ROME's code, and rounding it before the
/// sum gives other numbers in a quarter of the places.
fn add_in_f64(current: Tensor<2>, array: &Array) -> Result<Tensor<2>, EngineError> {
    let (device, shape) = (current.device(), current.dims());
    let values = current.try_into_vec_as::<f32>().map_err(EngineError::device)?;
    let sums: Vec<f32> =
        values.iter().zip(&array.data).map(|(a, b)| (f64::from(*a) + b) as f32).collect();
    Ok(Tensor::from_data(TensorData::new(sums, shape), &device))
}
