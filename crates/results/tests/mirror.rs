//! A results folder and its copy in an object store that is a folder.

#![cfg(feature = "object-store")]

mod mirrored;

use std::fs;
use std::path::{Path, PathBuf};

use mirrored::{PASSES, assert_sound, case_name, files, open, part, request, run};
use serde_json::json;
use tempfile::TempDir;
use tracewright_results::{Mirror, ResultsError, StoreError, load};

/// An empty store and an empty folder.
fn place() -> (TempDir, Mirror, PathBuf, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let (store, folder) = (place.path().join("my store"), place.path().join("folder"));
    let mirror = mirror(&store);
    (place, mirror, store, folder)
}

fn mirror(store: &Path) -> Mirror {
    let path = store.to_str().unwrap().replace('\\', "/").replace(' ', "%20");
    Mirror::open_with(&format!("file:///{}", path.trim_start_matches('/')), []).unwrap()
}

#[test]
fn the_store_holds_what_the_folder_holds_and_can_be_loaded() {
    let (_place, mirror, store, folder) = place();
    assert_eq!(run(&mirror, &folder).unwrap(), PASSES);
    let stored = files(&store);
    assert_eq!(stored, files(&folder));
    for name in ["run.json", "cells.parquet", "figures/knowledge_0.png"] {
        assert!(stored.contains_key(name), "{name}");
    }
    assert_eq!(load(&store).unwrap(), load(&folder).unwrap());
}

#[test]
fn a_sweep_goes_on_from_the_store_alone() {
    let (place, mirror, store, folder) = place();
    mirror.fetch(&folder).unwrap();
    let mut results = open(&folder, &request()).unwrap();
    mirror.begin(&folder).unwrap();
    results.commit(1, &part(1)).unwrap();
    mirror.commit(&folder, 1, &part(1)).unwrap();
    assert_sound(&files(&store));

    let elsewhere = place.path().join("elsewhere");
    assert_eq!(run(&mirror, &elsewhere).unwrap(), PASSES - 1);
    assert_eq!(files(&store), files(&elsewhere));
    assert_eq!(mirror.fetch(&place.path().join("third")).unwrap(), PASSES);
    let third = open(&place.path().join("third"), &request()).unwrap();
    assert!(third.has_readings(&case_name(0)));
    drop(results);
}

#[test]
fn a_part_without_its_readings_is_never_stored() {
    let (_place, mirror, store, folder) = place();
    mirror.fetch(&folder).unwrap();
    let mut results = open(&folder, &request()).unwrap();
    mirror.begin(&folder).unwrap();
    results.commit(0, &part(0)).unwrap();
    // Where the readings should go, a folder stands.
    let in_the_way = store.join("cases/a%2Fb%20ü%250_readings.npz");
    fs::create_dir_all(in_the_way.join("x")).unwrap();
    let error = mirror.commit(&folder, 0, &part(0)).unwrap_err();
    assert!(matches!(error, ResultsError::Store(StoreError::Failed { .. })), "{error}");
    assert!(!store.join("parts/pass-00000.parquet").exists());

    fs::remove_dir_all(in_the_way).unwrap();
    drop(results);
    assert_eq!(run(&mirror, &folder).unwrap(), PASSES - 1, "the pass was kept in the folder");
    assert_eq!(files(&store), files(&folder));
}

#[test]
fn what_is_lost_or_damaged_in_the_folder_comes_back_from_the_store() {
    let (_place, mirror, _, folder) = place();
    run(&mirror, &folder).unwrap();
    let before = files(&folder);
    let part = folder.join("parts/pass-00000.parquet");
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(part, bytes).unwrap();
    fs::remove_file(folder.join("parts/pass-00001.parquet")).unwrap();
    assert_eq!(mirror.fetch(&folder).unwrap(), 2);
    assert_eq!(run(&mirror, &folder).unwrap(), 0);
    assert_eq!(files(&folder), before);
}

#[test]
fn what_is_damaged_in_the_store_is_computed_again() {
    let (place, mirror, store, folder) = place();
    run(&mirror, &folder).unwrap();
    let whole = files(&store);
    fs::write(store.join("parts/pass-00002.parquet"), b"PAR1").unwrap();
    assert_eq!(run(&mirror, &place.path().join("elsewhere")).unwrap(), 1);
    assert_eq!(files(&store), whole);
}

#[test]
fn large_files_go_up_and_come_down_whole() {
    let (place, mirror, store, folder) = place();
    mirror.fetch(&folder).unwrap();
    let _results = open(&folder, &request()).unwrap();
    let bytes: Vec<u8> = (0..(40 << 20)).map(|i: u32| (i / 7) as u8).collect();
    fs::create_dir_all(folder.join("cases")).unwrap();
    fs::write(folder.join("cases/big_readings.npz"), &bytes).unwrap();
    mirror.begin(&folder).unwrap();
    assert!(fs::read(store.join("cases/big_readings.npz")).unwrap() == bytes);
    let elsewhere = place.path().join("elsewhere");
    mirror.fetch(&elsewhere).unwrap();
    assert!(fs::read(elsewhere.join("cases/big_readings.npz")).unwrap() == bytes);
}

#[test]
fn another_request_is_refused_and_nothing_changes() {
    let (place, mirror, store, folder) = place();
    run(&mirror, &folder).unwrap();
    let before = files(&store);
    let elsewhere = place.path().join("elsewhere");
    mirror.fetch(&elsewhere).unwrap();
    let error = open(&elsewhere, &json!({"kind": ["mlp"], "noise": "s3"})).unwrap_err();
    assert!(matches!(error, ResultsError::DifferentRequest { .. }), "{error}");
    assert_eq!(files(&store), before);
}

#[test]
fn a_folder_and_a_store_that_were_begun_apart_are_not_mixed() {
    let (place, mirror, store, folder) = place();
    run(&mirror, &folder).unwrap();
    let (here, other) = (place.path().join("here"), json!({"kind": ["mlp"]}));
    open(&here, &other).unwrap().commit(0, &part(0)).unwrap();
    let before = (files(&store), files(&here));
    let error = mirror.fetch(&here).unwrap_err();
    assert!(matches!(error, ResultsError::Store(StoreError::BegunApart { .. })), "{error}");
    assert!(error.to_string().contains(r#"request.kind[0]: "hidden" there, "mlp" now"#), "{error}");
    assert_eq!((files(&store), files(&here)), before);
}

#[test]
fn a_folder_without_parts_takes_the_stored_request() {
    let (place, mirror, _, folder) = place();
    run(&mirror, &folder).unwrap();
    let here = place.path().join("here");
    drop(open(&here, &json!({"kind": ["mlp"]})).unwrap());
    assert_eq!(mirror.fetch(&here).unwrap(), PASSES);
    assert_eq!(open(&here, &request()).unwrap().finished().len(), PASSES);
}

#[test]
fn what_it_cost_comes_with_the_parts() {
    let (_place, mirror, store, folder) = place();
    mirror.fetch(&folder).unwrap();
    open(&folder, &request()).unwrap().commit(0, &part(0)).unwrap();
    mirror.begin(&folder).unwrap();
    let elsewhere = store.with_file_name("elsewhere");
    run(&mirror, &elsewhere).unwrap();
    mirror.fetch(&folder).unwrap();
    drop(open(&folder, &request()).unwrap());
    assert_eq!(load(&folder).unwrap().cost, Some(json!({"seconds": 1})));
}

#[test]
fn objects_of_something_else_are_refused() {
    let (_place, mirror, store, folder) = place();
    fs::create_dir_all(store.join("photos")).unwrap();
    fs::write(store.join("photos/cat.jpg"), b"cat").unwrap();
    let error = mirror.fetch(&folder).unwrap_err();
    assert!(error.to_string().contains("photos/cat.jpg"), "{error}");
    assert!(matches!(error, ResultsError::Store(StoreError::NotOurs { .. })), "{error}");
    assert!(!folder.exists());
}

#[test]
fn objects_that_are_not_ours_beside_results_are_left_alone() {
    let (place, mirror, store, folder) = place();
    run(&mirror, &folder).unwrap();
    fs::write(store.join("cases/notes.txt"), b"mine").unwrap();
    fs::write(store.join("parts/pass-1.parquet"), b"mine").unwrap();
    let elsewhere = place.path().join("elsewhere");
    mirror.fetch(&elsewhere).unwrap();
    assert!(!elsewhere.join("cases/notes.txt").exists());
    assert!(!elsewhere.join("parts/pass-1.parquet").exists());
}

#[test]
fn a_folder_in_use_is_not_written_to() {
    let (_place, mirror, _, folder) = place();
    run(&mirror, &folder).unwrap();
    let _open = open(&folder, &request()).unwrap();
    let error = mirror.fetch(&folder).unwrap_err();
    assert!(matches!(error, ResultsError::InUse { .. }), "{error}");
}

#[test]
fn a_file_from_outside_the_folder_is_refused() {
    let (place, mirror, _, folder) = place();
    run(&mirror, &folder).unwrap();
    let error = mirror.finish(&folder, &[place.path().join("x.png")]).unwrap_err();
    assert!(error.to_string().contains("x.png can't hold"), "{error}");
}

#[test]
fn an_address_that_holds_no_results_says_what_to_give() {
    let problem = |url: &str| Mirror::open_with(url, []).unwrap_err().to_string();
    let advice = "Give s3://BUCKET/PATH, file:///PATH or the path of a local folder";
    for url in
        ["ftp://host/x", "https://example.com/x", "out/x", "memory:///", "s3:///x", "gs://b/x"]
    {
        assert!(problem(url).contains(advice), "{}", problem(url));
    }
    insta::assert_snapshot!(
        problem("ftp://host/x"),
        @"ftp://host/x isn't an address for results: no store of the kind ftp: is known. Give s3://BUCKET/PATH, file:///PATH or the path of a local folder"
    );
}

#[test]
fn keys_in_an_address_are_refused_and_never_shown() {
    for url in [
        "s3://AKIA:hush@bucket/x",
        "s3://bucket/x?X-Amz-Signature=hush",
        "s3://bucket/x#hush",
        "https://AKIA:hush@b.s3.eu-west-1.amazonaws.com/x",
        "s3://AKIA:hush@:bad/x",
    ] {
        let error = Mirror::open_with(url, []).unwrap_err();
        assert!(matches!(error, ResultsError::Store(StoreError::Address { .. })), "{error}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("AKIA"), "{error:?}");
    }
}

#[test]
fn a_setting_that_cannot_be_read_is_told() {
    let settings = [("AWS_ALLOW_HTTP".to_owned(), "perhaps".to_owned())];
    let error = Mirror::open_with("s3://bucket/x", settings).unwrap_err();
    assert!(matches!(error, ResultsError::Store(StoreError::Settings { .. })), "{error}");
    assert!(error.to_string().contains("perhaps"), "{error}");
}
