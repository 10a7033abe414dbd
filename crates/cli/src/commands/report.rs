//! `tracewright report`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use tracewright_results::{
    GroupMean, Grouped, Key, PairedDifference, PeakSpread, Progress, Results, RomeAverage,
    RomeSummary, STATISTICS, compare, grid_columns, group_by, load, peak_spreads, peaks,
    read_peaks, read_rome_averages, rome_averages,
};

use super::page;
use super::target::Destination;
use crate::args::ReportArgs;
use crate::console::{Console, count, table};
use crate::error::Failure;

/// Of many groups these many are printed; all are in the file.
const MOST_GROUPS: usize = 60;

pub(crate) fn run(args: &ReportArgs, console: &Console) -> Result<ExitCode, Failure> {
    let folder = fetched(&args.folder, console)?;
    let results = load(&folder)?;
    let mut document = json!({ "folder": folder, "cases": results.cases.len() });
    let other = match &args.against {
        None => None,
        Some(other) => Some(load(&fetched(other, console)?)?),
    };
    match &other {
        None => means((args, &folder), &results, &mut document, console)?,
        Some(other) => differences((args, &folder), (&results, other), &mut document, console)?,
    }
    page::write((args, &folder), (&results, other.as_ref()), &mut document, console)?;
    console.json(&document)?;
    Ok(ExitCode::SUCCESS)
}

/// A results folder, brought from its store where it is in one.
fn fetched(given: &Path, console: &Console) -> Result<PathBuf, Failure> {
    let given = match given.file_name() {
        Some(name) if name == "run.json" => given.parent().unwrap_or(Path::new("")),
        _ => given,
    };
    let from = Destination::at(given)?;
    from.fetch(console)?;
    Ok(from.folder)
}

/// What the cases of a folder say together.
fn means(
    (args, folder): (&ReportArgs, &Path),
    results: &Results,
    document: &mut Value,
    console: &Console,
) -> Result<(), Failure> {
    let groups = match args.by.is_empty() {
        true => None,
        false => Some(group_by(results, &args.by)?),
    };
    let failed = results.failed();
    let wrong = results.cases.iter().filter(|case| !case.correct_prediction).count();
    let wrong = wrong.saturating_sub(failed.len());
    let others = [(failed.len(), "failed"), (wrong, "without the expected answer, left out")];
    let others = others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("; {n} {what}"));
    let others: String = others.collect();
    console.answer(&format!("{}{others}", count(results.cases.len(), "case")))?;
    let Progress { passes, of } = results.finished;
    document["finished"] = json!(results.finished);
    if passes < of {
        console.answer(&format!(
            "unfinished: {passes} of {of} units of work are here, the costliest first, so these cases aren't a fair sample"
        ))?;
    }
    let averages = rome_averages(&results.cases, &results.rows);
    let spreads = peak_spreads(&peaks(&results.cases, &results.rows));
    for line in over_cases(&averages, &spreads) {
        console.answer(&line)?;
    }
    document["rome"] = json!(RomeSummary::of(&averages));
    document["peaks"] = json!(spreads);
    if let Some(groups) = groups {
        let path = file(folder, "by", &groups.columns);
        groups.write(&path)?;
        shown(&groups, &MEAN, numbers, &path, console)?;
        document["by"] =
            json!({ "columns": groups.columns, "groups": groups.groups, "file": path });
    }
    Ok(())
}

/// How a second folder's cases differ from the first one's.
fn differences(
    (args, folder): (&ReportArgs, &Path),
    (first, second): (&Results, &Results),
    document: &mut Value,
    console: &Console,
) -> Result<(), Failure> {
    let by = if args.by.is_empty() { grid_columns(first) } else { args.by.clone() };
    // How far the folder is from the one that it is held against.
    // An error names them in the order in which they were given.
    let groups = compare(second, first, &by).or_else(|_| compare(first, second, &by))?;
    let path = file(folder, "difference-by", &groups.columns);
    groups.write(&path)?;
    let paired: u32 = groups.groups.iter().map(|group| group.numbers.cells).sum();
    let alone = |only: fn(&PairedDifference) -> u32| -> u32 {
        groups.groups.iter().map(|group| only(&group.numbers)).sum()
    };
    let (only_a, only_b) = (alone(|group| group.only_a), alone(|group| group.only_b));
    console.answer(&format!(
        "{paired} cells in pairs; {only_b} of the folder and {only_a} of the one against have no partner"
    ))?;
    shown(&groups, &DIFFERENCE, difference, &path, console)?;
    document["against"] = json!({
        "folder": args.against,
        "columns": groups.columns,
        "groups": groups.groups,
        "file": path,
    });
    Ok(())
}

/// What the cases of a folder say together, by its tables; nothing where it has none.
pub(super) fn of_folder(folder: &Path) -> Result<Vec<String>, Failure> {
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

/// The file of a table of groups.
fn file(folder: &Path, what: &str, columns: &[String]) -> PathBuf {
    folder.join(STATISTICS).join(format!("{what}-{}.parquet", columns.join("-")))
}

const MEAN: [&str; 8] =
    ["value", "± s.e.", "95 %", "noise s.e.", "recovery", "effect", "cells", "cases"];
const DIFFERENCE: [&str; 6] = ["against (a)", "folder (b)", "b − a", "± s.e.", "95 %", "cases"];

fn numbers(group: &GroupMean) -> Vec<String> {
    vec![
        format!("{:.4}", group.value),
        optional(group.stderr),
        interval(group.low, group.high),
        optional(group.noise_stderr),
        optional(group.recovery),
        optional(group.effect),
        group.cells.to_string(),
        group.n.to_string(),
    ]
}

fn difference(group: &PairedDifference) -> Vec<String> {
    vec![
        optional(group.a),
        optional(group.b),
        optional(group.difference),
        optional(group.stderr),
        interval(group.low, group.high),
        group.n.to_string(),
    ]
}

fn optional(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.4}"))
}

fn interval(low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("{low:.4} … {high:.4}"),
        _ => "–".to_owned(),
    }
}

/// Prints a table of groups.
fn shown<N>(
    groups: &Grouped<N>,
    head: &[&str],
    numbers: fn(&N) -> Vec<String>,
    path: &Path,
    console: &Console,
) -> Result<(), Failure> {
    let key = |key: &Option<Key>| key.as_ref().map_or_else(|| "–".to_owned(), Key::to_string);
    let head = groups.columns.iter().cloned().chain(head.iter().map(|word| (*word).to_owned()));
    let mut rows = vec![head.collect::<Vec<_>>()];
    for group in groups.groups.iter().take(MOST_GROUPS) {
        rows.push(group.keys.iter().map(key).chain(numbers(&group.numbers)).collect());
    }
    console.answer(&table(&rows))?;
    if groups.groups.len() > MOST_GROUPS {
        console.answer(&format!("… and {} more groups", groups.groups.len() - MOST_GROUPS))?;
    }
    console.explain(&format!("all of them in {}", path.display()))
}
