//! What the two runs of a pair say, and which tokens are measured.

use tracewright_engine::{Cost, predict};
use tracewright_ir::Tokens;
use tracewright_models::Model;
use tracewright_results::PairToken;

use super::prompts::FedPair;
use crate::error::SweepError;

/// The tokens of a pair's metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// What the clean run says.
    pub clean: PairToken,
    /// What the corrupted run says.
    pub corrupted: PairToken,
    /// The answer: given, or what the clean run says.
    pub answer: PairToken,
    /// The distractor: given, or what the corrupted run says.
    pub distractor: PairToken,
    /// What finding them took.
    pub cost: Cost,
}

impl Answers {
    /// What was given, and otherwise any two tokens: for plans, which don't ask the model.
    pub(crate) fn stand_ins(fed: &FedPair) -> Self {
        let token = |id| PairToken { text: String::new(), id, given: false };
        let answer = fed.answer.unwrap_or(u32::from(fed.distractor == Some(0)));
        let distractor = fed.distractor.unwrap_or(u32::from(answer == 0));
        let (clean, corrupted) = (token(answer), token(distractor));
        let (answer, distractor) = (clean.clone(), corrupted.clone());
        Self { clean, corrupted, answer, distractor, cost: Cost::default() }
    }

    /// Refuses a distractor that is the answer.
    ///
    /// # Errors
    ///
    /// [`SweepError::SameAnswers`].
    pub fn check_differ(&self) -> Result<(), SweepError> {
        match self.answer.id == self.distractor.id {
            true => Err(SweepError::SameAnswers { token: self.answer.text.clone() }),
            false => Ok(()),
        }
    }
}

impl FedPair {
    /// Asks the model for what wasn't given.
    ///
    /// # Errors
    ///
    /// A failing device, and logits that aren't finite numbers.
    pub fn answers(&self, model: &Model) -> Result<Answers, SweepError> {
        let token = |id, given| PairToken { text: model.tokenizer.text(id), id, given };
        let says = |tokens: &Tokens| -> Result<PairToken, SweepError> {
            let likeliest = predict(&model.decoder, tokens, 1)?;
            Ok(token(likeliest.first().map_or(0, |candidate| candidate.id), false))
        };
        let (clean, corrupted) = (says(&self.clean)?, says(&self.corrupted)?);
        let measured = |given: Option<u32>, said: &PairToken| {
            given.map_or_else(|| said.clone(), |id| token(id, true))
        };
        Ok(Answers {
            answer: measured(self.answer, &clean),
            distractor: measured(self.distractor, &corrupted),
            cost: Cost::of_forwards(model.architecture(), 2, self.clean.len(), 2),
            clean,
            corrupted,
        })
    }
}
