//! `cargo xtask stream`: models larger than memory, and what reading them while they run costs.
//!
//! Each run is the program itself, on a checkpoint with random weights (bf16, Llama's layout): about
//! 4 GiB of it traced with the weights held, streamed from the page cache, and streamed in a memory
//! cgroup that is smaller than the file; and three layers of a 70B model's width.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::footprint::{Finished, finish, number};
use crate::python;
use crate::synthetic::{Shape, llama};

/// About 4 GiB in bf16.
const FOUR_GIB: Shape =
    Shape { layers: 33, d_model: 2048, heads: 32, kv_heads: 8, d_mlp: 8192, vocab: 32_000 };

/// Three layers of Llama 70B.
const WIDE: Shape =
    Shape { layers: 3, d_model: 8192, heads: 64, kv_heads: 8, d_mlp: 28_672, vocab: 512 };

const TRACE: [&str; 15] = [
    "trace",
    "--prompt",
    "abcdefghijk",
    "--subject",
    "cde",
    "--noise",
    "0.1",
    "--kind",
    "hidden,mlp",
    "--samples",
    "3",
    "--memory",
    "512MiB",
    "--json",
    "--quiet",
];

const PAIR: [&str; 9] = [
    "pair",
    "--clean",
    "abcdefghijklmnopqrstuvwxyza",
    "--corrupted",
    "bbcdefghijklmnopqrstuvwxyza",
    "--memory",
    "2GiB",
    "--json",
    "--quiet",
];

/// A limit on memory below the file's size, page cache included.
const LIMIT: u64 = 2 << 30;

/// What one run took.
struct Run {
    what: &'static str,
    shape: Shape,
    plan: Value,
    done: Value,
    /// The most that was resident, mapped files apart.
    resident: u64,
    /// The bytes that the disk gave.
    from_disk: u64,
}

/// Measures all of it and gives a table.
///
/// # Errors
///
/// No room for the checkpoints (10 GB), a build or run that fails.
pub fn measure(say: &mut dyn FnMut(&str)) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    python::run(
        Path::new(&cargo),
        ["build", "--release", "--bin", "tracewright"].map(str::as_ref),
    )?;
    let folder = crate::root().join("target/stream");
    let [four, wide] = ["llama-4gib", "llama-70b-wide"].map(|name| folder.join(name));
    say("making the checkpoints");
    llama(&four, FOUR_GIB)?;
    llama(&wide, WIDE)?;
    let file = four.join("model.safetensors");
    let mut text = format!(
        "the 4 GiB checkpoint: {} bytes; the disk gives {:.0} MB/s of it\n",
        fs::metadata(&file)?.len(),
        disk_rate(&file)? / 1e6
    );
    read_through(&file)?;
    let mut runs = Vec::new();
    for (what, args, model, shape, kind) in [
        ("4 GiB, held", &TRACE[..], &four, FOUR_GIB, Kind::Held),
        ("4 GiB, streamed from the page cache", &TRACE, &four, FOUR_GIB, Kind::Streamed),
        ("4 GiB, streamed in a cgroup of 2 GiB", &TRACE, &four, FOUR_GIB, Kind::Limited),
        ("70B's width, 3 layers, streamed", &PAIR, &wide, WIDE, Kind::Streamed),
    ] {
        say(what);
        runs.push(run(what, args, (model, shape), kind)?);
    }
    text += &table(&runs)?;
    Ok(text)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Held,
    Streamed,
    Limited,
}

fn run(
    what: &'static str,
    args: &[&str],
    (model, shape): (&Path, Shape),
    kind: Kind,
) -> Result<Run> {
    let program = crate::root().join("target/release/tracewright");
    let out = crate::root().join("target/stream/run");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("removing {}", out.display()))?;
    }
    let mut planned = Command::new(&program);
    let plan = finish(planned.arg("plan").args(args).arg("--model").arg(model))?.json;
    // Without the right to make one, the first pass at least finds nothing in the cache.
    let group = (kind == Kind::Limited).then(|| Group::new().ok()).flatten();
    let what = match (kind, &group) {
        (Kind::Limited, None) => "4 GiB, streamed, first from the disk",
        _ => what,
    };
    if kind == Kind::Limited {
        // A group that is limited still reads for nothing what others have brought into the cache.
        drop_pages(&model.join("model.safetensors"))?;
    }
    let mut command = match &group {
        None => Command::new(&program),
        Some(group) => group.command(&program),
    };
    command.args(args).arg("--model").arg(model).arg("--out").arg(&out);
    if kind != Kind::Held {
        command.arg("--stream");
    }
    let Finished { json: done, resident, from_disk } = finish(&mut command)?;
    Ok(Run { what, shape, plan, done, resident, from_disk })
}

/// A memory cgroup, removed when it is dropped.
struct Group(PathBuf);

impl Group {
    fn new() -> Result<Self> {
        let (v1, v2) = (Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup"));
        let (root, limit) =
            if v1.is_dir() { (v1, "memory.limit_in_bytes") } else { (v2, "memory.max") };
        let group = root.join("tracewright-stream");
        let made = fs::create_dir_all(&group)
            .and_then(|()| fs::write(group.join(limit), LIMIT.to_string()));
        made.with_context(|| format!("making the cgroup {} (as root?)", group.display()))?;
        Ok(Self(group))
    }

    /// A program that runs in the group.
    fn command(&self, program: &Path) -> Command {
        let mut shell = Command::new("sh");
        let script = "echo $$ > \"$0\" && exec \"$@\"";
        shell.args(["-c", script]).arg(self.0.join("cgroup.procs")).arg(program);
        shell
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that stays is empty, and is taken again next time.
        let _ = fs::remove_dir(&self.0);
    }
}

/// Bytes for each second of reading a file past the page cache.
fn disk_rate(file: &Path) -> Result<f64> {
    let started = Instant::now();
    let source = format!("if={}", file.display());
    python::run(
        Path::new("dd"),
        [source.as_str(), "of=/dev/null", "bs=4M", "iflag=direct", "status=none"].map(str::as_ref),
    )?;
    Ok(fs::metadata(file)?.len() as f64 / started.elapsed().as_secs_f64())
}

/// Takes a file out of the page cache (`posix_fadvise`).
fn drop_pages(file: &Path) -> Result<()> {
    let source = format!("if={}", file.display());
    let arguments = [source.as_str(), "iflag=nocache", "count=0", "status=none"];
    python::run(Path::new("dd"), arguments.map(str::as_ref))
}

/// Brings a file into the page cache.
fn read_through(file: &Path) -> Result<()> {
    let (mut file, mut piece) = (fs::File::open(file)?, vec![0; 4 << 20]);
    while file.read(&mut piece)? > 0 {}
    Ok(())
}

fn table(runs: &[Run]) -> Result<String> {
    let mut text = String::from(
        "run                                   passes  rows a layer and pass  planned  weights  resident  read a pass  \
         from disk  seconds  seconds of loading\n",
    );
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / 1_048_576.0);
    for Run { what, shape, plan, done, resident, from_disk } in runs {
        let planned = |name: &str| number(&plan[name]);
        let held = what.ends_with("held");
        let weights = if held { "weight_bytes" } else { "streamed_weight_bytes" };
        let flops = planned("flops")? + number(&plan["first_look"]["flops"])?;
        let counted = number(&done["cost"]["flops"])?;
        ensure!(flops == counted, "{what}: {flops} operations are planned, {counted} were counted");
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{what:36} {:>7} {:>22.0} {:>8} {:>8} {:>9} {:>12} {:>10} {:>8.1} {:>19.1}",
            planned("passes")?,
            planned("rows")? / planned("passes")? / shape.layers as f64,
            mib(planned("peak_bytes")?),
            mib(planned(weights)?),
            mib(*resident as f64),
            if held { "—".to_owned() } else { mib(planned("read_bytes_per_pass")?) },
            mib(*from_disk as f64),
            number(&done["cost"]["seconds"])?,
            number(&done["cost"]["load_seconds"])?
        );
    }
    Ok(text)
}
