//! `logit`: the logit of an answer.
//!
//! **What**: what the residual stream writes for the answer, whatever it writes for other tokens.
//!
//! **Formula**: z_a.
//!
//! **Reference**: the similarity task of the nnsight tutorial on activation patching.
//!
//! **Fails when**: all logits move together, which changes no probability.

use burn::tensor::Tensor;

/// `[rows, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, answer: u32) -> Tensor<1> {
    crate::column(logits, answer)
}

/// The error of the one logit.
pub(crate) fn bound(epsilon: f64) -> f64 {
    epsilon
}
