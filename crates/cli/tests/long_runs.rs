//! Sweeps that are stopped, killed, divided and run again, and machines that fail meanwhile.
//!
//! The test of kills takes more of them by environment variables, as `docs/performance.md` shows.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Place, fixture};
use insta::assert_snapshot;

/// A sweep of some facts in which every fact is a unit of work, and takes a part of a second.
fn facts(limit: &str) -> Vec<String> {
    let facts = fixture("known_1000.json");
    let kinds = std::env::var("TRACEWRIGHT_KINDS").unwrap_or_else(|_| "hidden".to_owned());
    let samples = number("TRACEWRIGHT_SAMPLES", 6).to_string();
    let words =
        ["trace", "--facts", &facts, "--limit", limit, "--samples", &samples, "--kind", &kinds];
    let more = ["--memory", "24MiB", "--quiet"];
    words.iter().chain(&more).map(|word| (*word).to_owned()).collect()
}

fn start(place: &Place, sweep: &[String], more: &[&str]) -> Child {
    let mut words: Vec<&str> = sweep.iter().map(String::as_str).collect();
    words.extend(more);
    let mut command = place.tracewright(&words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start")
}

/// The end of a run, with paths as others have them.
fn end(place: &Place, child: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = child.wait_with_output().expect("an end");
    (status.code(), place.text(&stderr))
}

fn run(place: &Place, sweep: &[String], more: &[&str]) -> (Option<i32>, String) {
    end(place, start(place, sweep, more))
}

fn signal(child: &Child, name: &str) {
    let kill = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(kill.expect("kill").success());
}

/// The finished passes of a folder.
fn parts(place: &Place, folder: &str) -> usize {
    let entries = fs::read_dir(place.path(folder).join("parts"));
    let is_part = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|e| e == "parquet");
    entries.map_or(0, |entries| entries.flatten().filter(is_part).count())
}

/// Waits for what a run does on its way.
fn wait_for(child: &mut Child, happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() && begun.elapsed() < Duration::from_secs(120) {
        assert!(child.try_wait().expect("a status").is_none(), "it ended before");
        sleep(Duration::from_millis(5));
    }
}

/// Every file of a results folder but `run.json`, whose cost is the clock's, and the lock.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(&below).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("below").to_path_buf();
            if path.is_dir() {
                open.push(path);
            } else if !["run.json", ".lock"].iter().any(|other| name.ends_with(other)) {
                found.push((name, fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

fn assert_equal(place: &Place, one: &str, other: &str) {
    let (one, other) = (files(&place.path(one)), files(&place.path(other)));
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&one), names(&other));
    for ((name, bytes), (_, others)) in one.iter().zip(&other) {
        assert!(bytes == others, "{} differs", name.display());
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |given| given.parse().expect(name))
}

#[test]
fn a_sweep_that_is_killed_again_and_again_ends_as_an_undisturbed_one() {
    let place = Place::new();
    let sweep = facts(&number("TRACEWRIGHT_FACTS", 10).to_string());
    let kills = number("TRACEWRIGHT_KILLS", 6);
    let begun = Instant::now();
    assert_eq!(run(&place, &sweep, &["--out", "undisturbed"]).0, Some(0));
    let whole = begun.elapsed();
    // Any numbers do that don't come back; a start that ends before it is killed is as good as any.
    let mut random: u64 = 7;
    let mut killed = 0;
    for _ in 0..kills {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (random >> 40) as f64 / (1u64 << 24) as f64;
        let mut child = start(&place, &sweep, &["--out", "killed"]);
        sleep(whole.mul_f64(share * 4.0 / kills as f64));
        killed += usize::from(child.try_wait().expect("a status").is_none());
        child.kill().expect("a kill");
        child.wait().expect("an end");
    }
    assert!(killed > 0, "every start ended before it was killed");
    assert_eq!(run(&place, &sweep, &["--out", "killed"]).0, Some(0));
    assert_equal(&place, "killed", "undisturbed");
}

#[test]
fn ctrl_c_finishes_what_is_under_way_and_the_same_command_goes_on() {
    for name in ["-INT", "-TERM"] {
        let place = Place::new();
        let sweep: Vec<String> = facts("8").into_iter().filter(|word| word != "--quiet").collect();
        let mut child = start(&place, &sweep, &["--out", "stopped"]);
        wait_for(&mut child, || parts(&place, "stopped") >= 2);
        signal(&child, name);
        let (code, told) = end(&place, child);
        assert_eq!(code, Some(130), "{told}");
        assert!(told.starts_with("stopping when what is under way is done"), "{told}");
        let done = parts(&place, "stopped");
        assert!((2..8).contains(&done), "{done} passes");
        let expected = format!(
            "error: stopped: {done} of 8 cases are done and in stopped; give the same command again to go on"
        );
        assert_eq!(told.trim_end().lines().last(), Some(expected.as_str()));
        assert!(place.path("stopped/cells.parquet").exists(), "what is done is written");
        assert_eq!(run(&place, &sweep, &["--out", "stopped"]).0, Some(0));
        assert_eq!(run(&place, &sweep, &["--out", "undisturbed"]).0, Some(0));
        assert_equal(&place, "stopped", "undisturbed");
    }
}

#[test]
fn a_second_ctrl_c_stops_at_once_and_damages_nothing() {
    let place = Place::new();
    let facts = fixture("known_1000.json");
    let words =
        ["trace", "--facts", &facts, "--limit", "2", "--samples", "60", "--memory", "24MiB"];
    let slow = words.map(str::to_owned);
    let mut child = start(&place, &slow, &["--out", "stopped"]);
    wait_for(&mut child, || place.path("stopped/run.json").exists());
    signal(&child, "-INT");
    // The first one has to be heard before the second.
    sleep(Duration::from_millis(300));
    signal(&child, "-INT");
    let (code, told) = end(&place, child);
    assert_eq!(code, Some(130));
    assert!(!told.contains("are done"), "it ended in order: {told}");
    let quiet = [&slow[..], &["--quiet".to_owned()]].concat();
    assert_eq!(run(&place, &quiet, &["--out", "stopped"]), (Some(0), String::new()));
    assert_eq!(run(&place, &quiet, &["--out", "undisturbed"]).0, Some(0));
    assert_equal(&place, "stopped", "undisturbed");
}

#[test]
fn shards_are_joined_to_what_one_machine_would_have_computed() {
    let place = Place::new();
    let sweep = facts("7");
    assert_eq!(run(&place, &sweep, &["--out", "whole"]).0, Some(0));
    let folders: Vec<String> = (1..=3).map(|index| format!("shard-{index}")).collect();
    for (index, folder) in folders.iter().enumerate() {
        let shard = format!("{}/3", index + 1);
        assert_eq!(run(&place, &sweep, &["--out", folder, "--shard", &shard]).0, Some(0));
    }
    let merge = |shards: &[String]| {
        let shards = shards.iter().map(String::as_str);
        let words: Vec<&str> =
            ["merge"].into_iter().chain(shards).chain(["--out", "merged"]).collect();
        let output = place.tracewright(&words).output().expect("a run");
        (output.status.code(), place.text(&output.stderr) + &place.text(&output.stdout))
    };
    let (code, told) = merge(&folders[..2]);
    assert_eq!(code, Some(2));
    assert_snapshot!(told, @"error: 5 of the sweep's 7 passes are there: give also the folders of the shards 3/3");
    let (code, told) = merge(&folders);
    assert_eq!(code, Some(0), "{told}");
    assert_snapshot!(told, @"3 shards joined to merged: 7 cases, 636 rows of results");
    // Figures are drawn by the sweep that shows them.
    fs::remove_dir_all(place.path("whole/figures")).expect("figures");
    assert_equal(&place, "merged", "whole");
    let (code, told) = run(&place, &sweep, &["--out", "shard-1", "--shard", "2/3"]);
    assert_eq!(code, Some(2));
    assert_snapshot!(told, @r#"
    error: shard-1 holds the results of another request; what differs:
      shard: "1/3" there, "2/3" now
    Give the settings that it was started with to go on with it, or choose another folder for the new ones
    "#);
}

#[test]
fn a_run_file_says_everything_that_it_takes_to_run_again() {
    let place = Place::new();
    let trace = facts("3");
    assert_eq!(run(&place, &trace, &["--out", "first"]).0, Some(0));
    place.output(&["sweep", "first/run.json", "--out", "again", "--quiet"]);
    assert_equal(&place, "first", "again");
    let pair =
        ["pair", "--clean", "The capital of France is", "--corrupted", "The capital of Poland is"];
    let settings = ["--site", "z", "--per", "layer,head", "--memory", "16MiB", "--bos", "on"];
    place.output(&[&pair[..], &settings, &["--out", "pair"]].concat());
    place.output(&["sweep", "pair/run.json", "--out", "pair again"]);
    assert_equal(&place, "pair", "pair again");
    for (name, words) in [
        (
            "ablation",
            &["pair", "--change", "zero", "--direction", "noise", "--executor", "reference"][..],
        ),
        ("noise", &["trace", "--noise", "0.2", "--sever", "mlp", "--stream", "--samples", "2"]),
        ("bf16", &["pair", "--dtype", "bf16", "--per", "layer"]),
        ("shard", &["pair", "--shard", "1/1", "--memory", "32MiB"]),
    ] {
        let (first, again) = (format!("{name} first"), format!("{name} again"));
        place.warned(&[words, &["--out", &first]].concat());
        let run = format!("{first}/run.json");
        place.warned(&["sweep", &run, "--out", &again]);
        assert_equal(&place, &first, &again);
    }
    let facts = fs::read_to_string(fixture("known_1000.json")).expect("facts");
    place.write("facts.json", &facts);
    let words =
        ["trace", "--facts", "facts.json", "--limit", "2", "--samples", "2", "--kind", "mlp"];
    place.output(&[&words[..], &["--out", "own", "--quiet"]].concat());
    place.write("facts.json", facts.replace("Vinson Massif", "Mount Vinson"));
    let again =
        place.tracewright(&["sweep", "own/run.json", "--out", "other"]).output().expect("a run");
    assert_eq!(again.status.code(), Some(2));
    assert_snapshot!(place.text(&again.stderr), @r"
    error: this isn't the run on record any more, because the model or a file has changed; what differs:
      noise.std: 0.2083209604024887 there, 0.20831850171089172 now
    ");
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let place = Place::new();
    let sweep = facts("2");
    assert_eq!(run(&place, &sweep, &["--out", "used"]).0, Some(0));
    // Another process has it open.
    let lock = fs::File::options().write(true).open(place.path("used/.lock")).expect("the lock");
    lock.lock().expect("nobody else has it");
    let before = files(&place.path("used"));
    let (code, told) = run(&place, &sweep, &["--out", "used"]);
    assert_eq!(code, Some(2));
    assert_snapshot!(told, @"error: used is in use by another process: wait until it has finished, or choose another folder");
    assert!(files(&place.path("used")) == before);
}

#[test]
fn results_that_were_damaged_are_computed_again() {
    let place = Place::new();
    let sweep = facts("4");
    assert_eq!(run(&place, &sweep, &["--out", "damaged"]).0, Some(0));
    assert_eq!(run(&place, &sweep, &["--out", "undisturbed"]).0, Some(0));
    let noise: Vec<u8> = (0..5000u32).map(|i| (i * i % 251) as u8).collect();
    let cut = place.read("damaged/parts/pass-00000.parquet");
    place.write("damaged/parts/pass-00000.parquet", &cut[..cut.len() / 2]);
    place.write("damaged/parts/pass-00002.parquet", &noise);
    place.write("damaged/cells.parquet", &noise);
    place.write("damaged/cases/knowledge_1.npz", b"");
    let (code, told) = run(&place, &sweep, &["--out", "damaged"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told.matches("was damaged").count(), 2, "{told}");
    assert_equal(&place, "damaged", "undisturbed");
    // Without it nobody knows what the parts are of.
    place.write("damaged/run.json", &noise);
    let (code, told) = run(&place, &sweep, &["--out", "damaged"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("run.json is damaged"), "{told}");
}

#[test]
fn readings_that_were_damaged_are_read_again() {
    let place = Place::new();
    let pair = ["pair", "--read", "z@3", "--per", "layer"];
    place.output(&[&pair[..], &["--out", "damaged"]].concat());
    place.output(&[&pair[..], &["--out", "undisturbed"]].concat());
    let readings = place.read("damaged/cases/france_readings.npz");
    place.write("damaged/cases/france_readings.npz", &readings[..readings.len() / 2]);
    place.output(&[&pair[..], &["--out", "damaged"]].concat());
    assert_equal(&place, "damaged", "undisturbed");
}

/// Runs a sweep into a file system that `mount` makes at `disk`, where this system lets us make one.
#[expect(clippy::print_stderr, reason = "who reads the tests' output learns what wasn't tested")]
fn on_a_disk(place: &Place, mount: &str, sweep: &[String]) -> Option<(Option<i32>, String)> {
    fs::create_dir_all(place.path("disk")).expect("a folder");
    let program = env!("CARGO_BIN_EXE_tracewright");
    let sweep: Vec<String> = sweep.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "{mount} || exit 99; {program} {} --out disk/out; code=$?; cp -r disk/out copy 2>/dev/null; exit $code",
        sweep.join(" ")
    );
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script]).current_dir(place.path("."));
    let output = command.env("HF_HUB_OFFLINE", "1").output().ok()?;
    let told = place.text(&output.stderr);
    let made = output.status.code() != Some(99) && !told.starts_with("unshare:");
    if !made {
        eprintln!("no file system can be made here, so this isn't tested: {told}");
    }
    made.then(|| (output.status.code(), told))
}

#[test]
fn a_full_disk_loses_nothing() {
    let place = Place::new();
    let sweep = facts("8");
    let small = "mount -t tmpfs -o size=64k none disk";
    let Some((code, told)) = on_a_disk(&place, small, &sweep) else { return };
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("the disk is full") && told.contains("give the same command again"),
        "{told}"
    );
    let done = parts(&place, "copy");
    assert!((1..8).contains(&done), "{done} passes");
    // Somebody has made room.
    let (code, told) = run(&place, &sweep, &["--out", "copy"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert_eq!(run(&place, &sweep, &["--out", "undisturbed"]).0, Some(0));
    assert_equal(&place, "copy", "undisturbed");
}

#[test]
fn a_read_only_folder_is_told_before_anything_is_computed() {
    let place = Place::new();
    let read_only = "mount -t tmpfs -o ro none disk";
    let Some((code, told)) = on_a_disk(&place, read_only, &facts("2")) else { return };
    assert_eq!(code, Some(2), "{told}");
    assert_snapshot!(told, @"error: disk/out can't be written (Read-only file system (os error 30)): make its folder writable, or choose another folder for the results");
}
