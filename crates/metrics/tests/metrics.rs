//! The metrics against plain formulas in f64, and their bounds against perturbed logits.

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use tracewright_ir::{Metric, RunId};
use tracewright_metrics::{Logits, bound, measure};

const VOCAB: usize = 17;

fn all() -> Vec<Metric> {
    let clean = RunId(0);
    vec![
        Metric::Prob { answer: 3 },
        Metric::Logprob { answer: 3 },
        Metric::Logit { answer: 3 },
        Metric::LogitDiff { answers: vec![3, 5], distractors: vec![1] },
        Metric::Kl { clean },
        Metric::Rank { answer: 3 },
        Metric::TopK { answer: 3, k: 4 },
        Metric::Entropy,
        Metric::L2 { clean },
        Metric::Mse { clean },
        Metric::Cosine { clean },
    ]
}

fn tensor(row: &[f32]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(row.to_vec(), [1, row.len()]), &Device::flex())
}

fn value(metric: &Metric, run: &[f32], clean: &[f32]) -> f64 {
    let value = measure(metric, tensor(run), Some(tensor(clean))).expect("clean is given");
    f64::from(value.into_data().as_slice::<f32>().expect("f32")[0])
}

/// The formulas again, in f64 and one number at a time.
fn plain(metric: &Metric, run: &[f32], clean: &[f32]) -> f64 {
    let z = |row: &[f32], i: usize| f64::from(row[i]);
    let log_sum = |row: &[f32]| row.iter().map(|z| f64::from(*z).exp()).sum::<f64>().ln();
    let logprob = |row: &[f32], i: usize| z(row, i) - log_sum(row);
    let square = (0..VOCAB).map(|i| (z(run, i) - z(clean, i)).powi(2)).sum::<f64>();
    let dot = |a: &[f32], b: &[f32]| (0..VOCAB).map(|i| z(a, i) * z(b, i)).sum::<f64>();
    match metric {
        Metric::Prob { .. } => logprob(run, 3).exp(),
        Metric::Logprob { .. } => logprob(run, 3),
        Metric::Logit { .. } => z(run, 3),
        Metric::LogitDiff { .. } => (z(run, 3) + z(run, 5)) / 2.0 - z(run, 1),
        Metric::Kl { .. } => (0..VOCAB)
            .map(|i| logprob(clean, i).exp() * (logprob(clean, i) - logprob(run, i)))
            .sum(),
        Metric::TopK { k, .. } => f64::from(run.iter().filter(|z| **z > run[3]).count() < *k),
        Metric::Own { .. } => unreachable!("not among these"),
        Metric::Rank { .. } => run.iter().filter(|z| **z > run[3]).count() as f64,
        Metric::Entropy => (0..VOCAB).map(|i| -logprob(run, i).exp() * logprob(run, i)).sum(),
        Metric::L2 { .. } => square.sqrt(),
        Metric::Mse { .. } => square / VOCAB as f64,
        Metric::Cosine { .. } => 1.0 - dot(run, clean) / (dot(run, run) * dot(clean, clean)).sqrt(),
    }
}

fn rows(size: f32) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-size..size, VOCAB)
}

proptest! {
    #[test]
    fn each_metric_is_its_formula(run in rows(8.0), clean in rows(8.0)) {
        for metric in all() {
            let (ours, exact) = (value(&metric, &run, &clean), plain(&metric, &run, &clean));
            // f32 rounding of sums over the vocabulary.
            let tolerance = 1e-5 * (1.0 + exact.abs());
            prop_assert!((ours - exact).abs() <= tolerance, "{}: {ours}, not {exact}", metric.name());
        }
    }

    #[test]
    fn no_metric_moves_by_more_than_its_bound(
        run in rows(8.0),
        clean in rows(8.0),
        moves in prop::collection::vec(-1.0f32..1.0, 2 * VOCAB),
        epsilon in 1e-3..0.05f32,
    ) {
        let moved = |row: &[f32], moves: &[f32]| -> Vec<f32> {
            row.iter().zip(moves).map(|(z, m)| z + m * epsilon).collect()
        };
        let (run_moved, clean_moved) = (moved(&run, &moves[..VOCAB]), moved(&clean, &moves[VOCAB..]));
        for metric in all() {
            let difference = plain(&metric, &run_moved, &clean_moved) - plain(&metric, &run, &clean);
            // 1.0001 for the rounding of the moved logits themselves.
            let allowed = bound(&metric, Logits(&run), Logits(&clean), f64::from(epsilon) * 1.0001);
            prop_assert!(difference.abs() <= allowed, "{}: {difference} > {allowed}", metric.name());
        }
    }
}

#[test]
fn a_distance_without_its_clean_run_is_no_number() {
    let kl = Metric::Kl { clean: RunId(0) };
    assert!(measure(&kl, tensor(&[0.0; VOCAB]), None).is_none());
}
