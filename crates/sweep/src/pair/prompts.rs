//! Pairs: a clean prompt and what it is corrupted to.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::{Architecture, Tokens};
use tracewright_models::{ModelError, Tokenizer};

use super::corruption::{By, Corrupted, Corruption, Embeddings};
use super::mean::Grouping;
use super::measures::{AnswerTokens, PairMetric};
use super::partners::Align;
use super::positions::Positions;
use super::runs;
use super::settings::PairSettings;
use crate::case::subject_tokens;
use crate::dataset::Place;
use crate::error::SweepError;
use crate::warning::{Warning, covered};
use crate::words::one_or_many;

/// A prompt to patch, and the other one of the pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pair {
    /// Names the pair's rows and files.
    pub name: String,
    /// The clean prompt.
    pub clean: String,
    /// The corrupted prompt. Of several the first with as many tokens is taken; if none has, the first, and
    /// positions correspond by subject.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "crate::words::one_or_many_schema")]
    pub corrupted: Vec<String>,
    /// What the clean prompt is about, a part of it; if not given, the tokens in which the prompts
    /// differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The answers, if not what the clean run says.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::words::one_or_many_schema")]
    pub answer: Vec<String>,
    /// What the answers are compared with, if not what the corrupted run says.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::words::one_or_many_schema")]
    pub distractor: Vec<String>,
    /// The group of prompts of a dataset whose means this one takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What else its dataset says of it: results can be averaged by it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// Where it stands in its dataset.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// A pair as one model's tokenizer sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct FedPair {
    /// The pair.
    pub pair: Pair,
    /// The clean prompt's tokens.
    pub clean: Tokens,
    /// What the corrupted runs are.
    pub corrupted: Corrupted,
    /// What the corruption is called.
    pub(crate) corruption: String,
    /// What corrupts the embeddings, in words.
    pub(crate) words: Option<String>,
    /// The subject's tokens in the clean prompt, half open; all of them where nobody knows it.
    pub subject: Range<usize>,
    /// Whether the subject is given, or is where two prompts differ.
    pub has_subject: bool,
    /// How positions correspond, and for each one of the clean prompt the corrupted prompt's.
    pub align: Align,
    pub(crate) partners: Vec<Option<usize>>,
    /// The tokens of [`Pair::answer`], the first of each.
    pub answers: Vec<u32>,
    /// The tokens of [`Pair::distractor`].
    pub distractors: Vec<u32>,
    /// All tokens of the first answer, where it is measured as a whole; otherwise empty.
    pub answer_tokens: Vec<u32>,
    /// The prompts of named runs.
    pub(crate) runs: Vec<Option<Tokens>>,
}

/// What a prompt is fed with.
pub(crate) struct Feeding<'a> {
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) architecture: &'a Architecture,
    pub(crate) settings: &'a PairSettings,
    pub(crate) corruption: &'a Corruption,
    pub(crate) embeddings: &'a Embeddings,
}

impl Pair {
    /// The pairs that stand for a first look, where none is given. Each has several corrupted prompts, so that
    /// one of them has as many tokens for most tokenizers.
    pub fn built_in() -> Vec<Self> {
        let pair = |name: &str, clean: &str, corrupted: &[&str]| Self {
            name: name.to_owned(),
            clean: clean.to_owned(),
            corrupted: corrupted.iter().map(|prompt| (*prompt).to_owned()).collect(),
            ..Self::default()
        };
        let capitals = ["Poland", "Italy", "Spain", "Germany"]
            .map(|country| format!("The capital of {country} is"));
        let capitals = capitals.each_ref().map(String::as_str);
        let towns =
            ["The Eiffel Tower", "The Hagia Sophia", "The Taj Mahal", "The Golden Gate Bridge"]
                .map(|subject| format!("{subject} is in downtown"));
        let towns = towns.each_ref().map(String::as_str);
        vec![
            pair("france", "The capital of France is", &capitals),
            pair("space-needle", "The Space Needle is in downtown", &towns),
        ]
    }

    /// Finds the tokens of the prompts, the subject and the answers, which continue the clean
    /// prompt.
    ///
    /// # Errors
    ///
    /// An empty or too long prompt, prompts of equal tokens or (without an alignment) of different numbers of
    /// them, a subject that isn't in the clean prompt, an answer of several tokens.
    pub(crate) fn feed(self, with: &Feeding<'_>) -> Result<FedPair, SweepError> {
        let Feeding { tokenizer, settings, corruption, .. } = *with;
        let clean = tokenizer.prompt(&self.clean)?;
        let given = match &self.subject {
            Some(subject) => Some(subject_tokens(&clean, &self.clean, subject)?),
            None => None,
        };
        let whole = 0..clean.len();
        let Answered { answers, distractors, answer_tokens } = Answered::of(&self, with)?;
        let mut fed = FedPair {
            has_subject: given.is_some(),
            subject: given.clone().unwrap_or(whole),
            partners: (0..clean.len()).map(Some).collect(),
            corrupted: Corrupted::Nothing,
            corruption: corruption.name(),
            words: None,
            align: settings.align,
            runs: runs::prompts(with, &clean)?,
            pair: self,
            clean,
            answers,
            distractors,
            answer_tokens,
        };
        match corruption.by {
            By::Prompt => fed.pair_up(with, given)?,
            By::Resample => fed.resample(with)?,
            By::None => {}
            By::Noise | By::Zero | By::Mean => {
                let on = corruption.on.clone().unwrap_or(Positions::Subject);
                if given.is_none() && on.needs_subject() {
                    return Err(SweepError::NoSubject { corruption: corruption.name() });
                }
                let positions = on.of(fed.clean.len(), &fed.subject)?;
                let texts = positions.iter().map(|p| fed.clean.texts[*p].as_str());
                fed.words = corruption.words(texts.collect::<String>().trim());
                fed.corrupted =
                    corruption.embeddings(positions, with.architecture, with.embeddings)?;
            }
        }
        fed.check_lengths(settings)?;
        fed.check_subject(settings)?;
        let same = fed.distractors.iter().find(|id| fed.answers.contains(id));
        if let (Some(id), true) = (same, settings.metrics(&fed).contains(&PairMetric::LogitDiff)) {
            return Err(SweepError::SameAnswers { token: tokenizer.text(*id) });
        }
        Ok(fed)
    }
}

/// The tokens of what a pair measures.
struct Answered {
    answers: Vec<u32>,
    distractors: Vec<u32>,
    /// All tokens of the first answer, where they count.
    answer_tokens: Vec<u32>,
}

impl Answered {
    fn of(pair: &Pair, with: &Feeding<'_>) -> Result<Self, SweepError> {
        let way = with.settings.answer_tokens;
        let all = |answer: &String| with.tokenizer.answer_tokens(&pair.clean, answer);
        let token = |answer: &String| -> Result<u32, SweepError> {
            Ok(match way {
                Some(_) => all(answer)?[0],
                None => match with.tokenizer.answer(&pair.clean, answer) {
                    Err(error @ ModelError::LongAnswer { .. }) => {
                        return Err(SweepError::LongAnswer { problem: error.to_string() });
                    }
                    token => token?,
                },
            })
        };
        let tokens = |list: &[String]| list.iter().map(token).collect::<Result<Vec<u32>, _>>();
        let whole = pair.answer.first().filter(|_| way == Some(AnswerTokens::Product));
        Ok(Self {
            answers: tokens(&pair.answer)?,
            distractors: tokens(&pair.distractor)?,
            answer_tokens: whole.map(all).transpose()?.unwrap_or_default(),
        })
    }
}

impl FedPair {
    /// The subject's text in the clean prompt.
    pub fn subject_text(&self) -> String {
        let found = covered(&self.clean, &self.subject, &self.pair.clean).map(str::to_owned);
        let found = found.unwrap_or_else(|| self.clean.texts[self.subject.clone()].concat());
        self.pair.subject.clone().unwrap_or_else(|| found.trim().to_owned())
    }

    /// How many corrupted runs there are.
    pub(crate) fn samples(&self) -> usize {
        match &self.corrupted {
            Corrupted::Prompts(prompts) => prompts.len(),
            Corrupted::Embeddings(_, operations) => operations.len(),
            Corrupted::Nothing => 1,
        }
    }

    /// The corrupted prompt, as the corrupted runs have it; that of the first sample.
    pub(crate) fn corrupted_tokens(&self) -> &Tokens {
        match &self.corrupted {
            Corrupted::Prompts(prompts) => prompts.first().unwrap_or(&self.clean),
            Corrupted::Embeddings(..) | Corrupted::Nothing => &self.clean,
        }
    }

    /// Whether the corrupted runs have prompts of their own.
    pub(crate) fn has_other_prompts(&self) -> bool {
        matches!(self.corrupted, Corrupted::Prompts(_))
    }

    /// Whether both prompts have as many tokens.
    pub(crate) fn aligned(&self) -> bool {
        self.corrupted_tokens().len() == self.clean.len()
    }

    /// The tokens of the answer that follow every prompt.
    pub(crate) fn appended(&self) -> &[u32] {
        self.answer_tokens.split_last().map_or(&[], |(_, before)| before)
    }

    /// The length of the clean runs, or of the corrupted ones.
    pub(crate) fn len_of(&self, corrupted: bool) -> usize {
        let tokens = if corrupted { self.corrupted_tokens() } else { &self.clean };
        tokens.len() + self.appended().len()
    }

    /// Refuses what depends on a subject where there is none.
    fn check_subject(&self, settings: &PairSettings) -> Result<(), SweepError> {
        let named = settings.runs.iter().flat_map(|run| &run.changes);
        let named = named.flat_map(|change| change.positions.iter().chain(&change.from_positions));
        let places = settings.positions.iter().chain(&settings.metric_at).chain(named);
        let by_role = settings.mean.as_ref().is_some_and(|mean| mean.by == Grouping::Role);
        let needed = by_role || places.into_iter().any(Positions::needs_subject);
        match needed && !self.has_subject {
            true => Err(SweepError::SubjectMissing),
            false => Ok(()),
        }
    }

    /// Refuses what can't be told of prompts of different lengths.
    fn check_lengths(&self, settings: &PairSettings) -> Result<(), SweepError> {
        let named =
            !settings.runs.is_empty() || settings.base.is_some() || settings.source.is_some();
        if !self.aligned() && settings.mean.is_some() {
            return Err(SweepError::MeanOfUnequal);
        }
        match (self.aligned(), self.appended().is_empty(), named) {
            (true, ..) | (_, true, false) => Ok(()),
            (_, false, _) => Err(SweepError::ProductOfUnequal),
            (_, _, true) => Err(SweepError::RunsOfUnequal),
        }
    }

    /// What is odd about the pair.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let Pair { clean, corrupted, subject, .. } = &self.pair;
        let of_prompts = [clean].into_iter().chain(corrupted).filter_map(|p| Warning::of_prompt(p));
        let of_subject = subject
            .iter()
            .flat_map(|subject| Warning::of_subject(subject, clean, &self.clean, &self.subject));
        of_prompts.chain(of_subject).collect()
    }
}
