//! Which columns of the unembedding passes need: a logit difference reads two of 50,257.

use std::collections::BTreeSet;

use crate::architecture::Architecture;
use crate::component::Component;
use crate::intervention::Intervention;
use crate::plan::pass::Pass;
use crate::request::Request;
use crate::site::Site;

/// The tokens whose logits requests read, in rising order; `None` where they read whole rows.
pub(crate) fn read(requests: &[&Request]) -> Option<Vec<u32>> {
    let whole = |request: &&Request| {
        let mut measures = request.measures.iter();
        let mut readings = request.readings.iter();
        let mut changes = request.runs.iter().flat_map(|run| &run.interventions);
        measures.any(|measure| !measure.metric.reads_tokens_alone())
            || readings.any(|reading| is_logits(reading.locus.site))
            || changes.any(touches_logits)
    };
    if requests.iter().any(whole) {
        return None;
    }
    let measures = requests.iter().flat_map(|request| &request.measures);
    let tokens: BTreeSet<u32> = measures.flat_map(|measure| measure.metric.tokens()).collect();
    Some(tokens.into_iter().collect())
}

fn touches_logits(change: &Intervention) -> bool {
    let sources = change.sources().iter().filter_map(|source| source.locus.as_ref());
    sources.chain([&change.locus]).any(|locus| is_logits(locus.site))
}

fn is_logits(site: Site) -> bool {
    site.component == Component::Logits
}

impl Pass {
    /// The model as the pass sees it: with a vocabulary of the tokens whose logits it computes.
    pub fn seen(&self, architecture: &Architecture) -> Architecture {
        seen(architecture, self.tokens.as_deref())
    }
}

/// A model with a vocabulary of these tokens.
pub(crate) fn seen(architecture: &Architecture, tokens: Option<&[u32]>) -> Architecture {
    let vocab = tokens.map_or(architecture.vocab, <[u32]>::len);
    Architecture { vocab, ..architecture.clone() }
}
