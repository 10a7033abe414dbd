//! What is known of a case apart from its cells.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracewright_ir::Tokens;

/// One case: its prompt as fed, its answer, its baselines, and which grids were asked for.
///
/// A case that the model answers wrongly has `correct_prediction` false and no rows. A case that
/// failed has a `failure` and whatever was known before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// The name that rows carry in their `case`, and files in their name; a fact's id.
    pub name: String,
    /// The text of the prompt (of a pair: of the clean one).
    pub prompt: String,
    /// The subject's text.
    pub subject: Option<String>,
    /// The subject's tokens, half open.
    pub subject_range: Option<Range<usize>>,
    /// The prompt as it was fed.
    pub tokens: Tokens,
    /// The answer's token decoded, with its leading space.
    pub answer: String,
    /// The answer's token.
    pub answer_id: u32,
    /// True if the clean run's answer is the expected one, or none was expected.
    pub correct_prediction: bool,
    /// The answer that the dataset expects.
    pub expected: Option<String>,
    /// The metric of the corrupted run, averaged over the samples (ROME: a probability).
    #[serde(with = "any_f64")]
    pub low_score: f64,
    /// The metric of the clean run.
    #[serde(with = "any_f64")]
    pub high_score: f64,
    /// The width of the window of layers that module patches restore.
    pub window: usize,
    /// The number of noise samples.
    pub samples: usize,
    /// The grids that become `.npz` files in ROME's format.
    #[serde(default)]
    pub grids: Vec<KindGrid>,
    /// What the dataset says of the case besides (`relation_id`, `template`), by column: what
    /// [`group_by`](crate::group_by) can group by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// What it took to compute the case, in numbers that don't depend on the clock.
    #[serde(default)]
    pub cost: Value,
    /// Why the case failed.
    #[serde(default)]
    pub failure: Option<String>,
    /// Whether the failure may not come again, so that the next start computes the case once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// The digest of the arrays that were read of its runs: SHA-256 of `cases/NAME_readings.npz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readings: Option<String>,
    /// How it was computed after it had failed as asked; its numbers are equal to those within rounding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What else there is to say, such as a pair's corrupted prompt; written as it is to
    /// `cases/NAME.json` unless null.
    #[serde(default)]
    pub extra: Value,
}

impl CaseRecord {
    /// A case that could not be run, and why.
    pub fn failed(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), failure: Some(reason.into()), ..Self::default() }
    }
}

/// A second attempt at a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The bytes that its passes might take.
    pub memory: u64,
    /// Why the first attempt failed.
    pub reason: String,
}

/// A grid of cells that ROME's code writes as one file.
///
/// Its cells are the rows of the case with this `kind`, `site` and `metric`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindGrid {
    /// `hidden`, `mlp`, `attn`, `severed_mlp` or `severed_attn`.
    pub kind: String,
    /// The site's name in the rows.
    pub site: String,
    /// The metric that fills the scores; ROME's is `prob`.
    pub metric: String,
    /// The number of layers, all of which must have a row.
    pub layers: usize,
}

/// JSON has no NaN and no infinities, and a diverged case has; they are written as words.
mod any_f64 {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Word(String),
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        let number = match value.is_finite() {
            true => Number::Finite(*value),
            false => Number::Word(value.to_string()),
        };
        number.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Finite(value) => Ok(value),
            Number::Word(word) => word.parse().map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_of_before_the_datasets_columns_is_read() {
        let json = serde_json::to_string(&CaseRecord::default()).unwrap();
        assert!(!json.contains("columns"), "{json}");
        let columns = BTreeMap::from([("relation_id".to_owned(), "P36".to_owned())]);
        let case = CaseRecord { columns, ..CaseRecord::default() };
        let json = serde_json::to_string(&case).unwrap();
        assert_eq!(serde_json::from_str::<CaseRecord>(&json).unwrap(), case);
    }

    #[test]
    fn scores_come_back_bit_for_bit() {
        for score in [0.1f32 as f64, 1.0 / 3.0, 5e-324, -0.0, f64::NAN, f64::NEG_INFINITY, 1.0] {
            let case = CaseRecord { low_score: score, ..CaseRecord::default() };
            let json = serde_json::to_string(&case).unwrap();
            let read: CaseRecord = serde_json::from_str(&json).unwrap();
            assert_eq!(read.low_score.to_bits(), score.to_bits(), "{json}");
        }
    }
}
