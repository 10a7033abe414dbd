//! `cosine`: the cosine distance of the logits to the clean run's.
//!
//! **What**: how far the direction of the logits has turned, whatever their size.
//!
//! **Formula**: 1 − z · z_clean / (|z| |z_clean|).
//!
//! **Reference**: mlxterp's `activation_patching`.
//!
//! **Fails when**: the mean logit is large: then every run points nearly the same way.

use burn::tensor::Tensor;

use crate::Logits;

/// `[rows, vocab]`, clean `[1, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, clean: Tensor<2>) -> Tensor<1> {
    let length = |x: Tensor<2>| x.square().sum_dim(1).sqrt();
    let cosine = (logits.clone() * clean.clone()).sum_dim(1) / (length(logits) * length(clean));
    (-cosine + 1.0).squeeze_dim(1)
}

/// A vector that moves by δ turns its direction by at most 2 δ / |z|.
pub(crate) fn bound(run: &Logits<'_>, clean: &Logits<'_>, epsilon: f64) -> f64 {
    let length = |x: &Logits<'_>| x.0.iter().map(|z| f64::from(*z).powi(2)).sum::<f64>().sqrt();
    let moved = epsilon * (run.0.len() as f64).sqrt();
    2.0 * moved / length(run) + 2.0 * moved / length(clean)
}
