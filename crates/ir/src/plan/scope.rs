//! A plan narrows the model to what its requests read: a logit difference reads two columns of
//! 50,257, and a prompt of twelve tokens has twelve keys of 1,024.

use std::collections::BTreeSet;

use crate::architecture::Architecture;
use crate::component::Component;
use crate::intervention::Intervention;
use crate::locus::Locus;
use crate::request::Request;
use crate::run::Origin;

/// What of a model some requests read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The only tokens whose logits are computed, in rising order; `None` for all.
    pub tokens: Option<Vec<u32>>,
    /// The most keys that a query has: as many as the longest prompt has tokens.
    pub keys: usize,
    /// Whether scores or patterns are changed or read.
    pub cells: bool,
    /// Whether single heads' results are.
    pub results: bool,
}

impl Scope {
    pub(crate) fn of(requests: &[&Request], vocab: usize) -> Self {
        let touched: BTreeSet<Component> = requests
            .iter()
            .flat_map(|request| loci(request))
            .map(|locus| locus.site.component)
            .collect();
        let runs = requests.iter().flat_map(|request| &request.runs);
        let lens = runs.filter_map(|run| match &run.origin {
            Origin::Tokens(tokens) => Some(tokens.len()),
            Origin::Base(_) => None,
        });
        Self {
            keys: lens.max().unwrap_or(0),
            cells: touched.contains(&Component::Scores) || touched.contains(&Component::Pattern),
            results: touched.contains(&Component::Result),
            tokens: (!touched.contains(&Component::Logits))
                .then(|| tokens(requests))
                .flatten()
                .filter(|tokens| tokens.len() <= vocab / FEW),
        }
    }

    /// The model as its passes compute it: with a vocabulary of the tokens whose logits are read, and a
    /// context of as many keys as there are.
    pub fn narrowed(&self, architecture: &Architecture) -> Architecture {
        let vocab = self.tokens.as_ref().map_or(architecture.vocab, Vec::len);
        Architecture { vocab, context: self.keys, ..architecture.clone() }
    }
}

/// Every locus that a request changes or reads.
fn loci(request: &Request) -> impl Iterator<Item = &Locus> {
    let changes = request.runs.iter().flat_map(|run| &run.interventions);
    changes.flat_map(of_change).chain(request.readings.iter().map(|reading| &reading.locus))
}

fn of_change(change: &Intervention) -> impl Iterator<Item = &Locus> {
    let sources = change.sources().iter().filter_map(|source| source.locus.as_ref());
    sources.chain([&change.locus])
}

/// Where metrics read a larger part of the vocabulary than one in so many, all of it is computed: the
/// columns of a few tokens are copied.
const FEW: usize = 8;

/// The tokens that metrics read; `None` where one reads whole rows of logits.
fn tokens(requests: &[&Request]) -> Option<Vec<u32>> {
    let measures = || requests.iter().flat_map(|request| &request.measures);
    let tops = requests.iter().any(|request| request.top_k > 0);
    if tops || !measures().all(|measure| measure.metric.reads_tokens_alone()) {
        return None;
    }
    let tokens: BTreeSet<u32> = measures().flat_map(|measure| measure.metric.tokens()).collect();
    Some(tokens.into_iter().collect())
}
