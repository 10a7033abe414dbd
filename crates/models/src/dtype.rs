//! The types that weights are kept and multiplied in.

use std::fmt;
use std::str::FromStr;

use burn::tensor::FloatDType;

use crate::error::ModelError;

/// What the weight matrices are kept in and what their products are computed in. Everything between
/// two products is f32 whatever this is: the residual stream, norms, attention, metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// 24 bits of precision: the exact mode.
    #[default]
    F32,
    /// 8 bits of precision and f32's range: the fast mode of GPUs that have units for it.
    Bf16,
    /// 11 bits of precision; numbers beyond 65,504 overflow.
    F16,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::F16];

    /// Its name, as the program's flag has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// The bytes of a number.
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    pub(crate) const fn of_burn(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
            Self::F16 => FloatDType::F16,
        }
    }
}

impl FromStr for Dtype {
    type Err = ModelError;

    fn from_str(given: &str) -> Result<Self, ModelError> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == given).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).to_vec();
            ModelError::UnknownDtype { given: given.to_owned(), known }
        })
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
