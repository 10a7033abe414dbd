//! `logprob`: the logarithm of an answer's probability.
//!
//! **What**: like `prob`, but additive in evidence and without its floor at 0.
//!
//! **Formula**: z_a − ln Σ exp(z), natural logarithm.
//!
//! **Reference**: Heimersheim and Nanda 2024, arXiv 2404.15255.
//!
//! **Fails when**: it is dominated by how improbable an already ruled out answer is.

use burn::tensor::Tensor;

use crate::normaliser::log_normaliser;

/// `[rows, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, answer: u32) -> Tensor<1> {
    let answers = crate::columns(logits.clone(), &[answer]);
    let (largest, log_sum) = log_normaliser(logits);
    (answers - largest - log_sum).squeeze_dim(1)
}

/// The logit moves by at most ε, and so does the logarithm of the sum.
pub(crate) fn bound(epsilon: f64) -> f64 {
    2.0 * epsilon
}
