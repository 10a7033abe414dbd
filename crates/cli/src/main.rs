//! The program. What it does is in the library, which the reference pages are made from as well.

use std::process::ExitCode;

fn main() -> ExitCode {
    tracewright::program::run()
}
