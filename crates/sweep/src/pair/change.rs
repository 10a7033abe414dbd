//! What is done at a place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::{
    Along, Architecture, Array, Intervention, Locus, Operation, RunId, Source, Value,
};

use crate::error::SweepError;
use crate::words::as_text;

/// An operation by its name: `copy`, `zero`, `scale=2`, `add=steering.npz:v`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Change {
    /// `copy`: the other run's value. Holding a run at its own base's value is the same.
    #[default]
    Copy,
    /// `interpolate=0.5`: a part of the way to the other run's value.
    Interpolate(f64),
    /// `plus`: the other run's value is added.
    Plus,
    /// `zero`, or `constant=0.5`.
    Constant(f64),
    /// `scale=2`
    Scale(f64),
    /// `mean`: the mean over a dataset ([`MeanOf`](super::MeanOf)).
    Mean,
    /// `set=FILE:KEY`: numbers from a file.
    Set(Vector),
    /// `add=FILE:KEY`, or `add=-2*FILE:KEY`: steering.
    Add(Vector),
    /// `project-out=FILE:KEY`: without what the value has along a direction.
    ProjectOut(Vector),
    /// `project-in=FILE:KEY`: only what it has along it.
    ProjectIn(Vector),
    /// `along=FILE:KEY`: with what the other run has along it.
    Along(Vector),
}

/// Numbers from an npz or safetensors file, times a factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector {
    /// What they are multiplied by.
    pub factor: f64,
    /// The file.
    pub path: PathBuf,
    /// The array's name; the only one where there is none.
    pub key: Option<String>,
}

/// The arrays of a request's files, read, by their names in it.
pub(crate) type Vectors = BTreeMap<String, Arc<Array>>;

impl Change {
    /// The vector that it takes from a file.
    pub(crate) fn vector(&self) -> Option<&Vector> {
        match self {
            Self::Set(vector)
            | Self::Add(vector)
            | Self::ProjectOut(vector)
            | Self::ProjectIn(vector)
            | Self::Along(vector) => Some(vector),
            _ => None,
        }
    }

    /// Whether it reads another run.
    pub(crate) fn reads_a_run(&self) -> bool {
        matches!(self, Self::Copy | Self::Interpolate(_) | Self::Plus | Self::Along(_))
    }

    /// The intervention at a locus of a run of `len` tokens, which reads `from`, if it is another one, of
    /// `source`. `mean` is the dataset's mean there.
    ///
    /// # Errors
    ///
    /// An array that doesn't fit the locus.
    pub(crate) fn at(
        &self,
        locus: Locus,
        (source, from): (RunId, Option<Locus>),
        (architecture, len): (&Architecture, usize),
        vectors: &Vectors,
        mean: impl Fn(&Locus) -> Result<Arc<Array>, SweepError>,
    ) -> Result<Intervention, SweepError> {
        let source = || Source { run: source, locus: from.clone(), ..Source::of(source) };
        let read = |vector: &Vector| vectors.get(&vector.to_string()).cloned().unwrap_or_default();
        let fitted = |vector: &Vector| {
            let shape = locus.shape(architecture, len);
            fit(&read(vector), shape, vector, &locus).map(|array| Value::Array(Arc::new(array)))
        };
        let project =
            |vector: &Vector, along| Operation::Project { direction: read(vector), along };
        let operation = match self {
            Self::Copy => Operation::Replace(Value::Source(source())),
            Self::Interpolate(weight) => {
                Operation::Interpolate { value: Value::Source(source()), weight: *weight }
            }
            Self::Plus => Operation::Add(Value::Source(source())),
            Self::Constant(number) => Operation::Replace(Value::Constant(*number)),
            Self::Scale(factor) => Operation::Scale(*factor),
            Self::Mean => Operation::Replace(Value::Array(mean(&locus)?)),
            Self::Set(vector) => Operation::Replace(fitted(vector)?),
            Self::Add(vector) => Operation::Add(fitted(vector)?),
            Self::ProjectOut(vector) => project(vector, Along::Out),
            Self::ProjectIn(vector) => project(vector, Along::In),
            Self::Along(vector) => project(vector, Along::Of(source())),
        };
        Ok(Intervention { locus, operation })
    }
}

/// An array over the whole of a locus: its last axes, the same along the others.
fn fit(
    array: &Array,
    shape: Vec<usize>,
    vector: &Vector,
    locus: &Locus,
) -> Result<Array, SweepError> {
    // Leading axes of one, as a batch's, say nothing.
    let ones = array.shape.iter().take_while(|len| **len == 1).count();
    let trimmed = &array.shape[ones..];
    let fits = shape.ends_with(&array.shape) || shape.ends_with(trimmed);
    if !fits || array.data.is_empty() {
        return Err(SweepError::VectorShape {
            file: vector.to_string(),
            given: array.shape.clone(),
            site: locus.to_string(),
            expected: shape,
        });
    }
    let data = array.data.iter().copied().cycle().take(shape.iter().product()).collect();
    Ok(Array { shape, data })
}

impl FromStr for Change {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        let unknown = || SweepError::UnknownChange { given: given.to_owned() };
        let (word, rest) = match given.split_once('=') {
            Some((word, rest)) => (word, Some(rest)),
            None => (given, None),
        };
        let number = || {
            let number = rest.and_then(|rest| rest.parse::<f64>().ok());
            number.filter(|number| (*number as f32).is_finite()).ok_or_else(unknown)
        };
        let vector = || rest.and_then(vector).ok_or_else(unknown);
        Ok(match (word, rest) {
            ("copy", None) => Self::Copy,
            ("plus", None) => Self::Plus,
            ("zero", None) => Self::Constant(0.0),
            ("mean", None) => Self::Mean,
            ("interpolate", _) => Self::Interpolate(number()?),
            ("constant", _) => Self::Constant(number()?),
            ("scale", _) => Self::Scale(number()?),
            ("set", _) => Self::Set(vector()?),
            ("add", _) => Self::Add(vector()?),
            ("project-out", _) => Self::ProjectOut(vector()?),
            ("project-in", _) => Self::ProjectIn(vector()?),
            ("along", _) => Self::Along(vector()?),
            _ => return Err(unknown()),
        })
    }
}

fn vector(given: &str) -> Option<Vector> {
    let factor =
        given.split_once('*').and_then(|(factor, file)| Some((factor.parse().ok()?, file)));
    let (factor, file) =
        factor.filter(|(factor, _): &(f64, _)| factor.is_finite()).unwrap_or((1.0, given));
    // A path may have colons of its own; a key hasn't got slashes or a file's ending.
    let (path, key) = match file.rsplit_once(':') {
        Some((path, key)) if !key.contains(['/', '\\']) && path.len() > 1 => {
            (path, Some(key.to_owned()))
        }
        _ => (file, None),
    };
    (!path.is_empty()).then(|| Vector { factor, path: PathBuf::from(path), key })
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy => f.write_str("copy"),
            Self::Interpolate(weight) => write!(f, "interpolate={weight}"),
            Self::Plus => f.write_str("plus"),
            Self::Constant(0.0) => f.write_str("zero"),
            Self::Constant(number) => write!(f, "constant={number}"),
            Self::Scale(factor) => write!(f, "scale={factor}"),
            Self::Mean => f.write_str("mean"),
            Self::Set(vector) => write!(f, "set={vector}"),
            Self::Add(vector) => write!(f, "add={vector}"),
            Self::ProjectOut(vector) => write!(f, "project-out={vector}"),
            Self::ProjectIn(vector) => write!(f, "project-in={vector}"),
            Self::Along(vector) => write!(f, "along={vector}"),
        }
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.factor != 1.0 {
            write!(f, "{}*", self.factor)?;
        }
        write!(f, "{}", self.path.display())?;
        self.key.iter().try_for_each(|key| write!(f, ":{key}"))
    }
}

as_text!(Change);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_they_are_written() {
        for given in [
            "copy",
            "plus",
            "zero",
            "mean",
            "scale=2",
            "constant=-0.5",
            "interpolate=0.25",
            "add=-2*a/b.npz:v",
            "set=v.safetensors",
            "project-out=d.npz:x",
            "along=d.npz:x",
        ] {
            assert_eq!(given.parse::<Change>().expect(given).to_string(), given);
        }
        for given in
            ["", "zero=1", "scale", "scale=x", "scale=inf", "add", "add=", "copy=1", "Zero"]
        {
            let error = given.parse::<Change>().expect_err(given).to_string();
            assert!(error.starts_with(&format!("there is no change '{given}'")), "{error}");
        }
    }
}
