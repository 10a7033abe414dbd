//! What the runs of a pair say, and which tokens are measured.

use std::collections::BTreeMap;

use tracewright_engine::{Cost, Execution, Outcome, silent};
use tracewright_ir::{Measure, Metric, Request, Run};
use tracewright_models::Model;
use tracewright_results::PairToken;

use super::prompts::FedPair;
use crate::error::SweepError;
use crate::experiment::execute;

/// The tokens of a pair's metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// What the clean run says.
    pub clean: PairToken,
    /// What the corrupted run says; of several most of them.
    pub corrupted: PairToken,
    /// The answer: given, or what the clean run says.
    pub answer: PairToken,
    /// The distractor: given, or what the corrupted run says.
    pub distractor: PairToken,
    /// Further answers and distractors, which logit differences take the mean of.
    pub others: [Vec<PairToken>; 2],
    /// All tokens of the answer, where it is measured as a whole; otherwise empty.
    pub answer_tokens: Vec<u32>,
    /// What finding them took.
    pub cost: Cost,
}

impl Answers {
    /// What was given, and otherwise any two tokens: for plans, which don't ask the model.
    pub(crate) fn stand_ins(fed: &FedPair) -> Self {
        let distractor = fed.distractors.first().copied();
        let answer = fed.answers.first().copied().unwrap_or(u32::from(distractor == Some(0)));
        let distractor = distractor.unwrap_or(u32::from(answer == 0));
        Self::new(fed, [answer, distractor], |_| String::new())
    }

    /// The answers of a pair whose two runs say these tokens.
    fn new(fed: &FedPair, says: [u32; 2], text: impl Fn(u32) -> String) -> Self {
        let token = |id, given| PairToken { text: text(id), id, given };
        let [clean, corrupted] = says.map(|id| token(id, false));
        let first = |given: &[u32], said: &PairToken| {
            given.first().map_or_else(|| said.clone(), |id| token(*id, true))
        };
        let others =
            |given: &[u32]| given.iter().skip(1).map(|id| token(*id, true)).collect::<Vec<_>>();
        let mut answer = first(&fed.answers, &clean);
        if !fed.answer_tokens.is_empty() {
            answer.text = fed.answer_tokens.iter().map(|id| text(*id)).collect();
        }
        Self {
            answer,
            distractor: first(&fed.distractors, &corrupted),
            others: [others(&fed.answers), others(&fed.distractors)],
            answer_tokens: fed.answer_tokens.clone(),
            cost: Cost::default(),
            clean,
            corrupted,
        }
    }

    /// The ids of all answers.
    pub(crate) fn answers(&self) -> Vec<u32> {
        std::iter::once(&self.answer).chain(&self.others[0]).map(|token| token.id).collect()
    }

    /// The ids of all distractors.
    pub(crate) fn distractors(&self) -> Vec<u32> {
        std::iter::once(&self.distractor).chain(&self.others[1]).map(|token| token.id).collect()
    }

    /// Refuses a distractor that is an answer.
    ///
    /// # Errors
    ///
    /// [`SweepError::SameAnswers`].
    pub fn check_differ(&self) -> Result<(), SweepError> {
        let answers = self.answers();
        let distractors = std::iter::once(&self.distractor).chain(&self.others[1]);
        match distractors.into_iter().find(|token| answers.contains(&token.id)) {
            Some(token) => Err(SweepError::SameAnswers { token: token.text.clone() }),
            None => Ok(()),
        }
    }
}

impl FedPair {
    /// Asks the model what the clean run and the corrupted ones say.
    ///
    /// # Errors
    ///
    /// A failing device, and logits that aren't finite numbers.
    pub fn answers(&self, model: &Model, execution: &Execution) -> Result<Answers, SweepError> {
        let mut answers = answers(&[self], model, execution)?;
        Ok(answers.remove(0))
    }

    /// The request for the likeliest token of the clean run and of the corrupted ones.
    pub(crate) fn first_look(&self) -> Request {
        let mut request = Request { top_k: 1, ..Request::default() };
        let clean = request.push(Run::of_tokens("clean", &self.clean.ids));
        let corrupted = self.corrupted.push(&mut request, clean, &[]);
        request.measures = vec![Measure::at_last(Metric::Entropy)];
        request.measured = [vec![clean], corrupted].concat();
        request
    }
}

/// Asks the model what the runs of several pairs say, in passes that they share.
pub(crate) fn answers(
    pairs: &[&FedPair],
    model: &Model,
    execution: &Execution,
) -> Result<Vec<Answers>, SweepError> {
    let requests: Vec<Request> = pairs.iter().map(|fed| fed.first_look()).collect();
    let requests: Vec<&Request> = requests.iter().collect();
    let outcomes = execute(model, &requests, execution, &mut silent)?;
    let of_pair = |(fed, outcome): (&&FedPair, Outcome)| {
        let says: Vec<u32> = outcome.tops.iter().filter_map(|top| Some(top.first()?.id)).collect();
        let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
        says.iter().skip(1).for_each(|id| *votes.entry(*id).or_default() += 1);
        // Of as many votes the smaller id.
        let most = votes.iter().rev().max_by_key(|(_, count)| **count).map_or(0, |(id, _)| *id);
        let clean = says.first().copied().unwrap_or(0);
        let answers = Answers::new(fed, [clean, most], |id| model.tokenizer.text(id));
        Answers { cost: outcome.cost, ..answers }
    };
    Ok(pairs.iter().zip(outcomes).map(of_pair).collect())
}
