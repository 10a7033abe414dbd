//! Requests that can't be done: one message each that says what to do, and exit code 2.

mod common;

use common::{Place, fixture};
use insta::assert_snapshot;
use serde_json::{Value, json};

/// A place with a copy of a tiny model in `model`.
fn tiny() -> Place {
    let place = Place::new();
    place.copy_model("tiny/gpt2-inverse", "model");
    place
}

/// What is said of the copy in `model`.
fn model_message(place: &Place) -> String {
    place.message(&["predict", "Hello", "--model", "model"])
}

/// What `trace` says in an empty folder.
fn refused(args: &[&str]) -> String {
    let place = Place::new();
    let message = place.trace_message(args);
    assert!(!place.path("out").exists(), "a refused request has left a folder: {message}");
    message
}

#[test]
fn a_model_that_is_not_there_is_named() {
    assert_snapshot!(refused(&["--model", "nowhere"]), @"");
    let place = tiny();
    std::fs::remove_file(place.path("model/tokenizer.json")).expect("a file to remove");
    assert_snapshot!(model_message(&place), @"");
}

#[test]
fn damaged_weights_are_refused() {
    let damaged = |damage: fn(&mut Vec<u8>)| {
        let place = tiny();
        let mut bytes = place.read("model/model.safetensors");
        damage(&mut bytes);
        model_message(place.write("model/model.safetensors", bytes))
    };
    assert_snapshot!(damaged(|bytes| bytes.truncate(bytes.len() / 2)), @"");
    assert_snapshot!(damaged(|bytes| bytes.truncate(20)), @"");
    assert_snapshot!(damaged(|bytes| bytes[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes())), @"");
    // A tensor of 4 EiB, in a header that is otherwise right.
    assert_snapshot!(damaged(|bytes| {
        let header = r#"{"wte.weight":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4611686018427387904]}}"#;
        *bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 64]].concat();
    }), @"");
    assert_snapshot!(damaged(|bytes| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    }), @"");
}

#[test]
fn a_config_that_contradicts_the_weights_is_refused() {
    let changed = |field: &str, value: Value| {
        let place = tiny();
        let mut config: Value =
            serde_json::from_slice(&place.read("model/config.json")).expect("a config");
        config[field] = value;
        model_message(place.write("model/config.json", config.to_string()))
    };
    assert_snapshot!(changed("n_inner", json!(48)), @"");
    assert_snapshot!(changed("n_layer", json!(100_000_000)), @"");
    assert_snapshot!(changed("n_embd", json!(25)), @"");
    assert_snapshot!(changed("model_type", json!("gpt3")), @"");
    assert_snapshot!(changed("activation_function", json!("tanh")), @"");
}

#[test]
fn prompts_subjects_and_answers_that_do_not_fit_are_refused() {
    let prompt = "The Space Needle is in downtown";
    let fact = |args: &[&str]| refused(&[&["--prompt", prompt], args].concat());
    assert_snapshot!(fact(&["--subject", "Eiffel Tower"]), @"");
    assert_snapshot!(fact(&["--subject", ""]), @"");
    assert_snapshot!(fact(&[]), @"");
    assert_snapshot!(refused(&["--prompt", "", "--subject", ""]), @"");
    let long = "word ".repeat(200);
    assert_snapshot!(refused(&["--prompt", &long, "--subject", "word"]), @"");
    let answer = |answer| fact(&["--subject", "The Space Needle", "--answer", answer]);
    assert_snapshot!(answer("San Francisco"), @"");
    assert_snapshot!(answer(""), @"");
    let predict = |args: &[&str]| Place::new().message(&[&["predict"], args].concat());
    assert_snapshot!(predict(&[""]), @"");
    assert_snapshot!(predict(&["fine", &long]), @"");
    assert_snapshot!(predict(&[]), @"");
}

#[test]
fn kinds_are_named_and_each_is_given_once() {
    assert_snapshot!(refused(&["--kind", "hiden"]), @"");
    assert_snapshot!(refused(&["--kind", "mlp,attention"]), @"");
    assert_snapshot!(refused(&["--kind", ""]), @"");
    assert_snapshot!(refused(&["--kind", "hidden,hidden"]), @"");
}

#[test]
fn noise_that_is_not_a_rule_is_refused() {
    assert_snapshot!(refused(&["--noise", "q3"]), @"");
    assert_snapshot!(refused(&["--noise", "-0.5"]), @"");
    assert_snapshot!(refused(&["--noise", "t2"]), @"");
    assert_snapshot!(refused(&["--noise", "m"]), @"");
    assert_snapshot!(refused(&["--noise", "t3", "--noise-text", "nowhere.txt"]), @"");
    let place = Place::new();
    place.write("empty.txt", "");
    assert_snapshot!(place.trace_message(&["--noise", "m", "--noise-text", "empty.txt"]), @"");
}

#[test]
fn devices_that_are_unknown_or_not_built_are_refused() {
    assert_snapshot!(refused(&["--device", "gpu"]), @"");
    if !cfg!(feature = "vulkan") {
        assert_snapshot!(refused(&["--device", "vulkan:1"]), @"");
    }
}

#[test]
fn numbers_of_zero_are_refused() {
    assert_snapshot!(refused(&["--window", "0"]), @"");
    assert_snapshot!(refused(&["--samples", "0"]), @"");
    assert_snapshot!(refused(&["--threads", "0"]), @"");
    assert_snapshot!(Place::new().message(&["predict", "Hello", "--top-k", "0"]), @"");
}

#[test]
fn huge_numbers_are_refused_before_anything_is_allocated() {
    assert_snapshot!(refused(&["--window", "99999999999999"]), @"");
    assert_snapshot!(refused(&["--samples", "18446744073709551615"]), @"");
    assert_snapshot!(refused(&["--samples", "100000"]), @"");
    assert_snapshot!(refused(&["--samples", "18446744073709551616"]), @"");
    assert_snapshot!(refused(&["--seed", "4294967296"]), @"");
    assert_snapshot!(refused(&["--threads", "18446744073709551615"]), @"");
    assert_snapshot!(refused(&["--samples", "ten"]), @"");
}

#[test]
fn all_tokens_are_shown_where_more_are_asked_for_than_there_are() {
    let out =
        Place::new().output(&["predict", "Hello", "--top-k", "18446744073709551615", "--quiet"]);
    assert_eq!(out.trim_end().lines().count(), 1 + 3072);
}

#[test]
fn selections_that_no_fact_fits_are_refused() {
    let facts = fixture("known_1000.json");
    let of_facts = |args: &[&str]| refused(&[&["--facts", facts.as_str()], args].concat());
    assert_snapshot!(of_facts(&["--ids", "3,5000"]), @"");
    assert_snapshot!(of_facts(&["--ids", "29,29"]), @"");
    assert_snapshot!(of_facts(&["--ids", "three"]), @"");
    assert_snapshot!(of_facts(&["--limit", "0"]), @"");
    assert_snapshot!(refused(&["--ids", "3"]), @"");
    assert_snapshot!(refused(&["--limit", "3"]), @"");
}

#[test]
fn a_facts_file_that_is_not_one_is_refused() {
    assert_snapshot!(refused(&["--facts", "nowhere.json"]), @"");
    let content = |content: &str| {
        let place = Place::new();
        place.write("facts.json", content).trace_message(&["--facts", "facts.json"])
    };
    let good = |id: u32| json!({ "known_id": id, "prompt": "Paris is in", "subject": "Paris", "attribute": "France" });
    let with = |field: &str, value: Value| {
        let mut bad = good(1);
        bad[field] = value;
        content(&json!([good(0), bad, good(2)]).to_string())
    };
    assert_snapshot!(content("known_id,prompt\n1,Paris is in"), @"");
    assert_snapshot!(content(""), @"");
    assert_snapshot!(content("[]"), @"");
    assert_snapshot!(content("{}"), @"");
    assert_snapshot!(content(r#"[{"known_id": 0, "prompt": "Paris is in"}]"#), @"");
    assert_snapshot!(with("subject", json!("London")), @"");
    assert_snapshot!(with("subject", json!("")), @"");
    assert_snapshot!(with("known_id", json!(-1)), @"");
    assert_snapshot!(with("known_id", json!(0)), @"");
    assert_snapshot!(with("attribute", json!(null)), @"");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let place = Place::new();
    place.write("file", "mine").write("mine/thesis.tex", "mine");
    let before = (place.read("file"), place.files("mine"));
    let small = ["trace", "--kind", "hidden", "--samples", "1", "--out"];
    let out = |folder| place.message(&[&small[..], &[folder]].concat());
    assert_snapshot!(out("file"), @"");
    assert_snapshot!(out("file/below/it"), @"");
    assert_snapshot!(out("mine"), @"");
    assert_eq!(before, (place.read("file"), place.files("mine")));
}

#[test]
fn mistyped_commands_and_flags_are_answered_with_the_nearest() {
    let message = |args: &[&str]| Place::new().message(args);
    assert_snapshot!(message(&["trase"]), @"");
    assert_snapshot!(message(&["trace", "--sample", "3"]), @"");
}

#[test]
fn a_model_whose_numbers_overflow_is_a_failed_case_and_not_a_wrong_request() {
    let place = tiny();
    let mut bytes = place.read("model/model.safetensors");
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::MAX.to_le_bytes());
    place.write("model/model.safetensors", bytes);
    let args =
        ["trace", "--model", "model", "--out", "out", "--prompt", "Paris is", "--subject", "Paris"];
    let output = place.tracewright(&args).output().expect("a run");
    eprintln!("{output:?}");
}
