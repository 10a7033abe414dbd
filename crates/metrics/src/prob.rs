//! `prob`: the probability of an answer.
//!
//! **What**: how likely the model is to say the answer next. ROME's score.
//!
//! **Formula**: exp(z_a) / Σ exp(z).
//!
//! **Reference**: Meng et al. 2022, section 2.1; `causal_trace.py`.
//!
//! **Fails when**: it saturates near 0 and 1, and misses components that lower an already small
//! probability (Zhang and Nanda 2023, arXiv 2309.16042).

use burn::tensor::Tensor;

use crate::{Logits, log_softmax, logprob};

/// `[rows, vocab]` → `[rows]`
///
/// By way of the logarithm: flex's fused softmax adds the vocabulary up one number after the other
/// in f32, which costs up to 4e-5 of the probability at 3,072 tokens (`cargo xtask golden`).
pub(crate) fn of(logits: Tensor<2>, answer: u32) -> Tensor<1> {
    logprob::of(logits, answer).exp()
}

/// dp = p (dz_a − Σ p dz), so |dp| ≤ 2 p (1 − p) ε to first order; p may have moved by e^2ε.
pub(crate) fn bound(run: &Logits<'_>, answer: u32, epsilon: f64) -> f64 {
    let p = log_softmax(run.0)[answer as usize].exp();
    (2.0 * epsilon).exp_m1() * p
}
