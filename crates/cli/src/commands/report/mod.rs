//! `tracewright report`

mod figures;
mod over_cases;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use tracewright_results::{
    PairedDifference, Progress, Results, RomeSummary, compare, grid_columns, group_by, load,
    peak_spreads, peaks, rome_averages,
};

use self::tables::{DIFFERENCE, MEAN, difference, file, numbers, shown};
use super::page;
use super::target::Destination;
use crate::args::ReportArgs;
use crate::console::{Console, count};
use crate::error::Failure;

pub(super) use self::over_cases::{of_folder, over_cases};

pub(crate) fn run(args: &ReportArgs, console: &Console) -> Result<ExitCode, Failure> {
    let folder = fetched(&args.folder, console)?;
    let results = load(&folder)?;
    let chosen = figures::chosen(&args.cases, &results)?;
    let page = page::place(args, &folder)?;
    let mut document = json!({ "folder": folder, "cases": results.cases.len() });
    let other = match &args.against {
        None => None,
        Some(other) => Some((load(&fetched(other, console)?)?, other)),
    };
    let figures = match &other {
        None => {
            means((args, &folder), &results, &mut document, console)?;
            figures::over_cases(&results)?
        }
        Some((other, given)) => {
            differences((args, &folder), (&results, other), &mut document, console)?;
            figures::against((other, given), (&results, &args.folder))?
        }
    };
    let drawn = figures::draw(args, &folder, figures, (&results, &chosen), console)?;
    document["figures"] = json!(drawn);
    let other = other.as_ref().map(|(other, _)| other);
    if let Some(page) = page {
        page::write(&page, (args, &folder), (&results, other), &mut document, console)?;
    }
    console.json(&document)?;
    Ok(ExitCode::SUCCESS)
}

/// What two folders are called: by their last names, and where these are equal, as they were given.
pub(super) fn names(folders: [&Path; 2]) -> [String; 2] {
    let short = folders.map(|path| path.file_name().unwrap_or(path.as_os_str()));
    let chosen = if short[0] == short[1] { folders.map(Path::as_os_str) } else { short };
    chosen.map(|name| name.to_string_lossy().into_owned())
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
