//! What a model says next.

use burn::tensor::activation;
use tracewright_ir::Tokens;
use tracewright_models::{Batch, Decoder, Nobody};

use crate::error::EngineError;

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
    let Ok(logits) = decoder.forward(&tokens.ids, batch, &[last], &mut Nobody);
    let probs = activation::log_softmax(logits.clone(), 1).exp();
    let read = |tensor: burn::tensor::Tensor<2>| {
        tensor.try_into_vec_as::<f32>().map_err(EngineError::device)
    };
    let (logits, probs) = (read(logits)?, read(probs)?);
    if let Some(value) = logits.iter().find(|logit| !logit.is_finite()) {
        let (run, value) = (tokens.texts.concat(), f64::from(*value));
        return Err(EngineError::NotFinite { run, metric: "logit", value });
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
    let candidate = |id: usize| Candidate { id: id as u32, logit: logits[id], prob: probs[id] };
    Ok(order.into_iter().take(count).map(candidate).collect())
}
