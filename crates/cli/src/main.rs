//! The program: reads the flags, resolves them to one plain request, runs it, prints.

mod args;
mod commands;
mod console;
mod error;
mod interrupt;
mod place;
mod progress;
mod session;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use args::{Args, Command};
use console::Console;
use error::Failure;

fn main() -> ExitCode {
    let Args { command, output, session } = Args::parse();
    let console = Arc::new(Console::new(&output));
    let teller = Arc::clone(&console);
    let told = move || {
        teller
            .progress("stopping when what is under way is done; press Ctrl-C again to stop at once")
    };
    let done =
        interrupt::listen(told).and_then(|()| session.start()).and_then(|()| match &command {
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
