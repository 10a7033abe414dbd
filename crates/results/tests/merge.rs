//! Shards that are joined, and folders that aren't shards of one sweep.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tracewright_ir::Tokens;
use tracewright_results::{Array, CaseRecord, KindGrid, Part, ResultsFolder, Row, load, merge};

/// Three passes of a case each.
const PASSES: usize = 3;

fn part(pass: usize) -> Part {
    let name = format!("case {pass}");
    let case = CaseRecord {
        name: name.clone(),
        prompt: "Hi there".into(),
        tokens: Tokens { ids: vec![7], texts: vec!["Hi there".into()], ..Tokens::default() },
        correct_prediction: true,
        grids: vec![KindGrid {
            kind: "hidden".into(),
            site: "resid_post".into(),
            metric: "prob".into(),
            layers: 1,
        }],
        ..CaseRecord::default()
    };
    let cell = Row {
        case: name.clone(),
        kind: Some("hidden".into()),
        site: "resid_post".into(),
        layer: Some(0),
        position: Some(0),
        metric: "prob".into(),
        value: Some(pass as f64 / 8.0),
        n: 1,
        ..Row::default()
    };
    let readings = vec![(name, vec![("z".to_owned(), Array::vector(vec![pass as f32]))])];
    Part { cases: vec![case], rows: vec![cell], readings }
}

/// A folder with some passes.
fn folder(shard: Option<&str>, seed: u32, environment: &Value, passes: &[usize]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut request = json!({"seed": seed});
    if let Some(shard) = shard {
        request["shard"] = shard.into();
    }
    let mut folder = ResultsFolder::open(dir.path(), &request, environment, PASSES).unwrap();
    for pass in passes {
        folder.commit(*pass, &part(*pass)).unwrap();
    }
    folder.finish(&json!({"flops": 2, "seconds": 0.5, "peak_bytes": passes.len()})).unwrap();
    dir
}

fn environment() -> Value {
    json!({"threads": 2, "memory": 100})
}

fn paths(folders: &[&TempDir]) -> Vec<PathBuf> {
    folders.iter().map(|folder| folder.path().to_path_buf()).collect()
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for below in ["", "cases", "parts"] {
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && !path.ends_with("run.json") {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                files.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn refusal(shards: &[&TempDir]) -> String {
    let out = tempfile::tempdir().unwrap();
    let mut error = merge(&paths(shards), out.path()).unwrap_err().to_string();
    for (index, shard) in shards.iter().enumerate() {
        error = error.replace(&shard.path().display().to_string(), &format!("DIR{index}"));
    }
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "nothing is written");
    error
}

#[test]
fn shards_together_are_the_sweep() {
    let first = folder(Some("1/2"), 1, &environment(), &[0, 2]);
    let second = folder(Some("2/2"), 1, &environment(), &[1]);
    let whole = folder(None, 1, &environment(), &[0, 1, 2]);
    let out = tempfile::tempdir().unwrap();
    let merged = merge(&paths(&[&second, &first]), out.path()).unwrap();
    assert_eq!((merged.written.cases, merged.written.rows), (3, 3));
    assert_eq!(merged.differences, []);
    assert_eq!(files(out.path()), files(whole.path()));
    let results = load(out.path()).unwrap();
    assert_eq!(results.request, json!({"seed": 1}));
    assert_eq!(results.cost, Some(json!({"flops": 4, "seconds": 1.0, "peak_bytes": 2})));
    // Once more changes nothing.
    merge(&paths(&[&first, &second]), out.path()).unwrap();
    assert_eq!(files(out.path()), files(whole.path()));
}

#[test]
fn another_machine_is_told_and_another_division_refused() {
    let first = folder(Some("1/2"), 1, &environment(), &[0, 2]);
    let second = folder(Some("2/2"), 1, &json!({"threads": 8, "memory": 100}), &[1]);
    let out = tempfile::tempdir().unwrap();
    let merged = merge(&paths(&[&first, &second]), out.path()).unwrap();
    let [(path, lines)] = &merged.differences[..] else { panic!("{:?}", merged.differences) };
    assert_eq!((path.as_path(), lines.as_str()), (second.path(), "  threads: 2 there, 8 now"));
    let third = folder(Some("2/2"), 1, &json!({"threads": 2, "memory": 50}), &[1]);
    insta::assert_snapshot!(refusal(&[&first, &third]), @r"
    DIR0 and DIR1 aren't shards of one sweep: they divide it differently:
      memory: 100 there, 50 now
    ");
}

#[test]
fn folders_of_other_sweeps_and_missing_shards_are_refused() {
    let first = folder(Some("1/3"), 1, &environment(), &[0]);
    let other = folder(Some("2/3"), 2, &environment(), &[1]);
    insta::assert_snapshot!(refusal(&[&first, &other]), @r"
    DIR0 and DIR1 aren't shards of one sweep: they ask for different things:
      seed: 1 there, 2 now
    ");
    let second = folder(Some("2/3"), 1, &environment(), &[1]);
    insta::assert_snapshot!(refusal(&[&first, &second]), @"2 of the sweep's 3 passes are there: give also the folders of the shards 3/3");
    let unfinished = folder(Some("3/3"), 1, &environment(), &[]);
    insta::assert_snapshot!(refusal(&[&first, &second, &unfinished]), @"2 of the sweep's 3 passes are there: not all of the shards are finished: give their commands again");
    assert_eq!(
        refusal(&[]),
        "there is nothing to merge: give the folders of all shards of a sweep"
    );
}

#[test]
fn a_damaged_part_is_refused_before_anything_is_written() {
    let first = folder(Some("1/2"), 1, &environment(), &[0, 2]);
    let second = folder(Some("2/2"), 1, &environment(), &[1]);
    let path = second.path().join("parts/pass-00001.parquet");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(refusal(&[&first, &second]).contains("is damaged"));
}
