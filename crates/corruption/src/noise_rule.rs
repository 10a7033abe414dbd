//! The rules by which a person names a noise.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{CorruptionError, EmbeddingMoments, GaussianTransform, Noise};

/// How the subject's embeddings are corrupted, as the flag `--noise` names it.
///
/// Parsing and printing are inverse to each other, and the rule is stored as its text.
///
/// ```
/// use tracewright_corruption::NoiseRule;
///
/// let rule: NoiseRule = "s3".parse()?;
/// assert_eq!(rule, NoiseRule::SubjectDeviations(3.0));
/// assert_eq!(rule.to_string(), "s3");
/// # Ok::<(), tracewright_corruption::CorruptionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NoiseRule {
    /// `0.1`
    ///
    /// **What**: Gaussian noise with a fixed standard deviation, in the embedding's own unit.
    ///
    /// **Formula**: noise = σ x, x standard normal.
    ///
    /// **Reference**: `noise=0.1` in ROME's `experiments/causal_trace.py`; its script uses 0.1 for GPT-2 XL,
    /// 0.025 for GPT-J and 0.03 for GPT-NeoX.
    ///
    /// **Fails when**: σ is negative or not finite.
    Deviation(f64),

    /// `s3`
    ///
    /// **What**: Gaussian noise of k standard deviations of the embeddings of a dataset's subjects.
    ///
    /// **Formula**: noise = k s x, x standard normal, s from [`embedding_std`](crate::embedding_std).
    ///
    /// **Reference**: Meng et al., "Locating and Editing Factual Associations in GPT" (2022), section 2.1 and
    /// appendix B.1; the default of ROME's code is `s3`.
    ///
    /// **Fails when**: k is negative or not finite, or the subjects have fewer than two embedding values.
    SubjectDeviations(f64),

    /// `u0.3`
    ///
    /// **What**: noise that is uniform on (−x, x).
    ///
    /// **Formula**: noise = x u, u uniform on [−1, 1).
    ///
    /// **Reference**: `u<x>` in ROME's code; figure 13 of the paper.
    ///
    /// **Fails when**: x is negative or not finite.
    Uniform(f64),

    /// `m`
    ///
    /// **What**: normal noise with the mean and covariance of the embeddings of a text.
    ///
    /// **Formula**: noise = μ + V diag(√s) x, x standard normal, covariance = V diag(s) Vᵀ.
    ///
    /// **Reference**: `collect_embedding_gaussian` in ROME's code; figure 13 of the paper.
    ///
    /// **Fails when**: the text has fewer than two tokens, or an embedding isn't finite.
    Multivariate,

    /// `t3`
    ///
    /// **What**: the noise of `m` with heavy tails: multivariate Student t with ν degrees of freedom and
    /// the same covariance.
    ///
    /// **Formula**: noise = √((ν − 2) / u) (μ + V diag(√s) x), one u from χ²(ν) for each row.
    ///
    /// **Reference**: `collect_embedding_tdist` in ROME's code.
    ///
    /// **Fails when**: ν isn't a finite number above 2 (the covariance wouldn't exist), as `m`, or for more
    /// than 1,000 rows of noise.
    Student(f64),
}

impl NoiseRule {
    /// True for the rules that take their statistics from a text.
    pub fn reads_text(&self) -> bool {
        matches!(self, Self::Multivariate | Self::Student(_))
    }

    /// Looks up the statistics that this rule needs, and no others.
    ///
    /// `subject_std` gives the standard deviation of the subjects' embeddings, `moments` the
    /// moments of the embeddings over a text.
    ///
    /// # Errors
    ///
    /// What the called closure gives, or the errors of [`GaussianTransform::new`].
    pub fn resolve<E: From<CorruptionError>>(
        &self,
        subject_std: impl FnOnce() -> Result<f64, E>,
        moments: impl FnOnce() -> Result<EmbeddingMoments, E>,
    ) -> Result<Noise, E> {
        Ok(match *self {
            Self::Deviation(std) => Noise::Gaussian { std },
            Self::SubjectDeviations(k) => Noise::Gaussian { std: k * subject_std()? },
            Self::Uniform(half_width) => Noise::Uniform { half_width },
            Self::Multivariate => {
                Noise::Multivariate { transform: GaussianTransform::new(&moments()?)? }
            }
            Self::Student(degrees) => {
                Noise::Student { transform: GaussianTransform::new(&moments()?)?, degrees }
            }
        })
    }
}

impl FromStr for NoiseRule {
    type Err = CorruptionError;

    fn from_str(rule: &str) -> Result<Self, CorruptionError> {
        let parsed = match rule.split_at_checked(1) {
            Some(("s", k)) => number(k).map(Self::SubjectDeviations),
            Some(("u", x)) => number(x).map(Self::Uniform),
            Some(("t", degrees)) => degrees_above_two(degrees).map(Self::Student),
            Some(("m", "")) => Ok(Self::Multivariate),
            Some(("m", _)) => Err("m stands alone"),
            _ => number(rule).map(Self::Deviation),
        };
        parsed.map_err(|reason| CorruptionError::Rule { rule: rule.to_owned(), reason })
    }
}

fn number(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        _ if text.is_empty() => Err("a number is missing"),
        Err(_) => Err("it has no number where one is expected"),
        Ok(number) if !number.is_finite() => Err("its number isn't finite"),
        Ok(number) if number.is_sign_negative() => Err("its number is negative"),
        Ok(number) => Ok(number),
    }
}

fn degrees_above_two(text: &str) -> Result<f64, &'static str> {
    match number(text)? {
        degrees if degrees > 2.0 => Ok(degrees),
        _ => Err("t needs more than 2 degrees of freedom"),
    }
}

impl fmt::Display for NoiseRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deviation(std) => f.write_str(&short(*std)),
            Self::SubjectDeviations(k) => write!(f, "s{}", short(*k)),
            Self::Uniform(half_width) => write!(f, "u{}", short(*half_width)),
            Self::Multivariate => f.write_str("m"),
            Self::Student(degrees) => write!(f, "t{}", short(*degrees)),
        }
    }
}

/// A number with an exponent where it would have many zeros.
fn short(number: f64) -> String {
    match number {
        0.0 | 1e-6..1e15 => number.to_string(),
        _ => format!("{number:e}"),
    }
}

impl TryFrom<String> for NoiseRule {
    type Error = CorruptionError;

    fn try_from(rule: String) -> Result<Self, CorruptionError> {
        rule.parse()
    }
}

impl From<NoiseRule> for String {
    fn from(rule: NoiseRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_form_is_read_and_printed_back() {
        let cases = [
            ("0.1", NoiseRule::Deviation(0.1)),
            ("0", NoiseRule::Deviation(0.0)),
            ("s3", NoiseRule::SubjectDeviations(3.0)),
            ("s0.5", NoiseRule::SubjectDeviations(0.5)),
            ("u0.3", NoiseRule::Uniform(0.3)),
            ("m", NoiseRule::Multivariate),
            ("t3", NoiseRule::Student(3.0)),
            ("t2.5", NoiseRule::Student(2.5)),
            ("1e300", NoiseRule::Deviation(1e300)),
            ("s2e-7", NoiseRule::SubjectDeviations(2e-7)),
        ];
        for (text, rule) in cases {
            assert_eq!(text.parse::<NoiseRule>(), Ok(rule.clone()));
            assert_eq!(rule.to_string(), text);
        }
        assert_eq!("1e-2".parse(), Ok(NoiseRule::Deviation(0.01)));
    }

    #[test]
    fn what_is_no_rule_is_named_beside_the_valid_forms() {
        let wrong = [
            "", "s", "u", "t", "x3", "m3", "-1", "s-3", "u-0.1", "-0", "nan", "inf", "sinf", "t2",
            "t1", "tnan", "s 3", " s3", "S3", "é", "3s", "0,1",
        ];
        for rule in wrong {
            let message = rule.parse::<NoiseRule>().expect_err(rule).to_string();
            assert!(message.contains(&format!("'{rule}'")), "{message}");
            for form in ["0.1", "s<k>", "u<x>", "m (", "t<v>"] {
                assert!(message.contains(form), "{message}");
            }
        }
    }

    #[test]
    fn a_rule_is_stored_as_its_text() {
        let rule = NoiseRule::SubjectDeviations(3.0);
        let json = serde_json::to_string(&rule).expect("a string");
        assert_eq!(json, r#""s3""#);
        assert_eq!(serde_json::from_str::<NoiseRule>(&json).expect("a rule"), rule);
        assert!(serde_json::from_str::<NoiseRule>(r#""q3""#).is_err());
    }

    #[test]
    fn only_the_statistics_that_a_rule_needs_are_collected() {
        let asked = Cell::new("");
        let resolve = |rule: &str| {
            asked.set("nothing");
            let rule: NoiseRule = rule.parse().expect("a rule");
            rule.resolve(
                || Ok(0.25).inspect(|_: &f64| asked.set("deviation")),
                || {
                    asked.set("moments");
                    EmbeddingMoments::of_rows(1, [[1.0f32].as_slice(), &[2.0]])
                },
            )
            .map(|noise| (noise, asked.get()))
            .expect("a noise")
        };
        assert_eq!(resolve("0.1"), (Noise::Gaussian { std: 0.1 }, "nothing"));
        assert_eq!(resolve("s3"), (Noise::Gaussian { std: 0.75 }, "deviation"));
        assert_eq!(resolve("u2"), (Noise::Uniform { half_width: 2.0 }, "nothing"));
        assert!(matches!(resolve("m"), (Noise::Multivariate { .. }, "moments")));
        assert!(matches!(resolve("t3"), (Noise::Student { .. }, "moments")));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(number in 0.0..1e12f64, which in 0..5) {
            let rule = match which {
                0 => NoiseRule::Deviation(number),
                1 => NoiseRule::SubjectDeviations(number),
                2 => NoiseRule::Uniform(number),
                3 => NoiseRule::Multivariate,
                _ => NoiseRule::Student(2.5 + number),
            };
            prop_assert_eq!(rule.to_string().parse(), Ok(rule));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = text.parse::<NoiseRule>();
        }
    }
}
