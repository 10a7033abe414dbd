//! `tracewright merge`

use std::process::ExitCode;

use serde_json::json;
use tracewright_results::merge;

use crate::args::MergeArgs;
use crate::console::{Console, count};
use crate::error::Failure;

pub(crate) fn run(args: &MergeArgs, console: &Console) -> Result<ExitCode, Failure> {
    let merged = merge(&args.shards, &args.out)?;
    for (shard, differences) in &merged.differences {
        console.warn(&format!(
            "{} was computed in another environment than {}, so its numbers are equal within rounding, not \
             bit for bit:\n{differences}",
            shard.display(),
            args.shards[0].display()
        ));
    }
    console.answer(&format!(
        "{} joined to {}: {}, {} of results",
        count(args.shards.len(), "shard"),
        args.out.display(),
        count(merged.written.cases, "case"),
        count(merged.written.rows, "row")
    ))?;
    console.json(&json!({
        "out": args.out,
        "cases": merged.written.cases,
        "rows": merged.written.rows,
        "files": merged.written.files,
    }))?;
    Ok(ExitCode::SUCCESS)
}
