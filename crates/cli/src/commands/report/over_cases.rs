//! What many cases say, in sentences.

use std::path::Path;

use tracewright_results::{
    PeakSpread, RomeAverage, RomeSummary, peak_spreads, read_peaks, read_rome_averages,
};

use crate::error::Failure;

/// What the cases of a folder say together, by its tables; nothing where it has none.
pub(crate) fn of_folder(folder: &Path) -> Result<Vec<String>, Failure> {
    let [averages, peaks] =
        ["rome_averages.parquet", "peaks.parquet"].map(|name| folder.join(name));
    let averages = if averages.exists() { read_rome_averages(&averages)? } else { Vec::new() };
    let peaks = if peaks.exists() { read_peaks(&peaks)? } else { Vec::new() };
    Ok(over_cases(&averages, &peak_spreads(&peaks)))
}

/// What many cases say, in sentences: ROME's averages, and where the peaks are.
pub(super) fn over_cases(averages: &[RomeAverage], spreads: &[PeakSpread]) -> Vec<String> {
    let mut lines = Vec::new();
    for summary in RomeSummary::of(averages) {
        let best = |role: &str| {
            let ours = averages.iter().filter(|one| one.kind == summary.kind && one.role == role);
            let best = ours.max_by(|a, b| a.effect.total_cmp(&b.effect))?;
            Some(format!(
                "{:+.1} [{:.1}, {:.1}] at layer {}",
                100.0 * best.effect,
                100.0 * best.effect_low?,
                100.0 * best.effect_high?,
                best.layer
            ))
        };
        let points = [("last_subject", "at the last subject token"), ("last", "at the last token")];
        let points =
            points.into_iter().filter_map(|(role, words)| Some(format!("{words} {}", best(role)?)));
        lines.push(format!(
            "{}: probability {:.1}% clean and {:.1}% corrupted, a total effect of {:.1} points; the best average \
             indirect effect is {}",
            summary.kind,
            100.0 * summary.clean,
            100.0 * summary.corrupted,
            100.0 * summary.total_effect,
            points.collect::<Vec<_>>().join(", and ")
        ));
    }
    let anywhere = spreads.iter().filter(|spread| spread.role.is_none() && spread.n > 1);
    lines.extend(anywhere.filter_map(peak));
    lines
}

/// Where the cases' peaks are in a component.
fn peak(spread: &PeakSpread) -> Option<String> {
    let PeakSpread { kind, site, metric, n, layer_mean, layer_std, layer_median, .. } = spread;
    let (layer, cases) = spread.layers.iter().max_by_key(|(layer, n)| (**n, u32::MAX - **layer))?;
    let roles: Vec<String> = spread.roles.iter().map(|(role, n)| format!("{role} {n}")).collect();
    let roles =
        if roles.is_empty() { String::new() } else { format!("; tokens: {}", roles.join(", ")) };
    Some(format!(
        "peaks of {} by {metric} in {n} cases: layer {:.1} ± {:.1}, median {:.1}, most often {layer} ({cases}){roles}",
        kind.as_ref().unwrap_or(site),
        (*layer_mean)?,
        layer_std.unwrap_or(0.0),
        (*layer_median)?
    ))
}
