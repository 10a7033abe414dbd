//! What the manual says beside the flags, and its pages.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::error::Failure;
use crate::program;

/// The exit codes and what they mean.
pub const EXIT_STATUS: &[(&str, &str)] = &[
    (
        "0",
        "Done. A case that the model answers wrongly hasn't failed, and a closed pipe is no error.",
    ),
    (
        "1",
        "A case failed while the others went on (its numbers overflowed, memory ran out), or the disk, the object \
         store or the device failed. What is done is kept, and the same command goes on.",
    ),
    ("2", "The request or its input was wrong."),
    ("130", "Stopped by Ctrl-C or SIGTERM. The same command goes on."),
];

/// The environment variables that are looked at, and what each does.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "HF_HUB_CACHE",
        "The folder of the hub cache [default: $HF_HOME/hub, or ~/.cache/huggingface/hub].",
    ),
    (
        "HF_HOME",
        "The folder of what Hugging Face's tools keep, with the cache and the token in it.",
    ),
    ("HF_TOKEN", "The token for private and gated models; it is sent to the hub alone."),
    (
        "HF_TOKEN_PATH",
        "The file of the token [default: $HF_HOME/token, or ~/.cache/huggingface/token].",
    ),
    ("HF_HUB_OFFLINE", "With 1, true, yes or on nothing is downloaded: the cache has to do."),
    ("HF_ENDPOINT", "Another hub, such as a mirror."),
    (
        "TRACEWRIGHT_CACHE",
        "Where means over datasets are kept [default: $XDG_CACHE_HOME/tracewright, or ~/.cache/tracewright].",
    ),
    ("XDG_CACHE_HOME", "The user's cache folder, where TRACEWRIGHT_CACHE isn't set."),
    ("HOME", "The user's folder, where the others aren't set."),
    (
        "HTTPS_PROXY",
        "The proxy that the hub is reached through; also ALL_PROXY and HTTP_PROXY, and NO_PROXY for what needs none.",
    ),
    ("AWS_*", "Keys, region and endpoint of a store that --out names (s3://…)."),
    ("RAYON_NUM_THREADS", "Threads to use, where --threads isn't given."),
    ("NO_COLOR", "With anything in it, heatmaps in the terminal have no colours."),
    ("COLORTERM", "With truecolor or 24bit, they have true colours instead of 256."),
    ("TERM", "With dumb, they have none."),
];

/// A page of the manual.
pub(crate) struct Page {
    /// The command's words without the program's name; empty for the program.
    pub(crate) command: String,
    /// The file's name: `tracewright-plan-trace.1`.
    pub(crate) file: String,
    pub(crate) roff: String,
}

/// The program's page, then those of its commands, each before its own commands.
pub(crate) fn pages() -> Result<Vec<Page>, Failure> {
    let mut pages = Vec::new();
    push(&program::command(), "", &mut pages)?;
    Ok(pages)
}

fn push(command: &Command, words: &str, pages: &mut Vec<Page>) -> Result<(), Failure> {
    // In one line, where otherwise all flags would stand.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let man = Man::new(command.clone().override_usage(usage))
        // Not empty, because `man` would take what follows for the date.
        .date(" ")
        .source(concat!("tracewright ", env!("CARGO_PKG_VERSION")))
        .manual("Tracewright");
    let mut roff = Vec::new();
    man.render(&mut roff)?;
    section("EXIT STATUS", EXIT_STATUS).to_writer(&mut roff)?;
    section("ENVIRONMENT", ENVIRONMENT).to_writer(&mut roff)?;
    let roff = String::from_utf8_lossy(&roff).into_owned();
    pages.push(Page { command: words.to_owned(), file: man.get_filename(), roff });
    for one in command.get_subcommands() {
        push(one, format!("{words} {}", one.get_name()).trim(), pages)?;
    }
    Ok(())
}

/// A section of words and what each means.
fn section(title: &str, entries: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (word, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(*word)]);
        roff.text([roman(*meaning)]);
    }
    roff
}
