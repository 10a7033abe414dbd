//! Noise rules resolved for a model: the statistics of its embeddings.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracewright_corruption::{
    EmbeddingMoments, Noise, NoiseRule, NoiseStream, ROME_SEED, embedding_std,
};
use tracewright_engine::EngineError;
use tracewright_models::Model;

use crate::dataset::hex;
use crate::error::SweepError;

/// Makes a rule ready to draw for a model.
///
/// `s<k>` measures the embeddings of `subjects`, each encoded by itself; `m` and `t<ν>` those of
/// every line of the text, cut at the model's context.
///
/// # Errors
///
/// A rule that needs a text without one, a text that can't be read or is too short, subjects
/// that the model's tokenizer can't take.
pub fn resolve(
    rule: &NoiseRule,
    model: &Model,
    subjects: &[&str],
    text: Option<&Path>,
) -> Result<Noise, SweepError> {
    let std = || -> Result<f64, SweepError> {
        let mut ids = Vec::new();
        for subject in subjects {
            ids.extend(model.tokenizer.plain(subject)?);
        }
        Ok(embedding_std(embeddings(model, &ids)?)?)
    };
    let moments = || -> Result<EmbeddingMoments, SweepError> {
        let path = text.ok_or_else(|| SweepError::NoText { rule: rule.to_string() })?;
        let unreadable = |error| SweepError::UnreadableText { path: path.to_owned(), error };
        let mut ids = Vec::new();
        for line in fs::read_to_string(path).map_err(unreadable)?.lines() {
            let line = model.tokenizer.plain(line)?;
            ids.extend(line.into_iter().take(model.architecture().context));
        }
        let d_model = model.architecture().d_model;
        Ok(EmbeddingMoments::of_rows(d_model, embeddings(model, &ids)?.chunks_exact(d_model))?)
    };
    rule.resolve(std, moments)
}

/// What tells a noise from others: its level, or for one with a text's statistics a digest of a row of it.
pub(crate) fn identity(noise: &Noise, d_model: usize) -> Result<Value, SweepError> {
    Ok(match noise {
        Noise::Gaussian { std } => json!({ "std": std }),
        Noise::Uniform { half_width } => json!({ "half_width": half_width }),
        Noise::Multivariate { .. } | Noise::Student { .. } => {
            let row = NoiseStream::new(noise, ROME_SEED)?.draw(1, 1, d_model)?.values;
            let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            json!({ "row_sha256": hex(&Sha256::digest(bytes)) })
        }
    })
}

/// The embedding rows of token ids on the host, one after the other.
pub(crate) fn embeddings(model: &Model, ids: &[u32]) -> Result<Vec<f32>, SweepError> {
    let rows = model.decoder.embed(ids)?.try_into_vec_as::<f32>();
    rows.map_err(|error| EngineError::Device { problem: error.to_string() }.into())
}
