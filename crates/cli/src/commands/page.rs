//! `tracewright report --html`

use std::path::Path;

use serde_json::{Value, json};
use tracewright_report::{PageRun, page};
use tracewright_results::{Results, peak_spreads, peaks, rome_averages, write_whole};

use super::report::over_cases;
use crate::args::ReportArgs;
use crate::console::Console;
use crate::error::Failure;

/// The page's file in a results folder.
const FILE: &str = "report.html";

/// Writes the page of a folder's results, and of those that they are compared with, if it is asked for.
pub(super) fn write(
    (args, folder): (&ReportArgs, &Path),
    (results, against): (&Results, Option<&Results>),
    document: &mut Value,
    console: &Console,
) -> Result<(), Failure> {
    let Some(file) = &args.html else { return Ok(()) };
    let path = file.clone().unwrap_or_else(|| folder.join(FILE));
    let [name, other] = names(folder, args.against.as_deref());
    let said = sentences(results);
    let said_by_other = against.map_or_else(Vec::new, sentences);
    let run = PageRun { name: &name, results, sentences: &said };
    let other = against.map(|results| PageRun { name: &other, results, sentences: &said_by_other });
    let html = page(&run, other.as_ref())?;
    write_whole(&path, html.as_bytes())?;
    document["page"] = json!(path);
    console.answer(&format!("the page is {}", path.display()))
}

/// What the page calls the two folders: their own names, and where these are equal, as they were given.
fn names(folder: &Path, against: Option<&Path>) -> [String; 2] {
    let folders = [folder, against.unwrap_or(Path::new(""))];
    let short = folders.map(|path| path.file_name().unwrap_or(path.as_os_str()));
    let chosen = if short[0] == short[1] { folders.map(Path::as_os_str) } else { short };
    chosen.map(|name| name.to_string_lossy().into_owned())
}

fn sentences(results: &Results) -> Vec<String> {
    let averages = rome_averages(&results.cases, &results.rows);
    over_cases(&averages, &peak_spreads(&peaks(&results.cases, &results.rows)))
}
