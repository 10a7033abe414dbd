//! `cargo xtask`: reads the flags and hands over to the library.

use std::io::{self, Write};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use xtask::golden::{self, Cells};

/// Chores of the Tracewright workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Compares Tracewright's numbers with the golden files and prints the largest differences.
    Golden {
        /// Compare every cell of the pairs' heatmaps, not just every seventh.
        #[arg(long)]
        all: bool,
        /// First make the golden files anew, with PyTorch in .venv/golden.
        #[arg(long)]
        regenerate: bool,
    },
    /// Runs everything that CI runs: format, tests, clippy, docs, the README's main command.
    Check,
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().chore {
        Chore::Golden { all, regenerate } => {
            if regenerate {
                golden::regenerate()?;
            }
            let cells = if all { Cells::All } else { Cells::EverySeventh };
            let quantities = golden::compare(cells)?;
            write!(io::stdout().lock(), "{}", golden::table(&quantities))?;
            let ok = quantities.iter().all(golden::Quantity::is_ok);
            Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Chore::Check => {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/run");
            let ran = Command::new("bash").arg(script).status().context("bash can't be started")?;
            Ok(if ran.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
