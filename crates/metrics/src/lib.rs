//! Metrics: numbers read from logits, reduced on the device.
//!
//! A metric as data is [`tracewright_ir::Metric`]; here each has a file with its formula and the
//! bound that an error of the logits implies for it.
//!
//! Invariants:
//!
//! - A metric is a pure function of one row of logits (and the clean run's row).
//! - Logits never leave the device; one number for each row does.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tracewright_ir::Metric;
//!
//! let logits = Tensor::<2>::from_data([[0.0, 0.0, 0.0, 0.0], [9.0, 1.0, 1.0, 1.0]], &Device::flex());
//! let prob = tracewright_metrics::measure(&Metric::Prob { answer: 0 }, logits, None).unwrap();
//! assert_eq!(prob.into_data().as_slice::<f32>().unwrap()[0], 0.25);
//! ```

mod cosine;
mod entropy;
mod kl;
mod l2;
mod logit;
mod logit_diff;
mod logprob;
mod mse;
mod normaliser;
mod prob;
mod rank;
mod topk;

use burn::tensor::{Int, Tensor, TensorData};
use tracewright_ir::Metric;

/// One row of logits on the host, for [`bound`].
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a>(pub &'a [f32]);

/// The metric of each row of logits: `[rows, vocab]` → `[rows]`.
///
/// `clean` is the clean run's row, `[1, vocab]`. Returns `None` where the metric compares with a
/// clean run and none is given, and where it is the caller's own.
pub fn measure(metric: &Metric, logits: Tensor<2>, clean: Option<Tensor<2>>) -> Option<Tensor<1>> {
    Some(match metric {
        Metric::Prob { answer } => prob::of(logits, *answer),
        Metric::Logprob { answer } => logprob::of(logits, *answer),
        Metric::Logit { answer } => logit::of(logits, *answer),
        Metric::LogitDiff { answers, distractors } => logit_diff::of(logits, answers, distractors),
        Metric::Kl { .. } => kl::of(logits, clean?),
        Metric::Rank { answer } => rank::of(logits, *answer),
        Metric::TopK { answer, k } => topk::of(logits, *answer, *k),
        Metric::Own { .. } => return None,
        Metric::Entropy => entropy::of(logits),
        Metric::L2 { .. } => l2::of(logits, clean?),
        Metric::Mse { .. } => mse::of(logits, clean?),
        Metric::Cosine { .. } => cosine::of(logits, clean?),
    })
}

/// By how much a metric can differ where every logit, the clean run's too, is off by at most
/// `epsilon`. Metrics without a clean run don't look at `clean`.
///
/// It doesn't include the rounding of the metric's own arithmetic.
pub fn bound(metric: &Metric, run: Logits<'_>, clean: Logits<'_>, epsilon: f64) -> f64 {
    match metric {
        Metric::Prob { answer } => prob::bound(&run, *answer, epsilon),
        Metric::Logprob { .. } => logprob::bound(epsilon),
        Metric::Logit { .. } => logit::bound(epsilon),
        Metric::LogitDiff { .. } => logit_diff::bound(epsilon),
        Metric::Kl { .. } => kl::bound(&run, &clean, epsilon),
        Metric::Rank { answer } => rank::bound(&run, *answer, epsilon),
        Metric::TopK { answer, k } => topk::bound(&run, *answer, *k, epsilon),
        // Nothing is known of it.
        Metric::Own { .. } => f64::INFINITY,
        Metric::Entropy => entropy::bound(&run, epsilon),
        Metric::L2 { .. } => l2::bound(run.0.len(), epsilon),
        Metric::Mse { .. } => mse::bound(&run, &clean, epsilon),
        Metric::Cosine { .. } => cosine::bound(&run, &clean, epsilon),
    }
}

/// Some columns, in the given order: `[rows, vocab]` → `[rows, ids]`.
fn columns(x: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    let indices: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let indices = TensorData::new(indices, [ids.len()]);
    let device = x.device();
    x.select(1, Tensor::<1, Int>::from_data(indices, &device))
}

/// One column: `[rows, vocab]` → `[rows]`.
fn column(x: Tensor<2>, id: u32) -> Tensor<1> {
    columns(x, &[id]).squeeze_dim(1)
}

/// Logarithms of probabilities in f64, for the bounds.
fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let below = || logits.iter().map(|z| f64::from(*z) - f64::from(largest));
    let log_sum = below().map(f64::exp).sum::<f64>().ln();
    below().map(|below| below - log_sum).collect()
}
