//! `metrics.md`: each metric's own comment.

use anyhow::Result;
use tracewright_sweep::PairMetric;

use super::families::unit_of;
use super::markdown::table;
use super::source::Source;

const INTRO: &str = "\
What `--metric` takes, each read from a run's logits at one position. z is the row of logits, z_a the answer's, p and q are
probabilities. [`crates/metrics`](../../crates/metrics/src) has a file for each, with the bound that an error of the logits
implies for it.

Recovery is (value − corrupted) / (clean − corrupted); for `kl`, `l2`, `mse` and `cosine`, which are distances to the clean
run, 1 − value / corrupted. Effect is (value − base) / (source − base).";

pub(super) fn page() -> Result<String> {
    let sources = Source::below("crates/metrics/src")?;
    let metrics = PairMetric::ALL.map(PairMetric::name);
    let units = metrics.iter().map(|name| Ok((name, unit_of(name, &sources)?)));
    let units = units.collect::<Result<Vec<_>>>()?;
    let row = |name: &str, summary: &str| {
        let (_, summary) = summary.split_once(": ").unwrap_or_default();
        vec![format!("[`{name}`](#{name})"), summary.to_owned()]
    };
    let rows: Vec<_> = units.iter().map(|(name, unit)| row(name, &unit.summary)).collect();
    let sections = units.iter().map(|(name, unit)| format!("\n## {name}\n\n{}", unit.list()));
    Ok(format!(
        "{INTRO}\n\n{}{}",
        table(&["metric", "what it is"], &rows),
        sections.collect::<String>()
    ))
}
