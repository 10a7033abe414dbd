//! `topk-acc`: whether an answer is among the tokens that the model prefers.
//!
//! **What**: 1 where fewer than k tokens are preferred to the answer, otherwise 0; its mean over runs is
//! the accuracy.
//!
//! **Formula**: [rank < k].
//!
//! **Reference**: Zhang and Nanda 2024, arXiv 2309.16042, who compare metrics of this kind.
//!
//! **Fails when**: it is discrete, like the rank.

use burn::tensor::Tensor;

use crate::{Logits, rank};

/// `[rows, vocab]` → `[rows]`
pub(crate) fn of(logits: Tensor<2>, answer: u32, k: usize) -> Tensor<1> {
    rank::of(logits, answer).lower_elem(k as f64).float()
}

/// 1 where the tokens near the answer could lift it over the k-th place, or push it below.
pub(crate) fn bound(run: &Logits<'_>, answer: u32, k: usize, epsilon: f64) -> f64 {
    let own = run.0[answer as usize];
    let rank = run.0.iter().filter(|z| **z > own).count() as f64;
    let moved = rank::bound(run, answer, epsilon);
    let inside = |rank: f64| rank < k as f64;
    if inside(rank - moved) == inside(rank + moved) { 0.0 } else { 1.0 }
}
