//! The pages of `docs/reference` say what the code says.

use std::fs;

use xtask::reference;

#[test]
fn the_reference_says_what_the_code_says() {
    reference::check(&reference::folder()).unwrap();
}

#[test]
fn a_page_that_was_changed_by_hand_or_is_missing_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let pages = reference::write(folder.path()).unwrap();
    assert_eq!(pages.len(), 7);
    reference::check(folder.path()).unwrap();
    let (metrics, sites) = (folder.path().join("metrics.md"), folder.path().join("sites.md"));
    fs::write(&metrics, fs::read_to_string(&metrics).unwrap().replace("kl", "lk")).unwrap();
    fs::remove_file(&sites).unwrap();
    let message = reference::check(folder.path()).unwrap_err().to_string();
    assert!(message.contains("metrics.md") && message.contains("sites.md"), "{message}");
    assert!(message.contains("cargo xtask reference"), "{message}");
    assert!(!message.contains("errors.md"), "{message}");
}
