//! The program: reads the flags, resolves them to one plain request, runs it, prints.

mod args;
mod commands;
mod console;
mod error;
mod interrupt;
mod place;
mod progress;
mod session;

use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::thread;

use clap::Parser;

use args::{Args, Command};
use console::Console;
use error::Failure;

/// Tells a panic in one line. One of a sweep's workers is caught, and told with its unit.
fn told(panic: &PanicHookInfo<'_>) {
    if thread::current().name() != Some(tracewright_sweep::WORKER) {
        console::panicked(&panic.to_string());
    }
}

fn main() -> ExitCode {
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
