//! `tracewright trace`, from the command line to the results folder.

mod common;

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use common::{Place, fixture};
use serde_json::{Value, json};
use tracewright::results::{Array, read_npz, read_table};

const FACT: [&str; 4] =
    ["--prompt", "The Space Needle is in downtown", "--subject", "The Space Needle"];
/// A short prompt and one small grid.
const SMALL: [&str; 8] = [
    "--prompt",
    "Audible.com is owned by",
    "--subject",
    "Audible.com",
    "--samples",
    "2",
    "--kind",
    "hidden",
];

/// `trace` with further arguments and the results in `out`.
fn trace<'a>(out: &'a str, args: &[&[&'a str]]) -> Vec<&'a str> {
    [&["trace", "--out", out], args.concat().as_slice()].concat()
}

fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&str> {
    files.keys().map(String::as_str).filter(|name| *name != ".lock").collect()
}

fn npz(place: &Place, path: &str) -> BTreeMap<String, Array> {
    read_npz(&place.path(path)).expect("an npz file").into_iter().collect()
}

fn without_cost(run: &[u8]) -> Value {
    let mut run: Value = serde_json::from_slice(run).expect("a run.json");
    run.as_object_mut().expect("an object").remove("cost").expect("a cost");
    run
}

#[test]
fn without_flags_a_fact_of_the_built_in_model_is_traced_and_drawn_and_explained() {
    let place = Place::new();
    let out = place.output(&["trace"]);
    let folder = "runs/trace-the-space-needle-is-in-downtown-";
    let start = out.find(folder).expect("where the results are");
    let folder = &out[start..start + folder.len() + 8];
    for part in [
        "Impact of restoring state after corrupted input",
        "The model gives “Seattle” a probability of",
        "with the subject “The Space Needle” corrupted it falls to",
        "results in runs/trace-",
        "cells.parquet, cases/*.npz, run.json; figure runs/trace-",
        "figures/knowledge_0.png (and .svg)",
    ] {
        assert!(out.contains(part), "'{part}' isn't in\n{out}");
    }
    let files = place.files(folder);
    assert_eq!(
        names(&files),
        [
            "cases/knowledge_0.npz",
            "cases/knowledge_0_attn.npz",
            "cases/knowledge_0_mlp.npz",
            "cells.parquet",
            "figures/knowledge_0.png",
            "figures/knowledge_0.svg",
            "parts/pass-00000.parquet",
            "run.json",
        ]
    );
    assert!(files["figures/knowledge_0.png"].starts_with(b"\x89PNG\r\n\x1a\n"));
    assert!(
        files["figures/knowledge_0.svg"].starts_with(b"<svg")
            || files["figures/knowledge_0.svg"].starts_with(b"<?xml")
    );
    let (cells, _) = read_table(&place.path(&format!("{folder}/cells.parquet"))).expect("a table");
    assert_eq!(cells.len(), 3 * 10 * 12);
    assert!(cells.iter().all(|cell| cell.n == 10 && cell.std.is_some() && cell.effect.is_some()));
    for (suffix, kind) in [("", ""), ("_mlp", "mlp"), ("_attn", "attn")] {
        let npz = npz(&place, &format!("{folder}/cases/knowledge_0{suffix}.npz"));
        assert_eq!(npz["scores"].shape(), [10, 12]);
        assert_eq!(npz["kind"], Array::text(kind));
        assert_eq!(npz["answer"], Array::text(" Seattle"));
        assert_eq!(npz["subject_range"], Array::vector(vec![0_i64, 7]));
        assert_eq!(npz["window"], Array::scalar(10_i64));
        assert_eq!(npz["correct_prediction"], Array::scalar(true));
    }
    let run: Value = serde_json::from_slice(&files["run.json"]).expect("JSON");
    assert_eq!(
        run["request"]["settings"],
        json!({
            "kinds": ["hidden", "mlp", "attn"], "window": 10, "samples": 10, "noise": "s3",
            "replace": false, "seed": 1, "sever": [], "sever_noise": "same",
        })
    );
    // One clean run and one for the answer, ten corrupted ones, ten for each of 360 cells.
    assert_eq!(run["cost"]["forwards"], 1 + 1 + 10 + 3600);
}

#[test]
fn json_is_one_document_on_standard_output() {
    let place = Place::new();
    let document = place.json(&trace("out", &[&SMALL]));
    assert_eq!(document["out"], "out");
    assert_eq!(document["figures"], json!(["out/figures/knowledge_0.png"]));
    assert_eq!(document["failed"], json!([]));
    assert_eq!(document["resumed"], 0);
    let case = &document["cases"][0];
    assert_eq!((&case["case"], &case["answer"]), (&json!("0"), &json!(" the")));
    assert_eq!(case["tokens"]["texts"].as_array().map(Vec::len), Some(9));
    assert!(case["summary"].as_str().is_some_and(|text| text.contains("“the”")), "{case}");
    for file in document["files"].as_array().expect("files") {
        assert!(place.path(file.as_str().expect("a path")).is_file(), "{file}");
    }
}

#[test]
fn quiet_prints_the_finding_alone() {
    let place = Place::new();
    let out = place.output(&trace("out", &[&SMALL, &["--quiet"]]));
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.starts_with("The model gives ") || out.starts_with("Corrupting "), "{out}");
}

#[test]
fn the_same_command_again_finds_its_work_done_and_changes_nothing() {
    let place = Place::new();
    place.output(&trace("out", &[&SMALL]));
    let before = place.files("out");
    sleep(Duration::from_secs(1));
    let out = place.output(&trace("out", &[&SMALL]));
    assert!(out.contains("finished already in out"), "{out}");
    assert!(before == place.files("out"), "files of the first run were changed");
    assert_eq!(place.json(&trace("out", &[&SMALL]))["resumed"], 1);
}

#[test]
fn lost_files_are_made_again_from_the_finished_parts() {
    let place = Place::new();
    place.output(&trace("out", &[&SMALL]));
    let before = place.files("out");
    for name in names(&before).iter().filter(|n| !n.starts_with("parts") && **n != "run.json") {
        std::fs::remove_file(place.path("out").join(name)).expect("a file to remove");
    }
    assert_eq!(place.json(&trace("out", &[&SMALL]))["resumed"], 1);
    assert!(before == place.files("out"), "the files differ from those that were lost");
}

#[test]
fn a_sweep_that_goes_on_keeps_the_budget_that_it_began_with() {
    let place = Place::new();
    let facts = ["--facts", &fixture("known_1000.json"), "--limit", "2"];
    // Cases so large that each is in a pass of its own.
    let large = ["--samples", "8", "--kind", "hidden"];
    let request = trace("out", &[&facts, &large]);
    let begun = [&request[..], &["--memory", "31MiB"]].concat();
    place.output(&begun);
    std::fs::remove_file(place.path("out/parts/pass-00001.parquet")).expect("a part to remove");
    let (_, warnings) = place.warned(&request);
    assert_eq!(warnings, "");
    let run: Value = serde_json::from_slice(&place.read("out/run.json")).expect("JSON");
    assert_eq!(run["environment"]["memory"], 31 << 20);
    std::fs::remove_file(place.path("out/parts/pass-00001.parquet")).expect("a part to remove");
    let (_, warnings) = place.warned(&[&request[..], &["--memory", "33MiB"]].concat());
    assert!(warnings.contains("memory: 32505856 there, 34603008 now"), "{warnings}");
}

#[test]
fn a_sweep_that_goes_on_with_another_budget_or_executor_keeps_its_division_and_all_cases() {
    let place = Place::new();
    let facts = ["--facts", &fixture("known_1000.json"), "--limit", "6"];
    let small = ["--samples", "1", "--kind", "hidden", "--quiet"];
    let request = trace("out", &[&facts, &small]);
    place.warned(&[&request[..], &["--memory", "16MiB"]].concat());
    let parts = |place: &Place| {
        let files = place.files("out");
        files.keys().filter(|name| name.starts_with("parts/")).cloned().collect::<Vec<_>>()
    };
    let cases = |place: &Place| {
        let (cells, _) = read_table(&place.path("out/cells.parquet")).expect("a table");
        let mut cases: Vec<(String, Option<u32>, Option<u32>)> =
            cells.into_iter().map(|cell| (cell.case, cell.layer, cell.position)).collect();
        cases.sort();
        cases
    };
    let (begun, all) = (parts(&place), cases(&place));
    assert!(begun.len() > 1 && begun.len() < 6, "{begun:?}");
    for other in [["--memory", "8MiB"], ["--memory", "64MiB"], ["--executor", "reference"]] {
        std::fs::remove_file(place.path("out").join(&begun[0])).expect("a part to remove");
        place.warned(&[&request[..], &other].concat());
        assert_eq!((&parts(&place), &cases(&place)), (&begun, &all), "{other:?}");
    }
}

#[test]
fn two_runs_some_seconds_apart_give_the_same_bytes() {
    let place = Place::new();
    let request = [&SMALL[..6], &["--kind", "hidden,mlp,attn"]].concat();
    place.output(&trace("one", &[&request]));
    sleep(Duration::from_secs(2));
    place.output(&trace("two", &[&request]));
    let (one, two) = (place.files("one"), place.files("two"));
    assert_eq!(names(&one), names(&two));
    for (name, content) in &one {
        if name == "run.json" {
            assert_eq!(without_cost(content), without_cost(&two[name]));
        } else {
            assert!(*content == two[name], "{name} differs");
        }
    }
}

#[test]
fn other_settings_in_the_same_folder_are_refused_and_nothing_is_lost() {
    let place = Place::new();
    place.output(&trace("out", &[&SMALL]));
    let before = place.files("out");
    let message = place.message(&trace("out", &[&SMALL, &["--seed", "2", "--window", "5"]]));
    insta::assert_snapshot!(message, @r"
    error: out holds the results of another request; what differs:
      settings.seed: 1 there, 2 now
      settings.window: 10 there, 5 now
    Give the settings that it was started with to go on with it, or choose another folder for the new ones
    ");
    let message = place.message(&trace("out", &[&FACT, &SMALL[4..]]));
    insta::assert_snapshot!(message, @r#"
    error: out holds the results of another request; what differs:
      cases[0].prompt: "Audible.com is owned by" there, "The Space Needle is in downtown" now
      cases[0].subject: "Audible.com" there, "The Space Needle" now
    Give the settings that it was started with to go on with it, or choose another folder for the new ones
    "#);
    assert!(before == place.files("out"), "the first run's files were changed");
}

#[test]
fn facts_are_traced_in_the_order_of_their_ids_and_wrong_answers_are_marked() {
    let place = Place::new();
    let facts = fixture("known_1000.json");
    let args = ["--facts", &facts, "--ids", "29,2", "--samples", "2", "--kind", "hidden"];
    let out = place.output(&trace("out", &[&args, &["--quiet"]]));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[1].starts_with("29    El Mercurio  Spanish  0.948"), "{out}");
    assert!(lines[1].contains("  state ur@"), "{out}");
    let strongest = lines[1].rsplit(' ').next().and_then(|points| points.parse::<f64>().ok());
    assert!(strongest.is_some_and(|points| points > 1.0), "not in points: {out}");
    insta::assert_snapshot!(lines[2..].join("\n"), @"
    2     Audible.com  the                        not traced: expected Amazon
    1 of 2 cases traced; in 1 the model doesn't give the expected answer
    ");
    assert_eq!(
        names(&place.files("out")),
        [
            "cases/knowledge_2.npz",
            "cases/knowledge_29.npz",
            "cells.parquet",
            "figures/knowledge_29.png",
            "figures/knowledge_29.svg",
            "parts/pass-00000.parquet",
            "run.json",
        ]
    );
    let wrong = npz(&place, "out/cases/knowledge_2.npz");
    assert_eq!(wrong, BTreeMap::from([("correct_prediction".into(), Array::scalar(false))]));
    let (cells, _) = read_table(&place.path("out/cells.parquet")).expect("a table");
    assert!(cells.iter().all(|cell| cell.case == "29"));
}

#[test]
fn what_may_not_be_meant_is_warned_of_and_done() {
    let place = Place::new();
    let small = ["--kind", "mlp", "--samples", "1", "--quiet"];
    let warned = |prompt, subject, more: &[&str]| {
        let args = ["--prompt", prompt, "--subject", subject];
        place.warned(&[&["trace"], &args[..], more, &small[..]].concat()).1
    };
    insta::assert_snapshot!(warned("The Eiffel Tower is in ", "iff", &["--window", "13"]), @r"
    warning: the window has 13 layers and the model 12, so each window is cut at the model's ends: a smaller one is sharper
    warning: the prompt 'The Eiffel Tower is in ' ends in a space, which changes its tokens: models expect it at the beginning of the next word, so leave it out
    ");
    insta::assert_snapshot!(warned("Rome is the capital as Rome was in", "Rome", &[]), @"warning: the subject 'Rome' is 2 times in 'Rome is the capital as Rome was in': only the first is taken, as in ROME's code");
}

#[test]
fn spaces_around_a_subject_take_no_token_of_another_word() {
    let place = Place::new();
    let subjects = ["Eiffel Tower", "Eiffel Tower ", " Eiffel Tower"].map(|subject| {
        let prompt = ["--prompt", "The Eiffel Tower is located in the city of", "--subject"];
        let small = ["--samples", "1", "--kind", "hidden", "--json"];
        place.json(&[&["trace"], &prompt[..], &[subject], &small[..4]].concat())["cases"][0]
            ["subject_range"]
            .clone()
    });
    assert_eq!(subjects, [(); 3].map(|()| json!({ "start": 1, "end": 6 })));
}

#[test]
fn another_environment_is_told_where_something_is_computed() {
    let place = Place::new();
    let facts = fixture("known_1000.json");
    let args = ["--facts", &facts, "--limit", "2", "--samples", "8", "--kind", "hidden", "--quiet"];
    let alone = ["--memory", "31MiB"];
    let with = |threads| place.warned(&trace("out", &[&args, &alone, &["--threads", threads]])).1;
    assert_eq!(with("1"), "");
    assert_eq!(with("2"), "", "nothing was computed");
    std::fs::remove_file(place.path("out/parts/pass-00001.parquet")).expect("a part");
    insta::assert_snapshot!(with("2"), @r"
    warning: out was started in another environment, which stays on record; what differs:
      threads: 1 there, 2 now
    ");
}

#[test]
fn a_limit_takes_the_first_facts_and_a_longer_list_is_another_request() {
    let place = Place::new();
    let facts = fixture("known_1000.json");
    let args = ["--facts", &facts, "--samples", "1", "--kind", "mlp"];
    let document = place.json(&trace("out", &[&args, &["--limit", "2"]]));
    let cases = document["cases"].as_array().expect("cases");
    assert_eq!(cases.iter().map(|case| &case["case"]).collect::<Vec<_>>(), ["0", "1"]);
    let message = place.message(&trace("out", &[&args, &["--limit", "3"]]));
    assert!(message.starts_with("error: out holds the results of another request"), "{message}");
}

#[test]
fn an_answer_is_measured_where_it_is_given() {
    let place = Place::new();
    let args = [&FACT[..], &["--samples", "2", "--kind", "hidden"]].concat();
    for (out, answer) in [("bare", "Paris"), ("spaced", " Paris")] {
        let document = place.json(&trace(out, &[&args, &["--answer", answer]]));
        assert_eq!(document["cases"][0]["answer"], " Paris", "{answer}");
        assert!(document["cases"][0]["high_score"].as_f64().expect("a number") < 0.01);
    }
}

#[test]
fn every_noise_rule_gives_numbers_of_its_own() {
    let place = Place::new();
    place
        .write("text.txt", "The capital of France is Paris.\n\nApple was founded by Steve Jobs.\n");
    let text = ["--noise-text", "text.txt"];
    let rules: [&[&str]; 7] = [
        &["--noise", "s3"],
        &["--noise", "s3", "--seed", "7"],
        &["--noise", "s3", "--replace"],
        &["--noise", "0.3"],
        &["--noise", "u0.3"],
        &[&["--noise", "m"], &text[..]].concat(),
        &[&["--noise", "t3"], &text[..]].concat(),
    ];
    let mut scores = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        let out = format!("out{index}");
        place.output(&trace(&out, &[&SMALL, rule]));
        let npz = npz(&place, &format!("{out}/cases/knowledge_0.npz"));
        if let Some(other) = scores.insert(format!("{:?}", npz["scores"]), rule) {
            panic!("{rule:?} gives the same scores as {other:?}");
        }
    }
}

#[test]
fn a_model_folder_gives_the_numbers_of_the_same_model_built_in() {
    let place = Place::new();
    place.output(&trace("built-in", &[&SMALL]));
    place.output(&trace("folder", &[&SMALL, &["--model", &fixture("facts-6m")]]));
    let (built_in, folder) = (place.files("built-in"), place.files("folder"));
    assert_eq!(names(&built_in), names(&folder));
    for name in names(&built_in).into_iter().filter(|name| *name != "run.json") {
        assert!(built_in[name] == folder[name], "{name} differs");
    }
    let request =
        |files: &BTreeMap<String, Vec<u8>>| without_cost(&files["run.json"])["request"].clone();
    assert_eq!(request(&built_in), request(&folder));
}

#[test]
fn severed_paths_have_files_and_a_sentence_of_their_own() {
    let place = Place::new();
    let args = ["--kind", "hidden", "--samples", "2", "--sever", "mlp,attn"];
    let out = place.output(&trace("same", &[&args]));
    assert!(
        out.contains("with its MLPs severed") && out.contains("with its attention severed"),
        "{out}"
    );
    place.output(&trace("rome", &[&args, &["--sever-noise", "rome"]]));
    let (same, rome) = (place.files("same"), place.files("rome"));
    for name in ["cases/severed_mlp_0.npz", "cases/severed_attn_0.npz"] {
        assert_ne!(same[name], rome[name], "{name}: ROME's severed runs have noise of their own");
    }
    let hidden = "cases/knowledge_0.npz";
    assert_eq!(same[hidden], rome[hidden]);
}
