//! NumPy's legacy random generator.

use std::iter::repeat_with;

use rand_mt::Mt;

use crate::CorruptionError;

/// `numpy.random.RandomState`: the same seed gives the same numbers, bit for bit.
///
/// Its state goes on over calls of every kind, in NumPy's order. Logarithms and powers come from
/// the platform's C library as NumPy's do, so bits are equal where both use the same one (the
/// NumPy wheels for x86-64 Linux with glibc are what the tests compare with).
///
/// Reference: NumPy, `numpy/random/src/legacy/legacy-distributions.c` and
/// `numpy/random/src/mt19937`.
///
/// ```
/// let mut random = tracewright_corruption::RandomState::new(1);
/// assert_eq!(random.randn(2), [1.6243453636632417, -0.6117564136500754]);
/// ```
#[derive(Clone, Debug)]
pub struct RandomState {
    twister: Mt,
    kept: Option<f64>,
}

impl RandomState {
    /// The state that `RandomState(seed)` starts with: MT19937 after `init_genrand(seed)`.
    pub fn new(seed: u32) -> Self {
        Self { twister: Mt::new(seed), kept: None }
    }

    /// One number from [0, 1) with 53 random bits (`genrand_res53`).
    pub fn random_sample(&mut self) -> f64 {
        let high = f64::from(self.twister.next_u32() >> 5);
        let low = f64::from(self.twister.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// `n` standard normal numbers.
    ///
    /// A shape is filled in C order, so `randn(2, 3)` is `randn(6)` here.
    pub fn randn(&mut self, n: usize) -> Vec<f64> {
        repeat_with(|| self.standard_normal()).take(n).collect()
    }

    /// `n` numbers uniform on [low, high); both should be finite.
    pub fn uniform(&mut self, low: f64, high: f64, n: usize) -> Vec<f64> {
        repeat_with(|| self.uniform_one(low, high)).take(n).collect()
    }

    /// `n` numbers from the chi-squared distribution with `df` degrees of freedom.
    ///
    /// # Errors
    ///
    /// [`CorruptionError::DegreesOfFreedom`] unless `df` is positive and finite: with any other
    /// number the rejection loop may never end.
    pub fn chisquare(&mut self, df: f64, n: usize) -> Result<Vec<f64>, CorruptionError> {
        if !(df > 0.0 && df.is_finite()) {
            return Err(CorruptionError::DegreesOfFreedom(df));
        }
        let draw = || 2.0 * self.standard_gamma(df / 2.0);
        Ok(repeat_with(draw).take(n).collect())
    }

    /// The next value of `uniform(low, high)`.
    pub fn uniform_one(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.random_sample()
    }

    /// `legacy_gauss`: the polar form of Box and Muller's method (Marsaglia and Bray, 1964).
    pub(crate) fn standard_normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        loop {
            let x1 = 2.0 * self.random_sample() - 1.0;
            let x2 = 2.0 * self.random_sample() - 1.0;
            let r2 = x1 * x1 + x2 * x2;
            if r2 < 1.0 && r2 != 0.0 {
                let f = (-2.0 * r2.ln() / r2).sqrt();
                // NumPy hands out the second of the pair first.
                self.kept = Some(f * x1);
                return f * x2;
            }
        }
    }

    /// `legacy_standard_exponential`; not `ln_1p`, whose bits differ.
    fn standard_exponential(&mut self) -> f64 {
        -(1.0 - self.random_sample()).ln()
    }

    /// `legacy_standard_gamma` for a positive `shape`.
    fn standard_gamma(&mut self, shape: f64) -> f64 {
        if shape == 1.0 {
            self.standard_exponential()
        } else if shape < 1.0 {
            self.gamma_below_one(shape)
        } else {
            self.gamma_above_one(shape)
        }
    }

    /// Ahrens and Dieter's method GS (1974), as NumPy has it.
    fn gamma_below_one(&mut self, shape: f64) -> f64 {
        loop {
            let u = self.random_sample();
            let v = self.standard_exponential();
            if u <= 1.0 - shape {
                let x = u.powf(1.0 / shape);
                if x <= v {
                    return x;
                }
            } else {
                let y = -((1.0 - u) / shape).ln();
                let x = (1.0 - shape + shape * y).powf(1.0 / shape);
                if x <= v + y {
                    return x;
                }
            }
        }
    }

    /// Marsaglia and Tsang's method (2000).
    fn gamma_above_one(&mut self, shape: f64) -> f64 {
        let b = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * b).sqrt();
        loop {
            let (x, v) = self.positive_cube_root(c);
            let v = v * v * v;
            let u = self.random_sample();
            // The grouping of the products decides the last bit, and with it who is rejected.
            if u < 1.0 - 0.0331 * (x * x) * (x * x) || u.ln() < 0.5 * x * x + b * (1.0 - v + v.ln())
            {
                return b * v;
            }
        }
    }

    fn positive_cube_root(&mut self, c: f64) -> (f64, f64) {
        loop {
            let x = self.standard_normal();
            let v = 1.0 + c * x;
            if v > 0.0 {
                return (x, v);
            }
        }
    }
}

#[cfg(test)]
#[path = "random_state_tests.rs"]
mod tests;
