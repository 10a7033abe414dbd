//! `tracewright sweep`

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use tracewright_results::{RunFile, SHARD};
use tracewright_sweep::SweepFile;

use super::target::Target;
use super::{pair, trace};
use crate::args::{FolderArgs, SweepArgs};
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
    let path = file(args)?;
    let Some(recorded) = recorded(path)? else {
        let target = Target { folder: &args.folder, recorded: None };
        return run_file(SweepFile::read(path)?, (target, args.clip), session, console);
    };
    let shard = recorded.request.get(SHARD).and_then(Value::as_str).map(str::to_owned);
    let shard = args.folder.shard.clone().or(shard);
    let folder = FolderArgs { out: args.folder.out.clone(), shard };
    let session = session.recorded(&recorded);
    let target = Target { folder: &folder, recorded: Some(&recorded) };
    run_file(SweepFile::of_run(&recorded)?, (target, args.clip), &session, console)
}

fn run_file(
    file: SweepFile,
    (target, clip): (Target<'_>, bool),
    session: &Session,
    console: &Console,
) -> Result<ExitCode, Failure> {
    match file {
        SweepFile::Pair(file) => pair::run_file(*file, (target, clip), session, console),
        SweepFile::Trace(file) => trace::run_file(*file, target, session, console),
    }
}

/// The experiment of a file, and the flags that it is run with.
pub(super) fn read(args: &SweepArgs, session: &Session) -> Result<(SweepFile, Session), Failure> {
    let path = file(args)?;
    match recorded(path)? {
        Some(run) => Ok((SweepFile::of_run(&run)?, session.recorded(&run))),
        None => Ok((SweepFile::read(path)?, session.clone())),
    }
}

fn file(args: &SweepArgs) -> Result<&Path, Failure> {
    let missing = || Failure::Usage("give the experiment's file".to_owned());
    args.file.as_deref().ok_or_else(missing)
}

/// What a results folder has on record, where the path is its `run.json` or the folder itself.
fn recorded(path: &Path) -> Result<Option<RunFile>, Failure> {
    let folder = match path.file_name() {
        _ if path.is_dir() => path,
        Some(name) if name == "run.json" => path.parent().unwrap_or(Path::new("")),
        _ => return Ok(None),
    };
    Ok(RunFile::read(folder)?)
}
