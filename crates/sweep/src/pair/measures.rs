//! What is measured: metrics at positions, and answers of several tokens.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::{Measure, Metric, RunId};

use super::answers::Answers;
use crate::error::SweepError;
use crate::words::word;

/// A metric whose answer isn't known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PairMetric {
    /// The answer's probability.
    Prob,
    /// The answer's logit.
    Logit,
    /// The mean logit of the answers minus that of the distractors.
    LogitDiff,
    /// KL(clean ‖ run).
    Kl,
    /// The logarithm of the answer's probability.
    Logprob,
    /// How many tokens are likelier than the answer.
    Rank,
    /// Whether the answer is among the `k` likeliest tokens.
    TopkAcc,
    /// The entropy of the next token's distribution.
    Entropy,
    /// The Euclidean distance of the logits to the clean run's.
    L2,
    /// The mean squared difference of the logits to the clean run's.
    Mse,
    /// One minus the cosine of the angle between the logits and the clean run's.
    Cosine,
}

impl PairMetric {
    /// Every metric.
    pub const ALL: [Self; 11] = [
        Self::Prob,
        Self::Logit,
        Self::LogitDiff,
        Self::Kl,
        Self::Logprob,
        Self::Rank,
        Self::TopkAcc,
        Self::Entropy,
        Self::L2,
        Self::Mse,
        Self::Cosine,
    ];

    /// The metric's name, spelled like the program's flag.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prob => "prob",
            Self::Logit => "logit",
            Self::LogitDiff => "logit-diff",
            Self::Kl => "kl",
            Self::Logprob => "logprob",
            Self::Rank => "rank",
            Self::TopkAcc => "topk-acc",
            Self::Entropy => "entropy",
            Self::L2 => "l2",
            Self::Mse => "mse",
            Self::Cosine => "cosine",
        }
    }

    /// The metric of these answers and this clean run; where it takes one answer, that is the first.
    pub(crate) fn of(self, answers: &Answers, clean: RunId, k: usize) -> Metric {
        let answer = answers.answer.id;
        match self {
            Self::Prob => Metric::Prob { answer },
            Self::Logit => Metric::Logit { answer },
            Self::LogitDiff => {
                Metric::LogitDiff { answers: answers.answers(), distractors: answers.distractors() }
            }
            Self::Kl => Metric::Kl { clean },
            Self::Logprob => Metric::Logprob { answer },
            Self::Rank => Metric::Rank { answer },
            Self::TopkAcc => Metric::TopK { answer, k },
            Self::Entropy => Metric::Entropy,
            Self::L2 => Metric::L2 { clean },
            Self::Mse => Metric::Mse { clean },
            Self::Cosine => Metric::Cosine { clean },
        }
    }
}

impl FromStr for PairMetric {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        word("metric", given, &Self::ALL, Self::name)
    }
}

/// What is done with an answer of several tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerTokens {
    /// Its first token stands for it.
    First,
    /// Its tokens but the last are appended to every run, and their probabilities multiply.
    Product,
}

impl FromStr for AnswerTokens {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        let name = |one| match one {
            Self::First => "first",
            Self::Product => "product",
        };
        word("way with answers of several tokens", given, &[Self::First, Self::Product], name)
    }
}

/// A number that is reported: one of the request's measures, or several made one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    /// The metric's name.
    pub(crate) name: &'static str,
    /// The position that it is read at, if not the last one alone.
    pub(crate) at: Option<usize>,
    /// The indices of the measures.
    pub(crate) of: Vec<usize>,
    pub(crate) how: How,
}

/// How several measures are made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Their mean, over positions.
    Mean,
    /// The sum of log-probabilities, over an answer's tokens.
    Sum,
    /// The probability of that sum.
    Product,
}

impl Reported {
    /// The only measure of a request.
    pub(crate) fn only(name: &'static str) -> Self {
        Self { name, at: None, of: vec![0], how: How::Mean }
    }

    /// The reported number of one run: `value` gives that of a measure.
    pub(crate) fn value(&self, value: impl Fn(usize) -> f64) -> f64 {
        let sum: f64 = self.of.iter().map(|measure| value(*measure)).sum();
        match self.how {
            How::Mean => sum / self.of.len() as f64,
            How::Sum => sum,
            How::Product => sum.exp(),
        }
    }

    /// The metric's name with its position.
    pub(crate) fn label(&self) -> String {
        match self.at {
            Some(position) => format!("{}@{position}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// Where and of what metrics are read.
pub(crate) struct Measuring<'a> {
    pub(crate) metrics: &'a [PairMetric],
    pub(crate) answers: &'a Answers,
    /// The tokens of the answer that every run has after its prompt of `len` tokens.
    pub(crate) appended: &'a [u32],
    pub(crate) len: usize,
    /// The positions; none for the last one.
    pub(crate) at: Option<Vec<usize>>,
    /// Whether the mean over the positions is taken.
    pub(crate) mean: bool,
    pub(crate) k: usize,
    /// Whether the likeliest tokens are asked for.
    pub(crate) tops: bool,
    pub(crate) clean: RunId,
}

impl Measuring<'_> {
    /// The measures, and what is reported of them.
    pub(crate) fn all(&self) -> (Vec<Measure>, Vec<Reported>) {
        let (mut measures, mut reported) = (Vec::new(), Vec::new());
        if self.tops {
            // The first measure says where the likeliest tokens are read: at the prompt's end.
            measures.push(Measure { metric: Metric::Entropy, position: self.end() });
        }
        for metric in self.metrics {
            let first = measures.len();
            let log = matches!(metric, PairMetric::Prob | PairMetric::Logprob);
            let read = metric.of(self.answers, self.clean, self.k);
            if log && !self.appended.is_empty() {
                measures.extend(self.of_answer());
                let how = if *metric == PairMetric::Prob { How::Product } else { How::Sum };
                let of = (first..measures.len()).collect();
                reported.push(Reported { name: metric.name(), at: None, of, how });
                continue;
            }
            let positions = match &self.at {
                Some(positions) => positions.iter().copied().map(Some).collect(),
                None => vec![self.end()],
            };
            let measure =
                |position: &Option<usize>| Measure { metric: read.clone(), position: *position };
            measures.extend(positions.iter().map(measure));
            let report = |at, of| Reported { name: metric.name(), at, of, how: How::Mean };
            if self.mean || self.at.is_none() {
                reported.push(report(None, (first..measures.len()).collect()));
            } else {
                let one = |(index, at): (usize, &Option<usize>)| report(*at, vec![first + index]);
                reported.extend(positions.iter().enumerate().map(one));
            }
        }
        (measures, reported)
    }

    /// The prompt's last position, where an appended answer makes it another one than the run's.
    fn end(&self) -> Option<usize> {
        (!self.appended.is_empty()).then(|| self.len - 1)
    }

    /// The log-probability of each token of the answer after those before it.
    fn of_answer(&self) -> Vec<Measure> {
        let last = self.answers.answer_tokens.last().copied().unwrap_or(self.answers.answer.id);
        let tokens = self.appended.iter().copied().chain([last]);
        let measure = |(index, answer): (usize, u32)| Measure {
            metric: Metric::Logprob { answer },
            position: Some(self.len - 1 + index),
        };
        tokens.enumerate().map(measure).collect()
    }
}
