//! `logit-diff`: the logit difference between answers and distractors.
//!
//! **What**: how much the model prefers the answer; nearly linear in the residual stream.
//!
//! **Formula**: mean of z over the answers − mean of z over the distractors.
//!
//! **Reference**: Wang et al. 2022, "Interpretability in the Wild", arXiv 2211.00593.
//!
//! **Fails when**: neither token is what the model says: a difference can be recovered while both
//! are improbable.

use burn::tensor::Tensor;

/// `[rows, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, answers: &[u32], distractors: &[u32]) -> Tensor<1> {
    mean(logits.clone(), answers) - mean(logits, distractors)
}

fn mean(logits: Tensor<2>, ids: &[u32]) -> Tensor<1> {
    crate::columns(logits, ids).mean_dim(1).squeeze_dim(1)
}

/// Each mean moves by at most ε.
pub(crate) fn bound(epsilon: f64) -> f64 {
    2.0 * epsilon
}
