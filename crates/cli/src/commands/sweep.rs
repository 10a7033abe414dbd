//! `tracewright sweep`

use std::process::ExitCode;

use serde_json::json;
use tracewright_sweep::SweepFile;

use super::{pair, trace};
use crate::args::SweepArgs;
use crate::console::Console;
use crate::error::Failure;
use crate::session::Session;

pub(crate) fn run(
    args: &SweepArgs,
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    if args.schema {
        let schema = json!(SweepFile::schema());
        console.answer(&format!("{schema:#}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    match read(args)? {
        SweepFile::Pair(file) => {
            pair::run_file(*file, (args.out.as_deref(), args.clip), session, console)
        }
        SweepFile::Trace(file) => trace::run_file(*file, args.out.as_deref(), session, console),
    }
}

/// The experiment of a file.
pub(super) fn read(args: &SweepArgs) -> Result<SweepFile, Failure> {
    let missing = || Failure::Usage("give the experiment's file".to_owned());
    Ok(SweepFile::read(args.file.as_deref().ok_or_else(missing)?)?)
}
