//! Metrics as data: which number is read from a run's logits, and where.

use serde::{Deserialize, Serialize};

use crate::run::RunId;

/// A number read from a run's logits at one position.
///
/// How each is computed, and how an error of the logits carries over to it, stands in its file in
/// `tracewright-metrics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The answer's probability.
    Prob {
        /// Token id.
        answer: u32,
    },
    /// The natural logarithm of the answer's probability.
    Logprob {
        /// Token id.
        answer: u32,
    },
    /// The answer's logit.
    Logit {
        /// Token id.
        answer: u32,
    },
    /// The mean logit of the answers minus the mean logit of the distractors.
    LogitDiff {
        /// Token ids.
        answers: Vec<u32>,
        /// Token ids.
        distractors: Vec<u32>,
    },
    /// KL(clean ‖ run) of the next token's distribution, in nats.
    Kl {
        /// The clean run.
        clean: RunId,
    },
    /// How many tokens have a larger logit than the answer: 0 is best.
    Rank {
        /// Token id.
        answer: u32,
    },
    /// 1 where fewer than `k` tokens have a larger logit than the answer, otherwise 0.
    TopK {
        /// Token id.
        answer: u32,
        /// How many tokens count as the top.
        k: usize,
    },
    /// The entropy of the next token's distribution, in nats.
    Entropy,
    /// The Euclidean distance of the logits to the clean run's.
    L2 {
        /// The clean run.
        clean: RunId,
    },
    /// The mean squared difference of the logits to the clean run's.
    Mse {
        /// The clean run.
        clean: RunId,
    },
    /// One minus the cosine of the angle between the logits and the clean run's.
    Cosine {
        /// The clean run.
        clean: RunId,
    },
    /// What a function of the caller's own makes of the row of logits, and of the clean run's where one
    /// is given; then it is a distance.
    Own {
        /// Its name; whoever executes the request knows what it does.
        name: String,
        /// The clean run.
        #[serde(default)]
        clean: Option<RunId>,
    },
}

impl Metric {
    /// The metric's name, spelled like the program's flag.
    pub fn name(&self) -> &str {
        match self {
            Self::Prob { .. } => "prob",
            Self::Logprob { .. } => "logprob",
            Self::Logit { .. } => "logit",
            Self::LogitDiff { .. } => "logit-diff",
            Self::Kl { .. } => "kl",
            Self::Rank { .. } => "rank",
            Self::TopK { .. } => "topk-acc",
            Self::Entropy => "entropy",
            Self::Own { name, .. } => name,
            Self::L2 { .. } => "l2",
            Self::Mse { .. } => "mse",
            Self::Cosine { .. } => "cosine",
        }
    }

    /// The token ids that the metric reads.
    pub fn tokens(&self) -> Vec<u32> {
        match self {
            Self::Prob { answer }
            | Self::Logprob { answer }
            | Self::Logit { answer }
            | Self::TopK { answer, .. }
            | Self::Rank { answer } => vec![*answer],
            Self::LogitDiff { answers, distractors } => [&answers[..], distractors].concat(),
            Self::Kl { .. }
            | Self::Entropy
            | Self::L2 { .. }
            | Self::Mse { .. }
            | Self::Own { .. }
            | Self::Cosine { .. } => Vec::new(),
        }
    }

    /// Whether the metric depends on the logits of its [`tokens`](Self::tokens) alone.
    pub fn reads_tokens_alone(&self) -> bool {
        matches!(self, Self::Logit { .. } | Self::LogitDiff { .. })
    }

    /// The same metric on rows that hold the logits of these tokens alone, in this order.
    ///
    /// # Panics
    ///
    /// Where a token that it [reads](Self::reads_tokens_alone) isn't among them.
    pub fn among(&self, tokens: &[u32]) -> Self {
        let place = |id: &u32| {
            let place = tokens.iter().position(|token| token == id);
            place.expect("a metric's tokens are among those whose logits there are") as u32
        };
        match self {
            Self::Logit { answer } => Self::Logit { answer: place(answer) },
            Self::LogitDiff { answers, distractors } => Self::LogitDiff {
                answers: answers.iter().map(place).collect(),
                distractors: distractors.iter().map(place).collect(),
            },
            other => other.clone(),
        }
    }

    /// The run that the metric compares with.
    pub fn clean(&self) -> Option<RunId> {
        match self {
            Self::Kl { clean }
            | Self::L2 { clean }
            | Self::Mse { clean }
            | Self::Cosine { clean } => Some(*clean),
            Self::Own { clean, .. } => *clean,
            _ => None,
        }
    }

    /// True where 0 is the clean run's value and larger is farther from it.
    pub fn is_distance(&self) -> bool {
        self.clean().is_some()
    }

    /// How much of the clean run's value a patched run has got back, (value − corrupted) / (clean − corrupted), for distances 1 − value / corrupted.
    ///
    /// `None` where the denominator is zero or not a number.
    pub fn recovery(&self, value: f64, clean: f64, corrupted: f64) -> Option<f64> {
        if self.is_distance() {
            ratio(corrupted - value, corrupted)
        } else {
            ratio(value - corrupted, clean - corrupted)
        }
    }
}

/// How far a patch moved its base towards its source: (value − base) / (source − base); `None`
/// where the two don't differ.
pub fn effect(value: f64, base: f64, source: f64) -> Option<f64> {
    ratio(value - base, source - base)
}

fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    // Not −0.
    let quotient = numerator / denominator + 0.0;
    quotient.is_finite().then_some(quotient)
}

/// A metric and the position at which the logits are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The metric.
    pub metric: Metric,
    /// The position; the last one where none is given.
    #[serde(default)]
    pub position: Option<usize>,
}

impl Measure {
    /// A metric read at the last position.
    pub fn at_last(metric: Metric) -> Self {
        Self { metric, position: None }
    }
}
