//! `tracewright merge`

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use tracewright_results::merge;

use super::target::Destination;
use crate::args::MergeArgs;
use crate::console::{Console, count};
use crate::error::Failure;

pub(crate) fn run(args: &MergeArgs, console: &Console) -> Result<ExitCode, Failure> {
    let mut shards: Vec<PathBuf> = Vec::new();
    for shard in &args.shards {
        let shard = Destination::at(shard)?;
        shard.fetch(console)?;
        shards.push(shard.folder);
    }
    let out = Destination::at(&args.out)?;
    let merged = merge(&shards, &out.folder)?;
    out.store(&merged.written.files)?;
    for (shard, differences) in &merged.differences {
        console.warn(&format!(
            "{} was computed in another environment than {}, so its numbers are equal within rounding, not \
             bit for bit:\n{differences}",
            shard.display(),
            shards[0].display()
        ));
    }
    console.answer(&format!(
        "{} joined to {}: {}, {} of results",
        count(shards.len(), "shard"),
        out.shown(),
        count(merged.written.cases, "case"),
        count(merged.written.rows, "row")
    ))?;
    console.json(&json!({
        "out": out.folder,
        "cases": merged.written.cases,
        "rows": merged.written.rows,
        "files": merged.written.files,
    }))?;
    Ok(ExitCode::SUCCESS)
}
