//! A results folder and its copy on a server that speaks S3.

#[path = "../../tests/mirrored/mod.rs"]
mod mirrored;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use mirrored::{PASSES, assert_sound, files, open, part, request, run};
use serde_json::json;
use server::{SECRET, Server};
use tempfile::TempDir;
use tracewright_results::{Mirror, ResultsError, StoreError, StoreFailure, load};

const URL: &str = "s3://bucket/my results";

struct Place {
    root: TempDir,
    server: Server,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("buckets/bucket")).unwrap();
        let server = Server::start(&root.path().join("buckets"));
        Self { root, server }
    }

    fn mirror(&self) -> Mirror {
        self.server.mirror(URL, &[]).unwrap()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What the server has on its disk, but for its own notes.
    fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.folder("buckets/bucket/my results"))
    }

    /// How it fails with these settings, which differ from the server's.
    fn failure(&self, url: &str, settings: &[(&str, &str)]) -> (StoreFailure, String) {
        let folder = self.folder("folder");
        let error = self.server.mirror(url, settings).unwrap().fetch(&folder).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("give the same command again to go on"), "{text}");
        assert!(text.contains(folder.to_str().unwrap()), "{text}");
        assert!(!format!("{text} {error:?}").contains(SECRET), "{text}");
        let ResultsError::Store(StoreError::Failed { failure, .. }) = error else {
            panic!("{error}")
        };
        (failure, text)
    }
}

#[test]
fn the_store_holds_what_the_folder_holds() {
    let place = Place::new();
    let folder = place.folder("folder");
    assert_eq!(run(&place.mirror(), &folder).unwrap(), PASSES);
    assert_eq!(place.stored(), files(&folder));
    let fetched = place.folder("fetched");
    assert_eq!(place.mirror().fetch(&fetched).unwrap(), PASSES);
    drop(open(&fetched, &request()).unwrap());
    assert_eq!(load(&fetched).unwrap(), load(&folder).unwrap());
}

#[test]
fn wherever_it_is_cut_off_the_store_is_sound_and_a_sweep_goes_on_from_it() {
    let whole = Place::new();
    run(&whole.mirror(), &whole.folder("folder")).unwrap();
    let whole = whole.stored();
    for writes in 0.. {
        let place = Place::new();
        place.server.cut_off_after(writes);
        let stopped = run(&place.mirror(), &place.folder("folder"));
        assert_sound(&place.stored());
        if stopped.is_ok() {
            assert!(writes > 2 * PASSES, "readings and parts, one request each");
            break;
        }
        let parts = place.stored().keys().filter(|name| name.starts_with("parts/")).count();
        place.server.cut_off_after(usize::MAX);
        let computed = run(&place.mirror(), &place.folder("elsewhere")).unwrap();
        assert_eq!(computed, PASSES - parts, "after {writes} writes");
        assert_eq!(place.stored(), whole, "after {writes} writes");
    }
}

#[test]
fn a_store_that_is_away_for_a_while_is_brought_up_at_the_end() {
    let place = Place::new();
    let (folder, mirror) = (place.folder("folder"), place.mirror());
    let mut results = open(&folder, &request()).unwrap();
    mirror.begin(&folder).unwrap();
    place.server.cut_off_after(0);
    for pass in 0..PASSES {
        results.commit(pass, &part(pass)).unwrap();
        mirror.commit(&folder, pass, &part(pass)).unwrap_err();
    }
    place.server.cut_off_after(usize::MAX);
    let written = results.finish(&json!({"seconds": 1})).unwrap();
    mirror.finish(&folder, &written.files).unwrap();
    assert_eq!(place.stored(), files(&folder));
}

#[test]
fn large_files_go_up_and_come_down_whole() {
    let place = Place::new();
    let (folder, fetched) = (place.folder("folder"), place.folder("fetched"));
    let _results = open(&folder, &request()).unwrap();
    let bytes: Vec<u8> = (0..(40 << 20)).map(|i: u32| (i / 7) as u8).collect();
    fs::create_dir_all(folder.join("cases")).unwrap();
    fs::write(folder.join("cases/big_readings.npz"), &bytes).unwrap();
    place.mirror().begin(&folder).unwrap();
    place.mirror().fetch(&fetched).unwrap();
    assert!(fs::read(fetched.join("cases/big_readings.npz")).unwrap() == bytes);
    // What it has doesn't go up again.
    place.server.cut_off_after(1);
    place.mirror().begin(&folder).unwrap();
}

#[test]
fn a_bucket_that_is_not_there_is_told() {
    let (failure, text) = Place::new().failure("s3://no-such-bucket/x", &[]);
    assert_eq!(failure, StoreFailure::Missing);
    assert!(text.contains("NoSuchBucket") && text.contains("Make the bucket"), "{text}");
}

#[test]
fn wrong_keys_are_told_and_not_shown() {
    let wrong = [
        ("AWS_SECRET_ACCESS_KEY", "hush-hush-but-wrong"),
        ("AWS_SESSION_TOKEN", "hush-hush-token"),
    ];
    let (failure, text) = Place::new().failure(URL, &wrong);
    assert_eq!(failure, StoreFailure::Refused);
    assert!(text.contains("SignatureDoesNotMatch") && text.contains("AWS_REGION"), "{text}");
}

#[test]
fn a_store_without_encryption_is_told_how_to_allow() {
    let (failure, text) = Place::new().failure(URL, &[("AWS_ALLOW_HTTP", "false")]);
    assert_eq!(failure, StoreFailure::Unreachable, "{text}");
    assert!(text.contains("AWS_ALLOW_HTTP=true"), "{text}");
}

#[test]
fn without_keys_it_is_told_where_they_belong() {
    let place = Place::new();
    let mirror = place.server.mirror_without_keys(URL).unwrap();
    let error = mirror.fetch(&place.folder("folder")).unwrap_err();
    assert!(error.to_string().contains("Set AWS_ACCESS_KEY_ID"), "{error}");
}
