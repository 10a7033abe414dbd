//! `entropy`: the entropy of the next token's distribution, in nats.
//!
//! **What**: how undecided the run is, whatever it leans to.
//!
//! **Formula**: −Σ p ln p.
//!
//! **Reference**: Shannon 1948, "A Mathematical Theory of Communication".
//!
//! **Fails when**: a patch makes the run sure of another token: that looks like a recovery.

use burn::tensor::Tensor;

use crate::normaliser::log_normaliser;
use crate::{Logits, log_softmax};

/// `[rows, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>) -> Tensor<1> {
    let (largest, log_sum) = log_normaliser(logits.clone());
    let log_p = logits - largest - log_sum;
    (log_p.clone().exp() * log_p).sum_dim(1).squeeze_dim(1).neg()
}

/// ln p moves by at most 2ε, and p by a factor of at most e^2ε in every term.
pub(crate) fn bound(run: &Logits<'_>, epsilon: f64) -> f64 {
    let entropy: f64 = log_softmax(run.0).iter().map(|log_p| -log_p.exp() * log_p).sum();
    let factor = (2.0 * epsilon).exp();
    factor * 2.0 * epsilon + (factor - 1.0) * entropy
}
