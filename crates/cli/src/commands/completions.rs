//! `tracewright completions`

use std::process::ExitCode;

use serde_json::json;

use crate::args::CompletionsArgs;
use crate::console::Console;
use crate::error::Failure;
use crate::program;

pub(crate) fn run(args: &CompletionsArgs, console: &Console) -> Result<ExitCode, Failure> {
    // Into memory, because a closed pipe would make the generator panic.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program::command(), program::NAME, &mut script);
    let script = String::from_utf8_lossy(&script);
    console.answer(script.trim_end())?;
    console.json(&json!({ "shell": args.shell.to_string(), "script": script }))?;
    Ok(ExitCode::SUCCESS)
}
