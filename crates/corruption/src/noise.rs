//! Noise that is ready to be drawn.

use std::iter::repeat_with;

use crate::{CorruptionError, GaussianTransform, RandomState};

/// The seed of the generator that ROME's code makes for each forward pass.
pub const ROME_SEED: u32 = 1;

/// How many rows of Student noise have a factor, in ROME's code and here.
const STUDENT_ROWS: usize = 1000;

/// The seed of these factors, whatever the seed of the noise.
const STUDENT_SEED: u32 = 2;

/// A noise rule with the statistics that it needs; see [`NoiseRule`](crate::NoiseRule) for what
/// each one is.
#[derive(Clone, Debug, PartialEq)]
pub enum Noise {
    /// Independent normal values with mean 0.
    Gaussian {
        /// Their standard deviation, in the embedding's unit.
        std: f64,
    },
    /// Independent values, uniform on (−`half_width`, `half_width`).
    Uniform {
        /// Half the interval's width, in the embedding's unit.
        half_width: f64,
    },
    /// Rows with the mean and covariance of embeddings.
    Multivariate {
        /// What turns standard normal rows into such rows.
        transform: GaussianTransform,
    },
    /// Rows of the multivariate normal noise, each scaled by a factor of its own.
    Student {
        /// What turns standard normal rows into rows like embeddings.
        transform: GaussianTransform,
        /// Degrees of freedom, above 2.
        degrees: f64,
    },
}

/// Noise for the embeddings of a subject, to be added to them or put in their place.
///
/// It stays in f64: ROME adds in f64 and rounds the sum, which isn't the same as rounding the
/// noise first.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseArray {
    /// The values in C order, `shape[0] * shape[1] * shape[2]` of them.
    pub values: Vec<f64>,
    /// `[samples, tokens, d_model]`.
    pub shape: [usize; 3],
}

/// One generator, from which noise is drawn once or several times.
///
/// A new stream with the same seed starts over, as ROME does for each forward pass. A second
/// draw from one stream goes on where the first ended: the patched pass of ROME's severed trace
/// gets its noise so.
#[derive(Clone, Debug)]
pub struct NoiseStream<'a> {
    noise: &'a Noise,
    random: RandomState,
    factors: Vec<f64>,
}

impl<'a> NoiseStream<'a> {
    /// A stream at its start; [`ROME_SEED`] is ROME's.
    ///
    /// # Errors
    ///
    /// [`CorruptionError::DegreesOfFreedom`] for Student noise whose degrees aren't a finite
    /// number above 2.
    pub fn new(noise: &'a Noise, seed: u32) -> Result<Self, CorruptionError> {
        let factors = match noise {
            Noise::Student { degrees, .. } => student_factors(*degrees)?,
            _ => Vec::new(),
        };
        Ok(Self { noise, random: RandomState::new(seed), factors })
    }

    /// The next noise for `samples` corrupted runs of `tokens` subject tokens of width `d_model`.
    ///
    /// Every draw of Student noise starts again with the first factor, as in ROME's code.
    ///
    /// # Errors
    ///
    /// [`CorruptionError::Width`] where the noise's statistics have another width,
    /// [`CorruptionError::TooManyRows`] for more than 1,000 rows of Student noise,
    /// [`CorruptionError::TooLarge`] where the array doesn't fit in memory. The stream then
    /// stays where it was.
    pub fn draw(
        &mut self,
        samples: usize,
        tokens: usize,
        d_model: usize,
    ) -> Result<NoiseArray, CorruptionError> {
        let shape = [samples, tokens, d_model];
        self.check_shape(shape)?;
        let values = match self.noise {
            Noise::Gaussian { std } => self.fill(shape, |random| std * random.standard_normal())?,
            Noise::Uniform { half_width } => {
                self.fill(shape, |random| half_width * random.uniform_one(-1.0, 1.0))?
            }
            Noise::Multivariate { transform } => {
                transform.apply(&self.fill(shape, RandomState::standard_normal)?)
            }
            Noise::Student { transform, .. } => {
                let mut values = transform.apply(&self.fill(shape, RandomState::standard_normal)?);
                scale_rows(&mut values, &self.factors, d_model);
                values
            }
        };
        Ok(NoiseArray { values, shape })
    }

    fn check_shape(&self, [samples, tokens, d_model]: [usize; 3]) -> Result<(), CorruptionError> {
        if let Noise::Multivariate { transform } | Noise::Student { transform, .. } = self.noise
            && transform.width() != d_model
        {
            let expected = transform.width();
            return Err(CorruptionError::Width { given: d_model, expected });
        }
        let limit = STUDENT_ROWS;
        if matches!(self.noise, Noise::Student { .. }) && samples.saturating_mul(tokens) > limit {
            return Err(CorruptionError::TooManyRows { samples, tokens, limit });
        }
        Ok(())
    }

    fn fill(
        &mut self,
        [samples, tokens, d_model]: [usize; 3],
        mut draw: impl FnMut(&mut RandomState) -> f64,
    ) -> Result<Vec<f64>, CorruptionError> {
        let too_large = CorruptionError::TooLarge { samples, tokens, d_model };
        let rows = samples.checked_mul(tokens);
        let Some(len) = rows.and_then(|rows| rows.checked_mul(d_model)) else {
            return Err(too_large);
        };
        let mut values = Vec::new();
        values.try_reserve_exact(len).map_err(|_| too_large)?;
        values.extend(repeat_with(|| draw(&mut self.random)).take(len));
        Ok(values)
    }
}

/// √((ν − 2) / u): with it the covariance is that of the normal rows, not ν / (ν − 2) times it.
fn student_factors(degrees: f64) -> Result<Vec<f64>, CorruptionError> {
    if degrees.is_nan() || degrees <= 2.0 {
        return Err(CorruptionError::DegreesOfFreedom(degrees));
    }
    let u = RandomState::new(STUDENT_SEED).chisquare(degrees, STUDENT_ROWS)?;
    Ok(u.into_iter().map(|u| ((degrees - 2.0) / u).sqrt()).collect())
}

fn scale_rows(values: &mut [f64], factors: &[f64], d_model: usize) {
    // Statistics have a width of at least 1; `max` only keeps `chunks_mut` from a panic.
    for (row, factor) in values.chunks_mut(d_model.max(1)).zip(factors) {
        row.iter_mut().for_each(|value| *value *= factor);
    }
}

#[cfg(test)]
#[path = "noise_tests.rs"]
mod tests;
