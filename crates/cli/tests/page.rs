//! The page that `report --html` writes; what it does in a browser is tested in `crates/report/page-test`.

mod common;

use std::fs;

use common::{Place, fixture};

/// The commands of the page on the page, with continued lines joined.
fn commands() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/page.md");
    let text = fs::read_to_string(page).expect("the page");
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_docs_works_and_writes_its_page() {
    let place = Place::new();
    place.write("known_1000.json", fs::read(fixture("known_1000.json")).expect("facts"));
    for command in commands() {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        place.output(&words);
    }
    for (file, runs) in [("runs/strong/report.html", 1), ("compared.html", 2)] {
        let page = String::from_utf8(place.read(file)).expect("UTF-8");
        assert!(page.starts_with("<!doctype html>"), "{file}");
        // Six cases and all of them together, of each run.
        assert_eq!(page.matches("<script type=\"application/json\" id=\"case-").count(), 6 * runs);
        assert_eq!(page.matches("<script type=\"application/json\" id=\"all-").count(), runs);
    }
}

#[test]
fn a_folder_with_its_page_is_a_results_folder_as_before() {
    let place = Place::new();
    place.output(&["pair", "--out", "runs"]);
    let before = place.json(&["report", "runs"]);
    let written = place.json(&["report", "runs", "--html"]);
    assert!(
        written["page"].as_str().is_some_and(|page| page.ends_with("report.html")),
        "{written}"
    );
    let page = place.read("runs/report.html");
    place.output(&["pair", "--out", "runs"]);
    assert_eq!(place.json(&["report", "runs"]), before);
    place.output(&["report", "runs", "--html"]);
    assert_eq!(place.read("runs/report.html"), page);
}

#[test]
fn a_page_that_cannot_be_written_is_told() {
    let place = Place::new();
    place.output(&["pair", "--out", "runs"]);
    // A file can't hold another one.
    let output = place
        .tracewright(&["report", "runs", "--html=runs/run.json/report.html"])
        .output()
        .expect("a run");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("run.json"), "{told}");
}
