//! The program: reads the flags, resolves them to one plain request, runs it, prints.

mod args;
mod commands;
mod console;
mod error;
mod place;
mod session;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use console::Console;
use error::Failure;

fn main() -> ExitCode {
    let Args { command, output, session } = Args::parse();
    let console = Console::new(&output);
    let done = session.start().and_then(|()| match &command {
        Command::Trace(args) => commands::trace::run(args, &session, &console),
        Command::Pair(args) => commands::pair::run(args, &session, &console),
        Command::Sweep(args) => commands::sweep::run(args, &session, &console),
        Command::Plan(plan) => commands::plan::run(plan, &session, &console),
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
