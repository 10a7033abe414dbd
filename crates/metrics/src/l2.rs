//! `l2`: the Euclidean distance of the logits to the clean run's.
//!
//! **What**: mlxterp's default measure of how far an output is from the clean one.
//!
//! **Formula**: sqrt(Σ (z − z_clean)²).
//!
//! **Reference**: mlxterp's `activation_patching`.
//!
//! **Fails when**: all logits move together, which changes no probability but counts here.

use burn::tensor::Tensor;

/// `[rows, vocab]`, clean `[1, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, clean: Tensor<2>) -> Tensor<1> {
    (logits - clean).square().sum_dim(1).sqrt().squeeze_dim(1)
}

/// Each difference moves by at most 2ε.
pub(crate) fn bound(vocab: usize, epsilon: f64) -> f64 {
    2.0 * epsilon * (vocab as f64).sqrt()
}
