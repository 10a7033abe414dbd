//! `tracewright dataset`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};
use tracewright_models::Tokenizer;
use tracewright_results::write_whole;
use tracewright_sweep::SweepError;
use tracewright_sweep::dataset::Format;
use tracewright_sweep::generate::{
    Induction, IoiCorrupted, Replaced, induction, ioi, ioi_abc, similarity, to_jsonl,
};

use crate::args::{DatasetArgs, Task};
use crate::console::{Console, count};
use crate::error::Failure;
use crate::session::Session;

pub(crate) fn run(
    args: &DatasetArgs,
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let checkpoint = session.checkpoint(None, false, console)?;
    let lines = lines(args, checkpoint.tokenizer())?;
    let records = lines.lines().count();
    match &args.out {
        None => console.answer(lines.trim_end())?,
        Some(path) => {
            refuse(path, &lines)?;
            write_whole(path, lines.as_bytes())?;
            console.answer(&format!("{} in {}", count(records, "record"), path.display()))?;
        }
    }
    let all: Vec<Value> = match &args.out {
        Some(_) => Vec::new(),
        None => lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    };
    console.json(&json!({ "out": args.out, "n": records, "records": all }))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses a file that holds something else, and one that nobody would read as JSON lines.
fn refuse(path: &Path, lines: &str) -> Result<(), Failure> {
    let shown = path.display();
    let problem = if path.to_string_lossy().contains("://") {
        format!("'{shown}' is an address: a dataset is written to a file")
    } else if Format::of(path) != Format::JsonLines {
        format!("a dataset is written as JSON lines: end the name '{shown}' in .jsonl")
    } else if path.exists() && fs::read(path).is_ok_and(|found| found != lines.as_bytes()) {
        format!("'{shown}' holds something else: remove it, or choose another name")
    } else {
        return Ok(());
    };
    Err(Failure::Usage(problem))
}

/// The records of a task, one on each line.
fn lines(args: &DatasetArgs, tokenizer: &Tokenizer) -> Result<String, Failure> {
    let DatasetArgs { task, n, seed, .. } = *args;
    // A text that can't be encoded is no single token.
    let encode = |text: &str| tokenizer.plain(text).unwrap_or_default();
    match task {
        Task::Ioi => written(ioi(seed, n, IoiCorrupted::Swap, &encode)),
        Task::IoiAbc => written(ioi(seed, n, IoiCorrupted::Abc, &encode)),
        Task::AbcPrompts => written(ioi_abc(seed, n, &encode)),
        Task::Similarity => written(similarity(seed, n, &encode)),
        Task::Induction | Task::InductionRandom => {
            let replaced = match task {
                Task::Induction => Replaced::Successor,
                _ => Replaced::FirstPart,
            };
            let task = Induction { first: args.length, shown: args.shown, replaced };
            let vocabulary: Vec<String> =
                (0..tokenizer.len()).map(|id| tokenizer.text(id as u32)).collect();
            written(induction(&task, seed, n, &vocabulary, &encode))
        }
    }
}

fn written<T: Serialize>(
    records: Result<Vec<T>, tracewright_sweep::generate::GenerateError>,
) -> Result<String, Failure> {
    let lines = to_jsonl(&records.map_err(SweepError::from)?);
    lines.map_err(|error| Failure::Usage(format!("the records can't be written: {error}")))
}
