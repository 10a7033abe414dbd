//! The layers of `docs/architecture.md`, held.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate with the highest of ours that it may depend on; what those depend on is allowed too.
/// `None`: any.
const LAYERS: [(&str, Option<&[&str]>); 11] = [
    ("tracewright-ir", Some(&[])),
    ("tracewright-corruption", Some(&["tracewright-ir"])),
    ("tracewright-models", Some(&["tracewright-ir"])),
    ("tracewright-metrics", Some(&["tracewright-ir"])),
    (
        "tracewright-engine",
        Some(&["tracewright-models", "tracewright-corruption", "tracewright-metrics"]),
    ),
    ("tracewright-results", Some(&["tracewright-ir"])),
    ("tracewright-sweep", Some(&["tracewright-engine", "tracewright-results"])),
    ("tracewright-report", Some(&["tracewright-results"])),
    ("tracewright", None),
    ("xtask", None),
    ("tracewright-benches", None),
];

/// The crates that may name a tensor.
const WITH_TENSORS: [&str; 3] = ["tracewright-models", "tracewright-metrics", "tracewright-engine"];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The workspace's packages, as `cargo metadata` prints them.
fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version=1"]).current_dir(top());
    let output = cargo.output().expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a name")
}

/// Names of a package's normal and build dependencies.
fn dependencies(package: &Value) -> BTreeSet<&str> {
    let all = package["dependencies"].as_array().expect("dependencies");
    all.iter().filter(|dependency| dependency["kind"] != "dev").map(name).collect()
}

/// Everything that a crate may depend on.
fn allowed(name: &str, layers: &BTreeMap<&str, Option<&[&'static str]>>) -> BTreeSet<&'static str> {
    let mut allowed = BTreeSet::new();
    for &below in layers.get(name).copied().flatten().into_iter().flatten() {
        allowed.insert(below);
        allowed.extend(self::allowed(below, layers));
    }
    allowed
}

#[test]
fn every_crate_depends_on_lower_ones_only() {
    let (packages, layers) = (packages(), BTreeMap::from(LAYERS));
    for package in &packages {
        let name = name(package);
        let Some(layer) = layers.get(name) else {
            panic!("{name} has no place among the layers: give it one in section 3 of the design");
        };
        let ours = dependencies(package).into_iter().filter(|name| layers.contains_key(name));
        let allowed = allowed(name, &layers);
        let wrong: Vec<&str> = ours.filter(|ours| !allowed.contains(ours)).collect();
        assert!(layer.is_none() || wrong.is_empty(), "{name} may not depend on {wrong:?}");
    }
    let found: BTreeSet<&str> = packages.iter().map(name).collect();
    let missing: Vec<_> = layers.keys().filter(|name| !found.contains(*name)).collect();
    assert!(missing.is_empty(), "these crates aren't in the workspace: {missing:?}");
}

#[test]
fn only_models_metrics_and_engine_depend_on_burn() {
    for package in &packages() {
        let name = name(package);
        let excepted =
            WITH_TENSORS.contains(&name) || ["xtask", "tracewright-benches"].contains(&name);
        let tensors = |name: &&str| name.starts_with("burn") || name.starts_with("cubecl");
        let wrong: Vec<&str> = dependencies(package).into_iter().filter(tensors).collect();
        assert!(excepted || wrong.is_empty(), "{name} depends on {wrong:?}");
    }
}

#[test]
fn the_program_names_the_version_of_burn_that_it_is_built_with() {
    let lock = fs::read_to_string(top().join("Cargo.lock")).expect("Cargo.lock");
    let entry = lock.split("[[package]]").find(|entry| entry.contains("\nname = \"burn\"\n"));
    let locked = value(entry.expect("burn in Cargo.lock"), "version = \"");
    let session = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/session.rs");
    let session = fs::read_to_string(session).expect("session.rs");
    assert_eq!(value(&session, "const BURN: &str = \""), locked);
}

/// What stands between `start` and the next quote.
fn value<'a>(text: &'a str, start: &str) -> &'a str {
    let (_, rest) = text.split_once(start).expect(start);
    rest.split_once('"').expect("a closing quote").0
}

#[test]
fn only_the_program_prints_and_exits() {
    const FORBIDDEN: [&str; 7] =
        ["println!", "print!", "eprintln!", "eprint!", "dbg!", "process::exit", "io::stdout"];
    let libraries = LAYERS
        .map(|(name, _)| name)
        .into_iter()
        .filter_map(|name| name.strip_prefix("tracewright-").filter(|name| *name != "benches"));
    let mut waiting: Vec<PathBuf> =
        libraries.map(|name| top().join("crates").join(name).join("src")).collect();
    assert_eq!(waiting.len(), 8);
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files += 1;
            let text = fs::read_to_string(&path).expect("a source file");
            for (index, line) in text.lines().enumerate() {
                let code = !line.trim_start().starts_with("//");
                let found = FORBIDDEN.iter().find(|word| code && line.contains(*word));
                assert!(found.is_none(), "{}:{}: {line}", path.display(), index + 1);
            }
        }
    }
    assert!(files > 50, "{files} files were read");
}
