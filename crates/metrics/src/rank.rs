//! `rank`: how many tokens the model prefers to an answer.
//!
//! **What**: 0 where the answer is what the model says.
//!
//! **Formula**: the number of tokens whose logit is larger than z_a.
//!
//! **Reference**: Heimersheim and Nanda 2024, arXiv 2404.15255, who advise against it alone.
//!
//! **Fails when**: it is discrete: it can stay the same under a strong patch, and jump under a
//! weak one.

use burn::tensor::Tensor;

use crate::Logits;

/// `[rows, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, answer: u32) -> Tensor<1> {
    let own = crate::columns(logits.clone(), &[answer]).expand(logits.dims());
    logits.greater(own).float().sum_dim(1).squeeze_dim(1)
}

/// The tokens that could change places with the answer: those within 2ε of its logit.
pub(crate) fn bound(run: &Logits<'_>, answer: u32, epsilon: f64) -> f64 {
    let own = f64::from(run.0[answer as usize]);
    let near = run.0.iter().filter(|z| (f64::from(**z) - own).abs() <= 2.0 * epsilon).count();
    // The answer itself is always near.
    near as f64 - 1.0
}
