//! Arrays as NumPy knows them, in host memory.

use crate::ResultsError;

/// The elements of an [`Array`], in C order.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// `<f4`
    F32(Vec<f32>),
    /// `<f8`
    F64(Vec<f64>),
    /// `<i8`; 32-bit integers are widened when they are read.
    I64(Vec<i64>),
    /// `|b1`
    Bool(Vec<bool>),
    /// `<U…`, as wide as the longest string. NumPy can't tell NULs at a string's end from its
    /// padding, so those are lost.
    Str(Vec<String>),
}

impl Data {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Str(v) => v.len(),
        }
    }

    /// True for no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<f32>> for Data {
    fn from(v: Vec<f32>) -> Self {
        Self::F32(v)
    }
}

impl From<Vec<f64>> for Data {
    fn from(v: Vec<f64>) -> Self {
        Self::F64(v)
    }
}

impl From<Vec<i64>> for Data {
    fn from(v: Vec<i64>) -> Self {
        Self::I64(v)
    }
}

impl From<Vec<bool>> for Data {
    fn from(v: Vec<bool>) -> Self {
        Self::Bool(v)
    }
}

impl From<Vec<String>> for Data {
    fn from(v: Vec<String>) -> Self {
        Self::Str(v)
    }
}

/// A shape and as many elements as its product, in C order; a scalar's shape is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Data,
}

impl Array {
    /// An array of the given shape.
    ///
    /// # Errors
    ///
    /// [`ResultsError::Shape`] unless `data` has as many elements as the shape's product.
    pub fn new(shape: &[usize], data: impl Into<Data>) -> Result<Self, ResultsError> {
        let (shape, data) = (shape.to_vec(), data.into());
        let product = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if product != Some(data.len()) {
            return Err(ResultsError::Shape { shape, len: data.len() });
        }
        Ok(Self { shape, data })
    }

    /// An array with one dimension, as long as `data`.
    pub fn vector(data: impl Into<Data>) -> Self {
        let data = data.into();
        Self { shape: vec![data.len()], data }
    }

    /// A 0-d array of one number or bool.
    pub fn scalar<T>(value: T) -> Self
    where
        Vec<T>: Into<Data>,
    {
        Self { shape: Vec::new(), data: vec![value].into() }
    }

    /// A 0-d array of one string.
    pub fn text(value: &str) -> Self {
        Self::scalar(value.to_owned())
    }

    /// The length of each dimension, the slowest first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in C order.
    pub fn data(&self) -> &Data {
        &self.data
    }
}
