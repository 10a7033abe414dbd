//! Writes the page of a results folder, or of two: `cargo run --example page -- FILE.html DIR [AGAINST]`.

use std::error::Error;
use std::fs;
use std::path::Path;

use tracewright_report::{PageRun, page};
use tracewright_results::load;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, folders @ ..] = args.as_slice() else {
        return Err("usage: page FILE.html DIR [AGAINST]".into());
    };
    let results =
        folders.iter().map(|folder| load(Path::new(folder))).collect::<Result<Vec<_>, _>>()?;
    let runs = folders.iter().zip(&results).map(|(name, results)| PageRun {
        name,
        results,
        sentences: &[],
    });
    let runs: Vec<PageRun<'_>> = runs.collect();
    fs::write(file, page(runs.first().ok_or("no folder")?, runs.get(1))?)?;
    Ok(())
}
