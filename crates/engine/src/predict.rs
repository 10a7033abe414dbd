//! What a model says next.

use tracewright_ir::{Measure, Metric, Request, Run, Tokens};
use tracewright_models::{Batch, Decoder, Nobody};

use crate::error::EngineError;
use crate::extensions::Extensions;
use crate::finite::not_finite;

/// A candidate for the next token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Token id.
    pub id: u32,
    /// Its logit.
    pub logit: f32,
    /// Its probability.
    pub prob: f32,
}

/// The `count` most likely next tokens after a prompt, the likeliest first; of equal logits the
/// smaller id comes first.
///
/// # Errors
///
/// A failing device, and logits that are infinite or not numbers.
pub fn predict(
    decoder: &Decoder,
    tokens: &Tokens,
    count: usize,
) -> Result<Vec<Candidate>, EngineError> {
    let batch = Batch { sequences: 1, len: tokens.len() };
    let last = tokens.len().saturating_sub(1);
    let logits = decoder.forward(&tokens.ids, batch, &[last], &mut Nobody)?;
    let logits = logits.try_into_vec_as::<f32>().map_err(EngineError::device)?;
    if let Some(value) = logits.iter().find(|logit| !logit.is_finite()) {
        let mut request = Request::default();
        let run = request.push(Run::of_tokens(tokens.texts.concat(), &tokens.ids));
        request.measures.push(Measure::at_last(Metric::Entropy));
        let what = (run, "logit", f64::from(*value));
        return Err(not_finite(decoder, &request, &Extensions::default(), what));
    }
    Ok(top(&logits, count))
}

/// The `count` largest of a row of logits, the largest first; of equal ones the smaller id comes first.
pub(crate) fn top(logits: &[f32], count: usize) -> Vec<Candidate> {
    let falling = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
    let mut order: Vec<usize> = (0..logits.len()).collect();
    if count < order.len() {
        order.select_nth_unstable_by(count, falling);
        order.truncate(count);
    }
    order.sort_unstable_by(falling);
    let largest = order.first().map_or(0.0, |id| f64::from(logits[*id]));
    let above = |logit: f32| (f64::from(logit) - largest).exp();
    let sum: f64 = logits.iter().map(|logit| above(*logit)).sum();
    let prob = |logit: f32| (above(logit) / sum) as f32;
    let candidate =
        |id: usize| Candidate { id: id as u32, logit: logits[id], prob: prob(logits[id]) };
    order.into_iter().map(candidate).collect()
}
