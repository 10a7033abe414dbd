//! What makes the corrupted runs of a pair.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_corruption::{Noise, NoiseRule, NoiseStream};
use tracewright_ir::{
    Architecture, Array, Component, Intervention, Locus, Operation, Request, Run, RunId, Site,
    Tokens, Value,
};

use super::positions::Positions;
use crate::error::SweepError;

/// How the clean prompt is corrupted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Corruption {
    /// What it is called in names of cases, where a pair has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is done.
    pub by: By,
    /// Where: `subject` for noise and ablations; for prompts all positions. With less than all of a prompt
    /// only the tokens there are substituted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Positions>,
    /// The noise.
    #[schemars(with = "String")]
    pub noise: NoiseRule,
    /// The text whose embeddings the rules `m` and `t` take their statistics from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_text: Option<PathBuf>,
    /// The noise replaces the embeddings instead of being added.
    pub replace: bool,
    /// Corrupted runs of noise, or of resampled prompts.
    pub samples: usize,
    /// The seed of the noise, or of the choice of prompts.
    pub seed: u32,
    /// The dataset that prompts are resampled from, or whose tokens' mean embedding is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

/// The kinds of corruption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// **What**: the tokens of the case's corrupted prompt (symmetric token replacement, where it has as many).
    ///
    /// **Formula**: tₚ = t′ₚ for p in `on`, t the clean and t′ the corrupted prompt's tokens.
    ///
    /// **Reference**: Zhang and Nanda 2023, arXiv 2309.16042, who recommend it; Wang et al. 2022, arXiv 2211.00593.
    ///
    /// **Fails when**: the prompts have different numbers of tokens and `align` doesn't say how they correspond. What
    /// both prompts have in common can't be found: it isn't corrupted.
    #[default]
    Prompt,
    /// **What**: noise on the embeddings, by the rule that `noise` names, as in ROME's causal tracing.
    ///
    /// **Formula**: eₚ + noise for p in `on`, or noise alone with `replace`; the mean over `samples`.
    ///
    /// **Reference**: Meng et al. 2022, arXiv 2202.05262, section 2.1.
    ///
    /// **Fails when**: it is too weak, so that the answer stays; or so strong that the model sees what it never saw in
    /// training (Zhang and Nanda 2023, arXiv 2309.16042).
    Noise,
    /// **What**: embeddings of zero.
    ///
    /// **Formula**: eₚ = 0 for p in `on`.
    ///
    /// **Reference**: Olsson et al. 2022, arXiv 2209.11895, who ablate heads so.
    ///
    /// **Fails when**: zero is far from what any token gives: then more breaks than the answer.
    Zero,
    /// **What**: the mean embedding of the tokens of a dataset, or of the known facts' subjects.
    ///
    /// **Formula**: eₚ = mean of e over all tokens of `from`, for p in `on`.
    ///
    /// **Reference**: Wang et al. 2022, arXiv 2211.00593, who ablate heads so.
    ///
    /// **Fails when**: the mean says nothing of the answer, but isn't what any token gives either.
    Mean,
    /// **What**: other prompts of a dataset with as many tokens, drawn without regard to what they say.
    ///
    /// **Formula**: t = t′, each of `samples` prompts of `from`, drawn without replacement; the mean over these.
    ///
    /// **Reference**: Chan et al. 2022, "Causal Scrubbing", where it is called resampling.
    ///
    /// **Fails when**: the dataset has fewer such prompts than `samples`. A prompt with the same answer corrupts nothing.
    Resample,
    /// **What**: nothing: the clean run is patched alone (ablations and steering).
    ///
    /// **Formula**: the corrupted run is the clean one.
    ///
    /// **Reference**: Heimersheim and Nanda 2024, arXiv 2404.15255, on ablation as a kind of patching.
    ///
    /// **Fails when**: the change copies and no source is named: the clean run is only looked at then.
    None,
}

impl By {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Prompt, Self::Noise, Self::Zero, Self::Mean, Self::Resample, Self::None];

    /// The word for it in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Noise => "noise",
            Self::Zero => "zero",
            Self::Mean => "mean",
            Self::Resample => "resample",
            Self::None => "none",
        }
    }
}

impl Default for Corruption {
    fn default() -> Self {
        Self {
            name: None,
            by: By::Prompt,
            on: None,
            noise: NoiseRule::SubjectDeviations(3.0),
            noise_text: None,
            replace: false,
            samples: 10,
            seed: tracewright_corruption::ROME_SEED,
            from: None,
        }
    }
}

/// A corruption of one case, drawn and ready.
#[derive(Clone, Debug, PartialEq)]
pub enum Corrupted {
    /// Other prompts.
    Prompts(Vec<Tokens>),
    /// The clean prompt with other embeddings at some positions: one operation for each sample.
    Embeddings(Locus, Vec<Operation>),
    /// Nothing.
    Nothing,
}

impl Corrupted {
    /// Adds its runs; the clean run stands in where nothing is corrupted.
    pub(crate) fn push(&self, request: &mut Request, clean: RunId, answer: &[u32]) -> Vec<RunId> {
        let name = |of: usize, index: usize| match of {
            1 => "corrupted".to_owned(),
            _ => format!("corrupted {index}"),
        };
        match self {
            Self::Prompts(prompts) => {
                let run = |(index, tokens): (usize, &Tokens)| {
                    let ids = [&tokens.ids[..], answer].concat();
                    Run::of_tokens(name(prompts.len(), index), &ids)
                };
                let runs: Vec<Run> = prompts.iter().enumerate().map(run).collect();
                runs.into_iter().map(|run| request.push(run)).collect()
            }
            Self::Embeddings(locus, operations) => {
                let run = |(index, operation): (usize, &Operation)| {
                    let (locus, operation) = (locus.clone(), operation.clone());
                    let change = Intervention { locus, operation };
                    Run::variant(name(operations.len(), index), clean, [change])
                };
                let runs: Vec<Run> = operations.iter().enumerate().map(run).collect();
                runs.into_iter().map(|run| request.push(run)).collect()
            }
            Self::Nothing => vec![clean],
        }
    }
}

impl Corruption {
    /// Fails where it contradicts itself.
    ///
    /// # Errors
    ///
    /// No samples, and a dataset that is missing.
    pub(crate) fn check(&self) -> Result<(), SweepError> {
        let sampled = matches!(self.by, By::Noise | By::Resample);
        if sampled && self.samples == 0 {
            return Err(SweepError::Zero { what: "the number of samples" });
        }
        match (self.by, &self.from) {
            (By::Resample, None) => Err(SweepError::NoDataset { what: "resampling" }),
            _ => Ok(()),
        }
    }

    /// What it is called.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| match self.by {
            By::Noise => format!("noise-{}", self.noise),
            by => by.name().to_owned(),
        })
    }

    /// What it does, in words.
    pub(crate) fn words(&self, on: &str) -> Option<String> {
        let samples = match self.samples {
            1 => "1 sample".to_owned(),
            samples => format!("{samples} samples"),
        };
        match self.by {
            By::Noise => {
                let way = if self.replace { "in place of" } else { "on" };
                Some(format!("noise {} {way} the embeddings of '{on}', {samples}", self.noise))
            }
            By::Zero => Some(format!("the embeddings of '{on}' are zero")),
            By::Mean => Some(format!("the embeddings of '{on}' are a mean embedding")),
            By::Resample => Some(format!("{samples} of other prompts")),
            By::Prompt | By::None => None,
        }
    }

    /// What it does to the embeddings at some positions, for each sample.
    ///
    /// # Errors
    ///
    /// Noise that can't be drawn, or that f32 can't hold.
    pub(crate) fn embeddings(
        &self,
        positions: Vec<usize>,
        architecture: &Architecture,
        known: &Embeddings,
    ) -> Result<Corrupted, SweepError> {
        let (tokens, d_model) = (positions.len(), architecture.d_model);
        let array =
            |data: Vec<f64>| Value::Array(Arc::new(Array { shape: vec![tokens, d_model], data }));
        let operations = match (self.by, known) {
            (By::Noise, Embeddings::Noise(noise)) => {
                let mut stream = NoiseStream::new(noise, self.seed)?;
                let drawn = stream.draw(self.samples, tokens, d_model)?.values;
                if drawn.iter().any(|value| !(*value as f32).is_finite()) {
                    return Err(SweepError::NoiseTooLarge { rule: self.noise.to_string() });
                }
                let way = if self.replace { Operation::Replace } else { Operation::Add };
                let samples = drawn.chunks_exact(tokens * d_model);
                samples.map(|data| way(array(data.to_vec()))).collect()
            }
            (By::Mean, Embeddings::Mean(mean)) => {
                vec![Operation::Replace(array(mean.repeat(tokens)))]
            }
            _ => vec![Operation::Replace(Value::Constant(0.0))],
        };
        let locus = Locus::at(Site::outside(Component::Embed)).positions(positions);
        Ok(Corrupted::Embeddings(locus, operations))
    }
}

/// What a corruption has to know of a model's embeddings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Embeddings {
    Nothing,
    Noise(Noise),
    /// `[d_model]`
    Mean(Vec<f64>),
}

impl Embeddings {
    /// Something of the right shape, for plans, which haven't got the weights.
    pub(crate) fn stand_in(corruption: &Corruption, architecture: &Architecture) -> Self {
        match corruption.by {
            By::Noise => Self::Noise(Noise::Gaussian { std: 1.0 }),
            By::Mean => Self::Mean(vec![0.0; architecture.d_model]),
            _ => Self::Nothing,
        }
    }
}
