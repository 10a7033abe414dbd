//! The page that `report --html` writes; what it does in a browser is tested in `crates/report/page-test`.

mod common;

use common::{Place, fixture};

#[test]
fn a_page_has_the_cases_of_each_of_its_runs() {
    let place = Place::new();
    let facts = fixture("known_1000.json");
    let trace = ["trace", "--facts", &facts, "--limit", "6", "--samples", "3"];
    for (out, noise) in [("runs/strong", "s3"), ("runs/weak", "0.1")] {
        place.output(&[&trace[..], &["--noise", noise, "--out", out]].concat());
    }
    place.output(&["report", "runs/strong", "--html"]);
    place.output(&["report", "runs/weak", "--against", "runs/strong", "--html=compared.html"]);
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
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("there is no folder 'runs/run.json' for the page"), "{told}");
    assert_eq!(
        place.message(&["report", "runs", "--html=runs"]),
        "error: 'runs' is a folder: give the page's file, --html=runs/report.html"
    );
}
