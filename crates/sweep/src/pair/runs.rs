//! Runs beside the clean and the corrupted one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::{Architecture, Intervention, Locus, Request, Run, RunId, Selection, Tokens};

use super::change::Change;
use super::indices::Indices;
use super::numbers::Numbers;
use super::positions::Positions;
use super::prompts::{FedPair, Feeding};
use super::target::{Member, Target};
use crate::error::SweepError;

/// A run with a name: another prompt, or a variant of an earlier run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NamedRun {
    /// Its name, by which it is a base, a source, or what another run is a variant of.
    pub name: String,
    /// Its prompt, with as many tokens as the clean one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The run that it is a variant of, if it has no prompt: `clean`, `corrupted` or an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What is changed in it, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<NamedChange>,
}

/// A change of a named run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedChange {
    /// Where: `resid_post@3`, `z@9.6+z@9.9`; without a layer in all layers.
    pub site: Target,
    /// At which positions, if not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Positions>,
    /// In which heads, if not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<Indices>,
    /// In which neurons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neurons: Option<Indices>,
    /// For which keys of scores and patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_positions: Option<Indices>,
    /// What is done.
    #[serde(default)]
    pub change: Change,
    /// The run that is read: `clean` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The site that is read there, if another one: `resid_post@3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_site: Option<Target>,
    /// At which positions it is read there, if others; as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_positions: Option<Positions>,
}

/// The prompts of named runs, which must have as many tokens as the clean one.
pub(super) fn prompts(
    with: &Feeding<'_>,
    clean: &Tokens,
) -> Result<Vec<Option<Tokens>>, SweepError> {
    let one = |run: &NamedRun| {
        let Some(prompt) = &run.prompt else { return Ok(None) };
        let tokens = with.tokenizer.prompt(prompt)?;
        match tokens.len() == clean.len() {
            true => Ok(Some(tokens)),
            false => Err(SweepError::DifferentLengths {
                clean: clean.len(),
                corrupted: tokens.len(),
                shown: super::alignment::aligned(&clean.texts, &tokens.texts),
            }),
        }
    };
    with.settings.runs.iter().map(one).collect()
}

/// Runs by their names.
pub(super) struct Named<'a> {
    known: Vec<(&'a str, RunId)>,
}

impl<'a> Named<'a> {
    /// Adds the named runs after the clean and the corrupted ones.
    ///
    /// # Errors
    ///
    /// A name that isn't known yet or is there already, a run with a prompt and a base or with neither, and
    /// changes that don't fit.
    pub(super) fn push(
        runs: &'a [NamedRun],
        fed: &FedPair,
        request: &mut Request,
        clean: RunId,
        corrupted: &[RunId],
        (architecture, numbers): (&Architecture, &Numbers),
    ) -> Result<Self, SweepError> {
        let mut known = vec![("clean", clean)];
        // Of several corrupted runs none is the corrupted one.
        known.extend(<[RunId; 1]>::try_from(corrupted).map(|[one]| ("corrupted", one)).ok());
        let mut named = Self { known };
        for (run, prompt) in runs.iter().zip(&fed.runs) {
            if named.known.iter().any(|(name, _)| *name == run.name) || run.name.is_empty() {
                return Err(SweepError::BadRunName { name: run.name.clone() });
            }
            let mut changes = Vec::new();
            for change in &run.changes {
                changes.extend(named.changes(change, fed, architecture, numbers)?);
            }
            let made = match (prompt, &run.of) {
                (Some(tokens), None) => {
                    let ids = [&tokens.ids[..], fed.appended()].concat();
                    Run { interventions: changes, ..Run::of_tokens(run.name.as_str(), &ids) }
                }
                (None, Some(of)) => Run::variant(run.name.as_str(), named.get(of)?, changes),
                (None, None) | (Some(_), Some(_)) => {
                    return Err(SweepError::PromptAndBase { name: run.name.clone() });
                }
            };
            let id = request.push(made);
            named.known.push((run.name.as_str(), id));
        }
        Ok(named)
    }

    /// The run of a name.
    pub(super) fn get(&self, name: &str) -> Result<RunId, SweepError> {
        let found = self.known.iter().find(|(known, _)| *known == name);
        let unknown = || SweepError::UnknownRun {
            name: name.to_owned(),
            known: self.known.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        found.map(|(_, id)| *id).ok_or_else(unknown)
    }

    fn changes(
        &self,
        change: &NamedChange,
        fed: &FedPair,
        architecture: &Architecture,
        numbers: &Numbers,
    ) -> Result<Vec<Intervention>, SweepError> {
        let source = self.get(change.from.as_deref().unwrap_or("clean"))?;
        let into = loci(change, &change.site, &change.positions, fed, architecture)?;
        let from = match (&change.from_site, &change.from_positions) {
            (None, None) => vec![None; into.len()],
            (site, positions) => {
                let site = site.as_ref().unwrap_or(&change.site);
                let positions = if positions.is_some() { positions } else { &change.positions };
                let from = loci(change, site, positions, fed, architecture)?;
                from.into_iter().map(Some).collect()
            }
        };
        if from.len() != into.len() {
            let (site, from) = (change.site.0.clone(), change.from_site.clone());
            return Err(SweepError::SitesDiffer {
                site,
                from: from.map_or(String::new(), |f| f.0),
            });
        }
        let len = fed.len_of(false);
        let mean = |locus: &Locus| numbers.means.at(locus, fed, architecture);
        let made = into.into_iter().zip(from).map(|(locus, from)| {
            let of = (architecture, len);
            change.change.at(locus, (source, from), of, &numbers.vectors, mean)
        });
        made.collect()
    }
}

/// The places of a change at a target, one for each site and layer.
fn loci(
    change: &NamedChange,
    target: &Target,
    positions: &Option<Positions>,
    fed: &FedPair,
    architecture: &Architecture,
) -> Result<Vec<Locus>, SweepError> {
    let len = fed.clean.len();
    let positions = positions.as_ref().map(|p| p.of(len, &fed.subject)).transpose()?;
    let positions = positions.unwrap_or_else(|| (0..len).collect());
    let only = |indices: &Option<Indices>, axis, len| match indices {
        Some(indices) => indices.of(axis, len).map(Selection::only),
        None => Ok(Selection::All),
    };
    let mut loci = Vec::new();
    for member in target.members(architecture)? {
        let component = member.site.component;
        for Member { site, .. } in member.in_each_layer(architecture) {
            let mut locus = Locus::at(site).positions(positions.iter().copied());
            if let Some(axis) = component.head_axis() {
                let len = architecture.axis_len(axis, 0);
                locus.heads = match member.head {
                    Some(head) => Selection::only([head]),
                    None => only(&change.heads, "head", len)?,
                };
            }
            if component.has_neurons() {
                locus.neurons = only(&change.neurons, "neuron", architecture.d_mlp)?;
            }
            if component.has_sources() {
                locus.src_positions = only(&change.src_positions, "src_position", len)?;
            }
            loci.push(locus);
        }
    }
    Ok(loci)
}
