//! A small sweep that works in a folder with a mirror; for tests of mirrors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tracewright_ir::Tokens;
use tracewright_results::{
    Array, CaseRecord, KindGrid, Mirror, Part, ResultsError, ResultsFolder, Row,
};

pub(crate) const PASSES: usize = 3;

pub(crate) fn request() -> Value {
    json!({"kind": ["hidden"], "noise": "s3"})
}

/// A name that no file and no object can have as it stands.
pub(crate) fn case_name(pass: usize) -> String {
    format!("a/b ü%{pass}")
}

/// The part of a pass, with what was read of its case.
pub(crate) fn part(pass: usize) -> Part {
    let name = case_name(pass);
    let grid = KindGrid {
        kind: "hidden".into(),
        site: "resid_post".into(),
        metric: "prob".into(),
        layers: 1,
    };
    let texts = vec!["Hi".to_owned()];
    let case = CaseRecord {
        name: name.clone(),
        prompt: "Hi".into(),
        tokens: Tokens { ids: vec![1], texts, offsets: std::iter::once(0..2).collect() },
        grids: vec![grid],
        extra: json!({"pass": pass}),
        ..CaseRecord::default()
    };
    let row = Row {
        case: name.clone(),
        kind: Some("hidden".into()),
        site: "resid_post".into(),
        layer: Some(0),
        position: Some(0),
        metric: "prob".into(),
        value: Some(pass as f64),
        n: 1,
        ..Row::default()
    };
    let read = Array::new(&[2], vec![pass as f32; 2]).unwrap();
    let readings = vec![(name, vec![("resid_post.0".to_owned(), read)])];
    Part { cases: vec![case], rows: vec![row], readings }
}

pub(crate) fn open(folder: &Path, request: &Value) -> Result<ResultsFolder, ResultsError> {
    ResultsFolder::open(folder, request, &json!({"threads": 2}), PASSES)
}

/// Runs the sweep in a folder and its mirror, as the program does; returns how many passes it had to compute.
pub(crate) fn run(mirror: &Mirror, folder: &Path) -> Result<usize, ResultsError> {
    mirror.fetch(folder)?;
    let mut results = open(folder, &request())?;
    mirror.begin(folder)?;
    let missing: Vec<usize> =
        (0..PASSES).filter(|pass| !results.finished().contains(pass)).collect();
    for &pass in &missing {
        let part = part(pass);
        results.commit(pass, &part)?;
        mirror.commit(folder, pass, &part)?;
    }
    let mut files = results.finish(&json!({"seconds": 1}))?.files;
    let figure = folder.join("figures/knowledge_0.png");
    tracewright_results::write_whole(&figure, b"PNG")?;
    files.push(figure);
    mirror.finish(folder, &files)?;
    Ok(missing.len())
}

/// All files below a folder but the lock, by their names.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(below).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".lock") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

/// What must hold of a store at any moment: parts belong to a request, and none is without its readings.
pub(crate) fn assert_sound(stored: &BTreeMap<String, Vec<u8>>) {
    for pass in 0..PASSES {
        if stored.contains_key(&format!("parts/pass-{pass:05}.parquet")) {
            assert!(stored.contains_key("run.json"), "{:?}", stored.keys());
            let readings = format!("cases/a%2Fb%20ü%25{pass}_readings.npz");
            assert!(stored.contains_key(&readings), "{readings}: {:?}", stored.keys());
        }
    }
}
