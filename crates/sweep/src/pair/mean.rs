//! Means over a dataset, for mean ablation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_engine::{Execution, execute, silent};
use tracewright_ir::{
    Architecture, Array, Locus, Reading, Request, Role, Run, Site, State, Tokens,
};
use tracewright_models::Model;

use super::mean_cache;
use super::prompt_file::{FilePrompt, PromptFile};
use super::prompts::FedPair;
use crate::case::subject_tokens;
use crate::error::SweepError;
use crate::words::word;

/// Which mean: over what, and for which positions one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanOf {
    /// The prompts: lines of a text, or a JSON list of records with `prompt`, `subject` and `group`.
    pub from: PathBuf,
    /// What has a mean of its own.
    #[serde(default)]
    pub by: Grouping,
    /// Whether the token that the tokenizer puts before every prompt counts.
    #[serde(default)]
    pub bos: bool,
}

/// What has a mean of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grouping {
    /// Nothing: all tokens of all prompts have one mean.
    #[default]
    Token,
    /// Each position; prompts must have as many tokens as the case.
    Position,
    /// Each role of tokens (first subject token, last token, …); prompts must have subjects.
    Role,
    /// Each position within a template's prompts, which have as many tokens: the case's group (Wang et al.
    /// 2022, arXiv 2211.00593).
    Group,
}

impl Grouping {
    const ALL: [Self; 4] = [Self::Token, Self::Position, Self::Role, Self::Group];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Position => "position",
            Self::Role => "role",
            Self::Group => "group",
        }
    }

    /// What a prompt must have as many tokens as the others of; nothing where positions don't count.
    fn template(self, prompt: &FilePrompt) -> Option<&str> {
        match self {
            Self::Token | Self::Role => None,
            Self::Position => Some(""),
            Self::Group => Some(prompt.group.as_deref().unwrap_or_default()),
        }
    }

    /// What a token of a prompt of `len` tokens belongs to.
    fn key(
        self,
        position: usize,
        len: usize,
        subject: Option<&std::ops::Range<usize>>,
        group: Option<&str>,
    ) -> String {
        match (self, subject) {
            (Self::Token, _) | (Self::Role, None) => String::new(),
            (Self::Position, _) => position.to_string(),
            (Self::Role, Some(subject)) => Role::of(position, subject, len).name().to_owned(),
            (Self::Group, _) => format!("{} {position}", group.unwrap_or_default()),
        }
    }
}

impl FromStr for Grouping {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        word("grouping", given, &Self::ALL, Self::name)
    }
}

/// The means of some sites.
#[derive(Debug, Default)]
pub(crate) struct Means {
    by: Grouping,
    /// By site and what has a mean of its own: as wide as a position of the site.
    means: BTreeMap<Site, BTreeMap<String, Vec<f64>>>,
    /// Plans haven't got the numbers.
    stand_in: bool,
}

/// Prompts that go through the model together.
const BATCH: usize = 16;

impl Means {
    pub(crate) fn stand_in() -> Self {
        Self { stand_in: true, ..Self::default() }
    }

    /// Fails for scores and patterns.
    pub(crate) fn check_sites(sites: &BTreeSet<Site>) -> Result<(), SweepError> {
        match sites.iter().find(|site| site.component.has_sources()) {
            Some(site) => Err(SweepError::NoMeanOfCells { site: site.short_name() }),
            None => Ok(()),
        }
    }

    /// Computes the means at these sites, or reads those that were computed before.
    ///
    /// # Errors
    ///
    /// A dataset that can't be read, prompts without what the grouping needs, sites without means, a failing
    /// device.
    pub(crate) fn of(
        model: &Model,
        mean: &MeanOf,
        sites: &BTreeSet<Site>,
    ) -> Result<Self, SweepError> {
        Self::check_sites(sites)?;
        let dataset = PromptFile::read(&mean.from)?;
        let of = mean_cache::digest(model, mean, &dataset)?;
        let mut means = BTreeMap::new();
        let mut missing = Vec::new();
        for site in sites {
            let path = mean_cache::path(mean, *site, &of);
            match path.as_deref().and_then(mean_cache::read) {
                Some(known) => {
                    means.insert(*site, known);
                }
                None => missing.push((*site, path)),
            }
        }
        let wanted: Vec<Site> = missing.iter().map(|(site, _)| *site).collect();
        for ((site, path), computed) in
            missing.into_iter().zip(compute(model, mean, &dataset, &wanted)?)
        {
            if let Some(path) = path {
                // A cache that can't be written is computed anew the next time.
                let _ = mean_cache::write(&path, mean, site, &dataset, model, &computed);
            }
            means.insert(site, computed);
        }
        Ok(Self { by: mean.by, means, stand_in: false })
    }

    /// How many tokens the dataset's prompts have that a case's positions are compared with.
    fn len(&self, site: Site, fed: &FedPair) -> Option<usize> {
        let prefix = match self.by {
            Grouping::Position => String::new(),
            Grouping::Group => format!("{} ", fed.pair.group.as_deref().unwrap_or_default()),
            Grouping::Token | Grouping::Role => return None,
        };
        let position = |key: &String| key.strip_prefix(&prefix)?.parse::<usize>().ok();
        self.means.get(&site)?.keys().filter_map(position).max().map(|last| last + 1)
    }

    /// The mean at a locus of a case's prompt.
    ///
    /// # Errors
    ///
    /// A position that no prompt of the dataset has a counterpart of.
    pub(crate) fn at(
        &self,
        locus: &Locus,
        fed: &FedPair,
        architecture: &Architecture,
    ) -> Result<Arc<Array>, SweepError> {
        let len = fed.clean.len();
        let shape = locus.shape(architecture, len);
        if let Some(of_dataset) = self.len(locus.site, fed).filter(|of_dataset| *of_dataset != len)
        {
            return Err(SweepError::OtherLength { of_dataset, len });
        }
        if self.stand_in {
            let data = vec![0.0; shape.iter().product()];
            return Ok(Arc::new(Array { shape, data }));
        }
        let columns = locus.extent(architecture, len).columns;
        let group = fed.pair.group.as_deref();
        let mut data = Vec::new();
        for position in locus.positions.indices(len) {
            let key = self.by.key(position, len, Some(&fed.subject), group);
            let of_site = self.means.get(&locus.site);
            let mean = of_site.and_then(|means| means.get(&key)).ok_or_else(|| {
                let by = self.by.name();
                SweepError::NoMean { by, key, site: locus.site.short_name(), position }
            })?;
            data.extend(columns.indices(mean.len()).into_iter().map(|column| mean[column]));
        }
        Ok(Arc::new(Array { shape, data }))
    }
}

/// The means at each site by what has one of its own.
fn compute(
    model: &Model,
    mean: &MeanOf,
    dataset: &PromptFile,
    sites: &[Site],
) -> Result<Vec<BTreeMap<String, Vec<f64>>>, SweepError> {
    let mut sums: Vec<BTreeMap<String, (Vec<f64>, usize)>> = vec![BTreeMap::new(); sites.len()];
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let mut lens: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for prompts in dataset.prompts.chunks(BATCH) {
        let mut request = Request::default();
        let mut keys = Vec::new();
        for prompt in prompts {
            let tokens = model.tokenizer.prompt(&prompt.prompt)?;
            let run = request.push(Run::of_tokens(prompt.prompt.as_str(), &tokens.ids));
            keys.push(keys_of(mean, prompt, &tokens)?);
            let len = *lens.entry(mean.by.template(prompt)).or_insert(tokens.len());
            if mean.by.template(prompt).is_some() && len != tokens.len() {
                let (prompt, tokens) = (prompt.prompt.clone(), tokens.len());
                return Err(SweepError::UnequalPrompts { prompt, tokens, others: len });
            }
            let reading =
                |site: &Site| Reading { run, locus: Locus::at(*site), state: State::Left };
            request.readings.extend(sites.iter().map(reading));
        }
        let outcome = execute(&model.decoder, &request, &Execution::default(), &mut silent)?;
        for (index, array) in outcome.readings.iter().enumerate() {
            let (keys, sums) = (&keys[index / sites.len()], &mut sums[index % sites.len()]);
            let width = array.data.len() / keys.len();
            for (key, row) in keys.iter().zip(array.data.chunks_exact(width)) {
                let Some(key) = key else { continue };
                let (sum, count) = sums.entry(key.clone()).or_insert_with(|| (vec![0.0; width], 0));
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                *count += 1;
            }
        }
    }
    let mean = |(key, (sum, count)): (String, (Vec<f64>, usize))| {
        (key, sum.into_iter().map(|sum| sum / count as f64).collect())
    };
    Ok(sums.into_iter().map(|sums| sums.into_iter().map(mean).collect()).collect())
}

/// What each token of a prompt belongs to; none for one that doesn't count.
fn keys_of(
    mean: &MeanOf,
    prompt: &FilePrompt,
    tokens: &Tokens,
) -> Result<Vec<Option<String>>, SweepError> {
    let lacks = |what| SweepError::PromptLacks { prompt: prompt.prompt.clone(), what };
    let subject = match (mean.by, &prompt.subject) {
        (Grouping::Role, Some(subject)) => Some(subject_tokens(tokens, &prompt.prompt, subject)?),
        (Grouping::Role, None) => return Err(lacks("subject")),
        _ => None,
    };
    if mean.by == Grouping::Group && prompt.group.is_none() {
        return Err(lacks("group"));
    }
    let key = |position: usize| {
        // What the tokenizer added has no place in the prompt.
        let added = tokens.offsets.get(position).is_some_and(|offsets| offsets.is_empty());
        let group = prompt.group.as_deref();
        let key = || mean.by.key(position, tokens.len(), subject.as_ref(), group);
        (mean.bos || !added).then(key)
    };
    Ok((0..tokens.len()).map(key).collect())
}
