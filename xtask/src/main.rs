//! `cargo xtask`: reads the flags and hands over to the library.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tracewright_models::DeviceName;
use xtask::bench;
use xtask::footprint;
use xtask::golden::{self, Cells};
use xtask::reproduce;

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
        /// First make the golden files anew, with PyTorch in .venv/golden and TransformerLens in .venv/bench.
        #[arg(long)]
        regenerate: bool,
        /// Compute on this device: cpu, or one of a build with its feature, as `wgpu` and `cuda:1`.
        #[arg(long, value_name = "NAME", default_value = "cpu")]
        device: DeviceName,
    },
    /// Makes the small checkpoints of `fixtures/`: those of all families by transformers, the quantised ones by MLX.
    Fixtures {
        /// Download the real ones of xtask/real_checkpoints.json instead, compare them with their pinned
        /// sums, and ask each something.
        #[arg(long)]
        download: bool,
        /// Only those whose names begin so: openai-community, EleutherAI/pythia-70m, ….
        #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "download")]
        only: Vec<String>,
    },
    /// Compares with the golden files on a Vulkan device, which a software driver can be, in a build
    /// with the feature `wgpu` (docs/gpu.md).
    Vulkan,
    /// Compares the lockstep with the reference executor on many more random models, sweeps and
    /// budgets than the tests do.
    Properties {
        /// Random requests for each property.
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        cases: u32,
    },
    /// Measures Tracewright beside ROME's protocol, TransformerLens and nnsight, with PyTorch in
    /// .venv/bench, and prints times and ratios.
    Bench {
        /// Measure each comparison so many times.
        #[arg(long, value_name = "N", default_value_t = 3)]
        repeat: usize,
        /// Only the comparisons whose names begin so: rome, transformer-lens, nnsight-12, ….
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        only: Vec<String>,
        /// Time every cell of slow peers too, instead of some to be multiplied.
        #[arg(long)]
        full: bool,
        /// Also write everything that was measured to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Measures what a large trace takes in memory and how fast it is with a small budget, on the
    /// weights that `bench` makes.
    Memory,
    /// Measures models that are streamed from their files: about 4 GiB held, streamed, and in less memory than
    /// that; and three layers of a 70B model's width. Makes 10 GB of random weights in target/stream.
    Stream,
    /// Measures what a sweep of many facts on the built-in model takes beside its passes, and its memory.
    Sweep {
        /// Facts of the last measurement: all of ROME's known facts.
        #[arg(long, value_name = "N", default_value_t = 1209)]
        facts: usize,
    },
    /// Runs four shards as a job array on a single-node SLURM, which it installs from Debian's packages, and
    /// compares what they are joined to with a run without shards.
    Slurm,
    /// Reads results folders with ROME's averaging and with DuckDB in Python, and compares.
    Clients,
    /// Does published work again, by name, and writes a page for each (docs/reproduce).
    Reproduce {
        /// Which: rome-fig2, ioi-heads, … [default: all]
        names: Vec<String>,
        /// On the built-in model, beside what PyTorch gets there.
        #[arg(long, required_unless_present_any = ["model", "expect"])]
        offline: bool,
        /// On this model, beside the published numbers: gpt2-xl, a checkpoint's folder, ….
        #[arg(long, value_name = "PATH|ID", conflicts_with = "offline", requires = "names")]
        model: Option<String>,
        /// First make anew what PyTorch gets on the built-in model, in .venv/golden.
        #[arg(long, conflicts_with = "model")]
        expect: bool,
        /// Where the pages go [default: docs/reproduce, or target/reproduce with --model]
        #[arg(long, value_name = "DIR")]
        pages: Option<PathBuf>,
        /// Further flags of the program, after `--`: --device cuda --memory 8GiB
        #[arg(last = true)]
        flags: Vec<String>,
    },
    /// Writes the pages of docs/reference from the code.
    Reference {
        /// Compare instead, and fail where a page isn't what the code says.
        #[arg(long)]
        check: bool,
    },
    /// Runs everything that CI runs: format, tests, clippy, docs, the README's main command.
    Check,
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().chore {
        Chore::Golden { all, regenerate, device } => {
            if regenerate {
                golden::regenerate()?;
            }
            let cells = if all { Cells::All } else { Cells::EverySeventh };
            let quantities = golden::compare(cells, device)?;
            write!(io::stdout().lock(), "{}", golden::table(&quantities))?;
            let ok = quantities.iter().all(golden::Quantity::is_ok);
            Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Chore::Vulkan => {
            let build = ["run", "--release", "--package", "xtask", "--features", "wgpu", "--"];
            exit(cargo().args(build).args(["golden", "--device", "wgpu"]))
        }
        Chore::Properties { cases } => {
            let test =
                ["test", "--release", "--package", "tracewright-engine", "--test", "lockstep"];
            exit(cargo().args(test).env("TRACEWRIGHT_CASES", cases.to_string()))
        }
        Chore::Bench { repeat, only, full, json } => {
            bench(&bench::Options { repeat, only, full }, json.as_deref())
        }
        Chore::Fixtures { download: false, .. } => {
            xtask::fixtures::make()?;
            Ok(ExitCode::SUCCESS)
        }
        Chore::Fixtures { download: true, only } => {
            let mut say = |what: &str| drop(writeln!(io::stderr().lock(), "{what}"));
            let (lines, whole) = xtask::fixtures::download(&only, &mut say)?;
            write!(io::stdout().lock(), "{lines}")?;
            Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Chore::Stream => {
            let mut say = |what: &str| drop(writeln!(io::stderr().lock(), "{what}"));
            write!(io::stdout().lock(), "{}", xtask::stream::measure(&mut say)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Chore::Sweep { facts } => {
            let mut say = |what: &str| drop(writeln!(io::stderr().lock(), "{what}"));
            write!(io::stdout().lock(), "{}", xtask::sweep::measure(facts, &mut say)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Chore::Slurm => {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/slurm/check.sh");
            exit(Command::new("bash").arg(script).env("TRACEWRIGHT", tracewright()))
        }
        Chore::Clients => {
            xtask::clients::check(&tracewright())?;
            Ok(ExitCode::SUCCESS)
        }
        Chore::Reproduce { names, offline, model, expect, pages, flags } => {
            if expect {
                reproduce::expect(&names)?;
            }
            if !offline && model.is_none() {
                return Ok(ExitCode::SUCCESS);
            }
            let folder = if model.is_some() { "target/reproduce" } else { "docs/reproduce" };
            let pages = pages.unwrap_or_else(|| xtask::root().join(folder));
            let options = reproduce::Options { names, model, flags, pages };
            let mut say = |what: &str| drop(writeln!(io::stdout().lock(), "{what}"));
            let right = reproduce::run(&tracewright(), &options, &mut say)?;
            Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Chore::Reference { check } => {
            let folder = xtask::reference::folder();
            if check {
                xtask::reference::check(&folder)?;
            } else {
                for page in xtask::reference::write(&folder)? {
                    writeln!(io::stdout().lock(), "{}", page.display())?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Chore::Memory => {
            // Progress that can't be shown is no reason to stop.
            let mut say = |what: &str| drop(writeln!(io::stderr().lock(), "{what}"));
            let footprints = footprint::footprints(&mut say)?;
            write!(io::stdout().lock(), "{}", footprint::table(&footprints))?;
            Ok(ExitCode::SUCCESS)
        }
        Chore::Check => {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/run");
            exit(Command::new("bash").arg(script))
        }
    }
}

/// The program, which `cargo build --release` makes.
fn tracewright() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("release/tracewright")
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a program to its end, as the chore's own.
fn exit(command: &mut Command) -> Result<ExitCode> {
    let name = command.get_program().to_owned();
    let ran = command.status().with_context(|| format!("{} can't be started", name.display()))?;
    Ok(if ran.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bench(options: &bench::Options, json: Option<&Path>) -> Result<ExitCode> {
    // Progress that can't be shown is no reason to stop.
    let mut say = |what: &str| drop(writeln!(io::stderr().lock(), "{what}"));
    let report = bench::run(options, &mut say)?;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    write!(io::stdout().lock(), "{}", bench::table(&report))?;
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
