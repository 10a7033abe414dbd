//! `mse`: the mean squared difference of the logits to the clean run's.
//!
//! **What**: `l2` squared and divided by the vocabulary.
//!
//! **Formula**: mean of (z − z_clean)².
//!
//! **Reference**: mlxterp's `activation_patching`.
//!
//! **Fails when**: as for `l2`; large differences weigh more.

use burn::tensor::Tensor;

use crate::Logits;

/// `[rows, vocab]`, clean `[1, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, clean: Tensor<2>) -> Tensor<1> {
    (logits - clean).square().mean_dim(1).squeeze_dim(1)
}

/// (d + 2ε)² − d² = 4ε|d| + 4ε², averaged.
pub(crate) fn bound(run: &Logits<'_>, clean: &Logits<'_>, epsilon: f64) -> f64 {
    let differences = run.0.iter().zip(clean.0).map(|(a, b)| f64::from(a - b).abs());
    let mean = differences.sum::<f64>() / run.0.len() as f64;
    4.0 * epsilon * mean + 4.0 * epsilon * epsilon
}
