//! `tracewright sweep`, and the files that `--print` writes.

mod common;

use common::Place;
use insta::assert_snapshot;
use serde_json::{Value, json};

fn request(place: &Place, folder: &str) -> Value {
    let run: Value =
        serde_json::from_slice(&place.read(&format!("{folder}/run.json"))).expect("a run.json");
    run["request"].clone()
}

/// Runs a command with `--out`, and the file that it prints; both ask for the same.
fn check_printed(args: &[&str]) {
    let place = Place::new();
    place.output(&[args, &["--out", "flags"]].concat());
    let printed = place.output(&[args, &["--print"]].concat());
    place.write("experiment.toml", &printed);
    place.output(&["sweep", "experiment.toml", "--out", "file"]);
    assert_eq!(request(&place, "flags"), request(&place, "file"), "{printed}");
    assert_eq!(place.read("flags/cells.parquet"), place.read("file/cells.parquet"), "{printed}");
}

#[test]
fn the_file_that_is_printed_asks_for_the_same_as_the_flags() {
    let needle = ["--clean", "The Space Needle is in downtown", "--subject", "The Space Needle"];
    let france = ["--clean", "The capital of France is", "--corrupted", "The capital of Poland is"];
    check_printed(&["pair"]);
    check_printed(
        &[&["pair"], &needle[..], &["--noise", "0.1", "--samples", "2", "--replace"]].concat(),
    );
    check_printed(
        &[&["pair"], &needle[..], &["--change", "zero", "--site", "z", "--heads", "not 3"]]
            .concat(),
    );
    let words = [
        "--answer",
        "Paris",
        "--answer",
        "Rome",
        "--distractor",
        "Warsaw",
        "--metric",
        "logit-diff,topk-acc",
        "--at",
        "subject,last",
        "--top-k",
        "3",
        "--read",
        "pattern@3",
        "--site",
        "attn_out+mlp_out,z@3.1",
        "--per",
        "none",
        "--positions",
        "last-1:last",
    ];
    check_printed(&[&["pair"], &france[..], &words].concat());
    let paths = ["--receiver", "q@6.5,mlp_in@8", "--sender", "z@3.1,mlp_out", "--freeze", "mlp"];
    check_printed(&[&["pair"], &france[..], &paths].concat());
    check_printed(&["trace", "--samples", "2", "--kind", "mlp", "--sever", "mlp"]);
}

#[test]
fn a_printed_file_says_only_what_was_asked() {
    let place = Place::new();
    let clean = ["pair", "--clean", "The capital of France is", "--print"];
    let printed =
        place.output(&[&clean[..], &["--corrupted", "The capital of Poland is"]].concat());
    assert_snapshot!(printed, @r#"
    command = "pair"

    [settings]
    sites = ["resid_post"]
    per = ["layer", "position"]
    window = 1
    change = "copy"
    metric_mean = false
    top_k = 0
    direction = "denoise"
    align = "none"

    [[settings.corruptions]]
    by = "prompt"
    noise = "s3"
    replace = false
    samples = 10
    seed = 1

    [[cases]]
    name = "0"
    clean = "The capital of France is"
    corrupted = ["The capital of Poland is"]
    "#);
}

const FILE: &str = r#"
command = "pair"

[settings]
sites = ["h.N", "blocks.3.attn.hook_z"]
per = ["layer"]
metrics = ["prob", "kl"]
base = "corrupted"
source = "italy"

[[settings.corruptions]]
by = "prompt"

[[settings.corruptions]]
name = "noisy"
by = "noise"
samples = 1

[[settings.runs]]
name = "italy"
prompt = "The capital of Italy is"

[[cases]]
clean = "The capital of France is"
corrupted = "The capital of Poland is"
subject = "France"
answer = ["Paris", "Rome"]

[[cases]]
name = "japan"
clean = "The capital of Japan is"
corrupted = "The capital of Poland is"
subject = "Japan"
"#;

#[test]
fn a_file_asks_for_runs_cases_and_corruptions_that_flags_cannot_say() {
    let place = Place::new();
    place.write("italy.toml", FILE);
    let document = place.json(&["sweep", "italy.toml", "--out", "out"]);
    let names: Vec<&Value> =
        document["cases"].as_array().expect("cases").iter().map(|case| &case["case"]).collect();
    assert_eq!(json!(names), json!(["0-prompt", "0-noisy", "japan-prompt", "japan-noisy"]));
    let sites = &request(&place, "out")["settings"]["sites"];
    assert_eq!(*sites, json!(["resid_post", "z@3"]));
    assert!(place.path("out/averages.parquet").exists());
    // The same in JSON.
    let plan = place.json(&["plan", "sweep", "italy.toml"]);
    assert_eq!(plan["cases"], 4);
}

#[test]
fn files_that_are_wrong_are_refused_with_the_line() {
    let place = Place::new();
    let wrong = |name: &str, text: &str| {
        place.write(name, text);
        place.message(&["sweep", name])
    };
    assert_snapshot!(wrong("a.toml", &FILE.replace("metrics", "metric")), @r#"
    error: the sweep file 'a.toml' isn't one: TOML parse error at line 7, column 1
      |
    7 | metric = ["prob", "kl"]
      | ^^^^^^
    unknown field `metric`, expected one of `sites`, `per`, `positions`, `layers`, `heads`, `neurons`, `src_positions`, `except`, `window`, `change`, `mean`, `metrics`, `metric_at`, `metric_mean`, `answer_tokens`, `top_k`, `read`, `direction`, `align`, `corruptions`, `runs`, `base`, `source`, `paths`
    "#);
    assert_snapshot!(wrong("b.toml", &FILE.replace("\"italy\"\nprompt", "\"\"\nprompt")), @"error: case 0-prompt: a run can't be called '': give each run a name of its own, other than clean and corrupted");
    assert_snapshot!(wrong("c.json", "{\n  \"command\": \"pair\",\n  \"cases\": 3\n}"), @"error: the sweep file 'c.json' isn't one: invalid type: integer `3`, expected a sequence at line 3 column 12");
    assert_snapshot!(wrong("d.toml", ""), @r#"error: the sweep file 'd.toml' isn't one: it says no command: begin it with command = "pair" or "trace""#);
    assert_snapshot!(place.message(&["sweep", "nowhere.toml"]), @"error: can't read 'nowhere.toml': No such file or directory (os error 2)");
    assert_snapshot!(place.message(&["sweep"]), @r"
    error: the following required arguments were not provided:
      <FILE>

    Usage: tracewright sweep <FILE>

    For more information, try '--help'.
    ");
}

#[test]
fn the_schema_names_every_setting() {
    let place = Place::new();
    let schema: Value = serde_json::from_str(&place.output(&["sweep", "--schema"])).expect("JSON");
    let settings = &schema["$defs"]["PairSettings"]["properties"];
    for setting in ["sites", "per", "change", "corruptions", "runs", "paths", "metric_at"] {
        assert!(settings[setting].is_object(), "{setting}");
    }
    let documented = |setting: &Value| setting["description"].is_string();
    assert!(settings.as_object().expect("settings").values().all(documented));
}

#[test]
fn predict_shows_the_clean_the_corrupted_and_a_patched_run_side_by_side() {
    let place = Place::new();
    let out = place.output(&[
        "predict",
        "The capital of France is",
        "--corrupted",
        "The capital of Poland is",
        "--site",
        "resid_post@3",
        "--positions",
        "subject",
        "--top-k",
        "2",
    ]);
    assert_snapshot!(out, @r"
    clean             corrupted          resid_post@3 patched
    ' Paris'  0.6297  ' Warsaw'  0.6846  ' the'                0.8348
    ' the'    0.3597  ' the'     0.3007  ' Warsaw'             0.1072
    ");
}

#[test]
fn an_answer_that_the_clean_run_does_not_give_is_warned_of() {
    let place = Place::new();
    let france = ["--clean", "The capital of France is", "--corrupted", "The capital of Poland is"];
    let args = [&["pair"], &france[..], &["--answer", "Rome", "--quiet"]].concat();
    let (_, err) = place.warned(&args);
    assert_snapshot!(err, @"warning: pair 0: the clean run says ' Paris', not the answer ' Rome' that is measured");
}

#[test]
fn values_of_every_run_are_stored_beside_the_table() {
    let place = Place::new();
    let args = ["pair", "--clean", "The capital of France is", "--site", "z@3", "--per", "head"];
    let args = [&args[..], &["--change", "zero", "--read", "pattern@4", "--out", "out"]].concat();
    let document = place.json(&args);
    let files = document["files"].as_array().expect("files");
    assert!(files.contains(&json!("out/cases/0_readings.npz")), "{files:?}");
    assert!(document["cost"]["peak_bytes"].as_f64() > Some(1e6));
    assert!(document["cost"]["load_seconds"].as_f64() > Some(0.0));
    let arrays = tracewright_results::read_npz(&place.path("out/cases/0_readings.npz"));
    let names: Vec<String> = arrays.expect("arrays").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["clean.pattern@4", "corrupted.pattern@4", "cells.pattern@4"]);
    // Lost, they are made again.
    std::fs::remove_file(place.path("out/cases/0_readings.npz")).expect("it is there");
    place.json(&args);
    assert!(place.path("out/cases/0_readings.npz").exists());
}

#[test]
fn a_file_with_nothing_but_a_clean_prompt_is_an_ablation() {
    let place = Place::new();
    let file = "command = \"pair\"\nsettings.change = \"zero\"\n[[cases]]\nclean = \"The capital of France is\"";
    place.write("zero.toml", file);
    let out = place.output(&["sweep", "zero.toml", "--quiet"]);
    assert!(out.contains("With zero in the clean run, resid_post moves the metric most"), "{out}");
}
