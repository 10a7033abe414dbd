//! `tracewright man`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use tracewright_ir::nearest;

use crate::args::ManArgs;
use crate::console::{Console, count};
use crate::error::Failure;
use crate::manual::{Page, pages};

pub(crate) fn run(args: &ManArgs, console: &Console) -> Result<ExitCode, Failure> {
    let pages = pages()?;
    match &args.out {
        Some(folder) => write(&pages, folder, console)?,
        None => print(find(&pages, &args.command)?, console)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The page of a command that is given as its words.
fn find<'a>(pages: &'a [Page], words: &[String]) -> Result<&'a Page, Failure> {
    let given = words.join(" ");
    let unknown = || {
        let known =
            pages.iter().map(|page| page.command.as_str()).filter(|known| !known.is_empty());
        let nearest = nearest(&given, known).join(", ");
        Failure::Usage(format!("there is no command '{given}'; the nearest are {nearest}"))
    };
    pages.iter().find(|page| page.command == given).ok_or_else(unknown)
}

fn print(page: &Page, console: &Console) -> Result<(), Failure> {
    console.answer(page.roff.trim_end())?;
    console.json(&json!({ "page": page.file, "roff": page.roff }))
}

fn write(pages: &[Page], folder: &Path, console: &Console) -> Result<(), Failure> {
    let unwritable = |error| Failure::Usage(format!("can't write {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(unwritable)?;
    for page in pages {
        fs::write(folder.join(&page.file), &page.roff).map_err(unwritable)?;
    }
    console.answer(&format!("{} in {}", count(pages.len(), "page"), folder.display()))?;
    let files: Vec<&str> = pages.iter().map(|page| page.file.as_str()).collect();
    console.json(&json!({ "out": folder, "files": files }))
}
