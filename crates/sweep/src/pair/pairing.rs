//! The other prompts of a pair: the corrupted one, a part of it, or some of a dataset.

use std::ops::Range;

use tracewright_corruption::RandomState;
use tracewright_ir::Tokens;

use super::alignment::aligned;
use super::corruption::Corrupted;
use super::partners::{Align, differences};
use super::positions::Positions;
use super::prompt_file::PromptFile;
use super::prompts::{FedPair, Feeding};
use crate::error::SweepError;

impl FedPair {
    /// Takes the first corrupted prompt that fits.
    pub(super) fn pair_up(
        &mut self,
        with: &Feeding<'_>,
        given: Option<Range<usize>>,
    ) -> Result<(), SweepError> {
        let Feeding { tokenizer, corruption, settings, .. } = *with;
        if self.pair.corrupted.is_empty() && !settings.change.reads_a_run() {
            // An ablation: nothing needs to be corrupted.
            return Ok(());
        }
        let (mut prompts, mut wrong) = (Vec::new(), None);
        let mut texts = Vec::new();
        for prompt in &self.pair.corrupted {
            match tokenizer.prompt(prompt) {
                // Of several prompts one may be the clean one.
                Ok(tokens) if self.pair.corrupted.len() > 1 && tokens.ids == self.clean.ids => {}
                Ok(tokens) => {
                    prompts.push(tokens);
                    texts.push(prompt.clone());
                }
                Err(error) => wrong = Some(error),
            }
        }
        // Of several prompts some may be wrong; of one, that is told.
        let Some(first) = prompts.first() else {
            return Err(wrong.map_or(SweepError::NoCorruption, SweepError::from));
        };
        let only = self.pair.corrupted.len() == 1;
        let fitting = prompts.iter().position(|tokens| tokens.len() == self.clean.len());
        if fitting.is_none() && self.align == Align::None {
            if only {
                return Err(SweepError::DifferentLengths {
                    clean: self.clean.len(),
                    corrupted: first.len(),
                    shown: aligned(&self.clean.texts, &first.texts),
                });
            }
            self.align = Align::Subject;
        }
        let chosen = fitting.unwrap_or(0);
        let mut corrupted = prompts.swap_remove(chosen);
        self.pair.corrupted = vec![texts.swap_remove(chosen)];
        if let Some(on) = corruption.on.as_ref().filter(|on| **on != Positions::All) {
            let differ = differences(&self.clean.ids, &corrupted.ids).map(|(range, _)| range);
            let subject = given.clone().or(differ).unwrap_or(self.subject.clone());
            corrupted = self.substituted(&corrupted, &on.of(self.clean.len(), &subject)?)?;
            self.pair.corrupted = vec![corrupted.texts.concat()];
        }
        let Some((own, other)) = differences(&self.clean.ids, &corrupted.ids) else {
            return Err(SweepError::SamePrompts { prompt: self.pair.clean.clone() });
        };
        // Where one prompt only has more tokens than the other, the difference in it may be empty.
        let shown =
            if own.is_empty() { own.start.saturating_sub(1)..own.end.max(1) } else { own.clone() };
        (self.subject, self.has_subject) = (given.unwrap_or(shown), true);
        // Not the given subject: where it lies in the other prompt nobody says.
        let (clean, there) = ((self.clean.len(), &own), (corrupted.len(), &other));
        if corrupted.len() != self.clean.len() {
            self.partners = self.align.partners(clean, there);
        }
        self.corrupted = Corrupted::Prompts(vec![corrupted]);
        Ok(())
    }

    /// The clean prompt with the other one's tokens at some positions.
    fn substituted(&self, other: &Tokens, positions: &[usize]) -> Result<Tokens, SweepError> {
        if other.len() != self.clean.len() {
            return Err(SweepError::DifferentLengths {
                clean: self.clean.len(),
                corrupted: other.len(),
                shown: aligned(&self.clean.texts, &other.texts),
            });
        }
        let mut tokens = self.clean.clone();
        for position in positions {
            tokens.ids[*position] = other.ids[*position];
            tokens.texts[*position].clone_from(&other.texts[*position]);
        }
        Ok(tokens)
    }

    /// Draws prompts of the dataset with as many tokens, each once while there are enough.
    pub(super) fn resample(&mut self, with: &Feeding<'_>) -> Result<(), SweepError> {
        let Feeding { tokenizer, corruption, .. } = *with;
        let Some(path) = &corruption.from else {
            return Err(SweepError::NoDataset { what: "resampling" });
        };
        let mut fitting = Vec::new();
        for prompt in PromptFile::read(path)?.prompts {
            let tokens = tokenizer.prompt(&prompt.prompt)?;
            let new = fitting.iter().all(|other: &Tokens| other.ids != tokens.ids);
            if tokens.len() == self.clean.len() && tokens.ids != self.clean.ids && new {
                fitting.push(tokens);
            }
        }
        let (needed, found) = (corruption.samples, fitting.len());
        if found < needed {
            let (path, tokens) = (path.clone(), self.clean.len());
            return Err(SweepError::TooFewPrompts { path, needed, found, tokens });
        }
        let mut random = RandomState::new(corruption.seed);
        let mut draw = || {
            let place = random.uniform_one(0.0, fitting.len() as f64) as usize;
            fitting.swap_remove(place.min(fitting.len() - 1))
        };
        let drawn = (0..needed).map(|_| draw()).collect();
        self.words = corruption.words("");
        self.corrupted = Corrupted::Prompts(drawn);
        Ok(())
    }
}
