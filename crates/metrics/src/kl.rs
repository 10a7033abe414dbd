//! `kl`: the Kullback–Leibler divergence of a run from the clean run.
//!
//! **What**: how far the whole next-token distribution is from the clean one, in nats.
//!
//! **Formula**: Σ p (ln p − ln q), p the clean run's probabilities, q the run's.
//!
//! **Reference**: Conmy et al. 2023, "Towards Automated Circuit Discovery", arXiv 2304.14997.
//!
//! **Fails when**: the clean distribution is broad: then changes that don't concern the answer
//! weigh as much as those that do.

use burn::tensor::Tensor;

use crate::normaliser::log_normaliser;
use crate::{Logits, log_softmax};

/// `[rows, vocab]`, clean `[1, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, clean: Tensor<2>) -> Tensor<1> {
    let log_softmax = |logits: Tensor<2>| {
        let (largest, log_sum) = log_normaliser(logits.clone());
        logits - largest - log_sum
    };
    let (log_p, log_q) = (log_softmax(clean), log_softmax(logits));
    (log_p.clone().exp() * (log_p - log_q)).sum_dim(1).squeeze_dim(1)
}

/// ln p and ln q move by at most 2ε each, and p by a factor of at most e^2ε in every term.
pub(crate) fn bound(run: &Logits<'_>, clean: &Logits<'_>, epsilon: f64) -> f64 {
    let (log_p, log_q) = (log_softmax(clean.0), log_softmax(run.0));
    let terms = log_p.iter().zip(&log_q).map(|(p, q)| p.exp() * (p - q).abs());
    let spread: f64 = terms.sum();
    let factor = (2.0 * epsilon).exp();
    factor * 4.0 * epsilon + (factor - 1.0) * spread
}
