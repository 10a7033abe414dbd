//! `tracewright report --html`

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tracewright_report::{PageRun, page};
use tracewright_results::{Results, peak_spreads, peaks, rome_averages, write_whole};

use super::report::{names, over_cases};
use crate::args::ReportArgs;
use crate::console::Console;
use crate::error::Failure;

/// The page's file in a results folder.
const FILE: &str = "report.html";

/// Where the page goes, if it is asked for.
///
/// # Errors
///
/// A place that can't have a file.
pub(super) fn place(args: &ReportArgs, folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let Some(file) = &args.html else { return Ok(None) };
    let path = file.clone().unwrap_or_else(|| folder.join(FILE));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match parent.filter(|parent| !parent.is_dir()) {
        Some(parent) => Err(Failure::Usage(format!(
            "there is no folder '{}' for the page: make it first",
            parent.display()
        ))),
        None if path.is_dir() => Err(Failure::Usage(format!(
            "'{}' is a folder: give the page's file, --html={}",
            path.display(),
            path.join(FILE).display()
        ))),
        None => Ok(Some(path)),
    }
}

/// Writes the page of a folder's results, and of those that they are compared with.
pub(super) fn write(
    path: &Path,
    (args, folder): (&ReportArgs, &Path),
    (results, against): (&Results, Option<&Results>),
    document: &mut Value,
    console: &Console,
) -> Result<(), Failure> {
    let [name, other] = names([folder, args.against.as_deref().unwrap_or(Path::new(""))]);
    let said = sentences(results);
    let said_by_other = against.map_or_else(Vec::new, sentences);
    let run = PageRun { name: &name, results, sentences: &said };
    let other = against.map(|results| PageRun { name: &other, results, sentences: &said_by_other });
    let html = page(&run, other.as_ref())?;
    write_whole(path, html.as_bytes())?;
    document["page"] = json!(path);
    console.answer(&format!("the page is {}", path.display()))
}

fn sentences(results: &Results) -> Vec<String> {
    let averages = rome_averages(&results.cases, &results.rows);
    over_cases(&averages, &peak_spreads(&peaks(&results.cases, &results.rows)))
}
