//! How the peaks of many cases spread.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Peak;
use crate::bootstrap::quantile;
use crate::peaks::{component, measured};
use crate::statistics::Summary;

/// Where the cases have their peaks in a component under a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeakSpread {
    /// What the clean prompts are corrupted by.
    pub corruption: Option<String>,
    /// ROME's kind.
    pub kind: Option<String>,
    /// The site's short name.
    pub site: String,
    /// The receivers of patched paths.
    pub receiver: Option<String>,
    /// The metric.
    pub metric: String,
    /// The position that the metric is read at, if not the last one.
    pub metric_position: Option<u32>,
    /// The role of the tokens; `None` for each case's strongest peak at any token.
    pub role: Option<String>,
    /// The number of cases.
    pub n: u32,
    /// The number of cases whose strongest peak of all under the metric is among these.
    pub strongest: u32,
    /// The mean over cases of the peak's layer; `None` where the cells have no layer.
    pub layer_mean: Option<f64>,
    /// The standard deviation of the layers, with n − 1; `None` for one case.
    pub layer_std: Option<f64>,
    /// Their median.
    pub layer_median: Option<f64>,
    /// The number of cases by layer.
    pub layers: BTreeMap<u32, u32>,
    /// The number of cases by the role of the peak's token.
    pub roles: BTreeMap<String, u32>,
}

/// The spread of the peaks of each component, in the order in which they first occur: first at any
/// token, then by the role of the token.
pub fn peak_spreads(peaks: &[Peak]) -> Vec<PeakSpread> {
    let components = chunks(peaks.iter(), |peak| (measured(&peak.cell), component(&peak.cell)));
    let of_component = |peaks: Vec<&Peak>| {
        let anywhere: Vec<_> =
            peaks.iter().copied().filter(|peak| peak.rank_in_component == 0).collect();
        let with_role = peaks.into_iter().filter(|peak| peak.cell.role.is_some());
        let by_role = chunks(with_role, |peak| peak.cell.role.clone());
        let role = |peaks: &Vec<&Peak>| peaks[0].cell.role.clone();
        let roles = by_role.into_iter().map(|peaks| spread(role(&peaks), &peaks));
        [spread(None, &anywhere)].into_iter().chain(roles).collect::<Vec<_>>()
    };
    components.into_iter().flat_map(of_component).collect()
}

/// The peaks with equal keys, in the order in which these first occur.
fn chunks<'a, K: PartialEq>(
    peaks: impl Iterator<Item = &'a Peak>,
    key: impl Fn(&Peak) -> K,
) -> Vec<Vec<&'a Peak>> {
    let mut chunks: Vec<(K, Vec<&Peak>)> = Vec::new();
    for peak in peaks {
        let key = key(peak);
        match chunks.iter_mut().find(|(other, _)| *other == key) {
            Some((_, chunk)) => chunk.push(peak),
            None => chunks.push((key, vec![peak])),
        }
    }
    chunks.into_iter().map(|(_, chunk)| chunk).collect()
}

/// Of peaks in one component, of which there is at least one.
fn spread(role: Option<String>, peaks: &[&Peak]) -> PeakSpread {
    let first = &peaks[0].cell;
    let mut layers: Vec<u32> = peaks.iter().filter_map(|peak| peak.cell.layer).collect();
    layers.sort_unstable();
    let numbers: Vec<f64> = layers.iter().copied().map(f64::from).collect();
    let summary = Summary::without_interval(&numbers);
    PeakSpread {
        corruption: first.corruption.clone(),
        kind: first.kind.clone(),
        site: first.site.clone(),
        receiver: first.receiver.clone(),
        metric: first.metric.clone(),
        metric_position: first.metric_position,
        role,
        n: peaks.len() as u32,
        strongest: peaks.iter().filter(|peak| peak.rank == 0).count() as u32,
        layer_mean: summary.map(|summary| summary.mean),
        layer_std: summary.and_then(|summary| summary.std),
        layer_median: (!numbers.is_empty()).then(|| quantile(&numbers, 0.5)),
        layers: count(layers.into_iter()),
        roles: count(peaks.iter().filter_map(|peak| peak.cell.role.clone())),
    }
}

fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u32> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}
