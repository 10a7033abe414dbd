//! Datasets from files and generators, and what `report` says of their cases.

mod common;

use common::Place;
use insta::assert_snapshot;
use serde_json::{Value, json};

/// The same pairs in every format.
#[test]
fn pairs_are_the_same_from_every_format_and_keep_their_columns() {
    let place = Place::new();
    let pairs = json!([
        {"name": "france", "clean": "The capital of France is", "corrupted": "The capital of Poland is",
         "subject": "France", "continent": "Europe"},
        {"name": "poland", "clean": "The capital of Poland is", "corrupted": "The capital of France is",
         "subject": "Poland", "continent": "Europe"},
    ]);
    let list = pairs.as_array().expect("a list");
    let lines: Vec<String> = list.iter().map(Value::to_string).collect();
    let mut csv = "name,clean,corrupted,subject,continent\n".to_owned();
    for pair in list {
        let cells = ["name", "clean", "corrupted", "subject", "continent"];
        let cells: Vec<&str> = cells.iter().filter_map(|name| pair[name].as_str()).collect();
        csv += &(cells.join(",") + "\n");
    }
    place.write("pairs.json", pairs.to_string());
    place.write("pairs.jsonl", lines.join("\n")).write("pairs.csv", &csv);
    place.write("pairs.tsv", csv.replace(',', "\t"));
    let settings = ["--site", "resid_post", "--per", "layer", "--metric", "kl"];
    let mut found = Vec::new();
    for format in ["json", "jsonl", "csv", "tsv"] {
        let file = format!("pairs.{format}");
        let run = [&["pair", "--pairs", &file, "--out", format][..], &settings].concat();
        place.output(&run);
        found.push(place.read(&format!("{format}/cells.parquet")));
    }
    assert!(found.windows(2).all(|two| two[0] == two[1]));
    let report = place.json(&["report", "csv", "--by", "continent,layer"]);
    let groups = report["by"]["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 12);
    assert_eq!((&groups[0]["keys"][0], &groups[0]["numbers"]["n"]), (&json!("Europe"), &json!(2)));
}

const BAD: &str = r#"[
    {"known_id": 1, "prompt": "The capital of France is", "subject": "France", "attribute": "Paris"},
    {"known_id": 1, "prompt": "The capital of Italy is", "subject": "Italy", "attribute": "Rome"},
    {"known_id": 2, "prompt": "The capital of Spain is", "subject": "Portugal", "attribute": "Madrid"},
    {"known_id": "x", "subject": "Poland", "attribute": ""}
]"#;

#[test]
fn bad_records_are_all_told_with_their_lines_and_skipped_only_when_asked() {
    let place = Place::new();
    place.write("facts.json", BAD);
    let trace =
        ["trace", "--facts", "facts.json", "--kind", "hidden", "--samples", "2", "--out", "out"];
    assert_snapshot!(place.message(&trace), @r#"
    error: 3 of the 4 records of 'facts.json' can't be used:
      line 3: its id 1 is that of line 2 already
      line 4: its subject 'Portugal' isn't in its prompt 'The capital of Spain is'
      line 5: 'known_id' is "x", not a whole number; 'prompt' is missing; 'attribute' is empty
    mend them, or go on without them: --skip-bad
    "#);
    let skipping = [&trace[..], &["--skip-bad", "--quiet"]].concat();
    let (told, warned) = place.warned(&skipping);
    assert_snapshot!(warned, @r#"
    warning: skipped line 3: its id 1 is that of line 2 already
    warning: skipped line 4: its subject 'Portugal' isn't in its prompt 'The capital of Spain is'
    warning: skipped line 5: 'known_id' is "x", not a whole number; 'prompt' is missing; 'attribute' is empty
    "#);
    assert!(told.contains("1 of 1 case traced") || told.contains("The model gives"), "{told}");
    let run: Value = serde_json::from_slice(&place.read("out/run.json")).expect("JSON");
    assert_eq!(run["environment"]["skipped"].as_array().map(Vec::len), Some(3));
    // What was skipped is skipped again.
    place.warned(&["sweep", "out/run.json", "--out", "again", "--quiet"]);
    assert_eq!(place.read("out/cells.parquet"), place.read("again/cells.parquet"));
}

#[test]
fn pairs_that_do_not_fit_the_model_are_all_told_with_their_lines() {
    let place = Place::new();
    let long = "The capital of the Federal Republic of Germany is";
    let lines = [
        json!({"clean": "The capital of France is", "corrupted": "The capital of Poland is"}),
        json!({"clean": "The capital of France is", "corrupted": long}),
        json!({"clean": "The capital of Italy is", "corrupted": "The capital of Spain is",
               "answer": "Rome and its ruins"}),
    ];
    place.write("pairs.jsonl", lines.map(|line| line.to_string()).join("\n"));
    let pair = ["pair", "--pairs", "pairs.jsonl", "--per", "layer", "--out", "out"];
    let message = place.message(&pair);
    assert!(
        message.starts_with("error: 2 of the 3 cases can't be run:\n  line 2, case 1: "),
        "{message}"
    );
    assert!(message.contains("\n  line 3, case 2: "), "{message}");
    assert!(message.ends_with("mend them, or go on without them: --skip-bad"), "{message}");
    let (_, warned) = place.warned(&[&pair[..], &["--skip-bad"]].concat());
    assert_eq!(warned.matches("warning: skipped line").count(), 2, "{warned}");
}

#[test]
fn generated_pairs_are_equally_long_and_a_seed_s_first_ones_stay() {
    let place = Place::new();
    for task in ["ioi", "ioi-abc", "induction", "induction-random", "similarity"] {
        let few = place.output(&["dataset", task, "-n", "3"]);
        let more = place.output(&["dataset", task, "-n", "5"]);
        assert!(more.starts_with(few.trim_end()), "{task}: {few}{more}");
        assert_ne!(place.output(&["dataset", task, "-n", "3", "--seed", "2"]), few, "{task}");
        place.write("task.jsonl", &more);
        let plan = place.json(&["plan", "pair", "--pairs", "task.jsonl", "--metric", "logit-diff"]);
        assert_eq!(plan["cases"], 5, "{task}");
    }
}

#[test]
fn a_report_says_what_is_wrong_with_its_columns_and_folders() {
    let place = Place::new();
    let pair = ["pair", "--per", "layer", "--out"];
    place.output(&[&pair[..], &["one"]].concat());
    place.output(&[&pair[..], &["two", "--metric", "prob"]].concat());
    assert!(place.message(&["report", "one", "--by", "layre"]).contains("layer"));
    assert_snapshot!(place.message(&["report", "one", "--against", "two"]), @"error: the two runs have no cell in common, so there is nothing to compare: metric is 'kl' in the first and 'prob' in the second; give two runs of the same cases on the same grid");
    assert!(place.message(&["report", "none"]).contains("no run.json"));
}
