//! The program: reads the flags, resolves them to one plain request, runs it, prints.

use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::thread;

use clap::{CommandFactory, Parser};

use crate::args::{Args, Command};
use crate::console::{self, Console};
use crate::error::Failure;
use crate::{commands, interrupt};

pub use crate::manual::{ENVIRONMENT, EXIT_STATUS};

/// What the program is called.
pub(crate) const NAME: &str = "tracewright";

/// The commands and their flags as data, of which completions, manual pages and the reference are made.
pub fn command() -> clap::Command {
    let mut command = Args::command().disable_help_subcommand(true);
    // Global flags are handed to the commands, and each gets its full name.
    command.build();
    command
}

/// Tells a panic in one line. One of a sweep's workers is caught, and told with its unit.
fn told(panic: &PanicHookInfo<'_>) {
    if thread::current().name() != Some(tracewright_sweep::WORKER) {
        console::panicked(&panic.to_string());
    }
}

/// Does what the process's arguments ask for, prints, and gives the exit code.
pub fn run() -> ExitCode {
    let Args { command, output, session } = Args::parse();
    let console = Console::new(&output);
    panic::set_hook(Box::new(told));
    let done = interrupt::listen().and_then(|()| session.start()).and_then(|()| match &command {
        Command::Trace(args) => commands::trace::run(args, &session, &console),
        Command::Pair(args) => commands::pair::run(args, &session, &console),
        Command::Sweep(args) => commands::sweep::run(args, &session, &console),
        Command::Plan(plan) => commands::plan::run(plan, &session, &console),
        Command::Report(args) => commands::report::run(args, &console),
        Command::Dataset(args) => commands::dataset::run(args, &session, &console),
        Command::Merge(args) => commands::merge::run(args, &console),
        Command::Predict(args) => commands::predict::run(args, &session, &console),
        Command::Sites => commands::sites::run(&session, &console),
        Command::Models => commands::models::run(&session, &console),
        Command::Doctor => commands::doctor::run(&console),
        Command::Completions(args) => commands::completions::run(args, &console),
        Command::Man(args) => commands::man::run(args, &console),
    });
    match done {
        Ok(code) => code,
        // Whoever read our output has seen enough.
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            console.error(&failure);
            failure.code()
        }
    }
}
