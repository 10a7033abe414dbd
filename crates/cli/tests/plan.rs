//! `plan`, and the flags that say how a request is executed.

mod common;

use common::{Place, fixture};
use insta::assert_snapshot;
use serde_json::Value;

const SMALL: [&str; 6] = ["--samples", "2", "--kind", "hidden,attn", "--memory", "64MiB"];

#[test]
fn a_plan_says_what_a_trace_would_compute_and_what_that_saves() {
    let out = Place::new().output(&[&["plan", "trace"], &SMALL[..]].concat());
    assert_snapshot!(out, @r"
    plan of trace on facts-6m; nothing is computed

    cells       240 in 1 case, 480 variants
    computed    448 variants; 32 equal their base or another one
    rows        13,893 through a layer, for 86,400 with ROME's 3 forward passes for each cell (6.2 times fewer)
    operations  12.430 GFLOP, for 84.935 GFLOP with ROME's 3 forward passes for each cell (6.8 times fewer); and 71.068 MFLOP in the attentions themselves
    memory      14 MiB at most, of the 64 MiB that a pass may take
    weights     23 MiB beside that; streamed 6 MiB, and every pass reads 14 MiB of their files
    passes      1 in 1 unit of work; and a first look at what the model says, 100.712 MFLOP
    ");
}

#[test]
fn a_plan_of_a_pair_takes_the_pairs_flags() {
    let args = ["plan", "pair", "--clean", "The capital of France is", "--corrupted"];
    let more = ["The capital of Poland is", "--site", "resid_pre,mlp_out", "--memory", "64MiB"];
    assert_snapshot!(Place::new().output(&[&args[..], &more].concat()), @r"
    plan of pair on facts-6m; nothing is computed

    cells       120 in 1 case, 120 variants
    computed    45 variants; 75 equal their base or another one
    rows        398 through a layer, for 7,200 with a forward pass for each cell (18.1 times fewer)
    operations  402.407 MFLOP, for 7.078 GFLOP with a forward pass for each cell (17.6 times fewer); and 1.393 MFLOP in the attentions themselves
    memory      3 MiB at most, of the 64 MiB that a pass may take
    weights     23 MiB beside that; streamed 6 MiB, and every pass reads 12 MiB of their files
    passes      1 in 1 unit of work; and a first look at what the model says, 72.770 MFLOP
    ");
}

#[test]
fn a_plan_for_programs_has_the_documented_numbers_which_the_executor_counts_too() {
    let place = Place::new();
    let plan = place.json(&[&["plan", "trace"], &SMALL[..]].concat());
    let number = |name: &str| plan[name].as_u64().unwrap_or_else(|| panic!("{name}: {plan}"));
    assert_eq!((number("cells"), number("variants"), number("passes")), (240, 480, 1));
    assert!(number("variants_computed") < 480 && number("peak_bytes") <= 64 << 20);
    assert!(number("flops_cell_by_cell") > 3 * number("flops"));
    assert_eq!(number("forwards_per_cell"), 2 + 1);
    let done = place.json(&[&["trace", "--out", "out"], &SMALL[..]].concat());
    let cost = &done["cost"];
    // The first look finds the answer: ten rows through all layers but the last, where one is enough.
    assert_eq!(plan["first_look"]["rows"], 11 * 10 + 1);
    for what in ["rows", "flops"] {
        let asked = plan["first_look"][what].as_u64().expect("a number");
        assert_eq!(cost[what].as_u64(), Some(number(what) + asked), "{what}");
    }
}

#[test]
fn a_plan_needs_no_weights_and_covers_a_model_of_any_size() {
    let place = Place::new();
    place.copy_model("facts-6m", "xl");
    std::fs::remove_file(place.path("xl/model.safetensors")).expect("a file to remove");
    let config = place.read("xl/config.json");
    let mut config: Value = serde_json::from_slice(&config).expect("JSON");
    let shape = [("n_embd", 1600), ("n_layer", 48), ("n_head", 25)];
    for (key, value) in shape {
        config[key] = value.into();
    }
    place.write("xl/config.json", config.to_string().into_bytes());
    let plan = place.json(&["plan", "trace", "--model", "xl", "--memory", "1GiB"]);
    assert_eq!(plan["variants"], 3 * 10 * 48 * 10);
    assert!(plan["passes"].as_u64() > Some(1));
    let message = place.message(&["trace", "--model", "xl"]);
    assert!(message.contains("has no weights: one of model.safetensors, "), "{message}");
}

#[test]
fn both_executors_give_the_same_table() {
    let place = Place::new();
    let tables = ["lockstep", "reference"].map(|executor| {
        let args = ["trace", "--out", executor, "--executor", executor, "--samples", "2"];
        place.output(&[&args[..], &["--sever", "mlp", "--kind", "mlp"]].concat());
        let table = tracewright::results::load(&place.path(executor)).expect("results");
        table.rows.iter().map(|row| row.value.expect("a value")).collect::<Vec<f64>>()
    });
    assert_eq!(tables[0].len(), 10 * 12 + 12);
    for (ours, theirs) in tables[0].iter().zip(&tables[1]) {
        // ROME's bound for a probability: sums in another order through twelve layers.
        assert!((ours - theirs).abs() <= 2e-5, "{ours} and {theirs}");
    }
}

#[test]
fn a_small_budget_gives_the_same_results_in_more_passes() {
    let place = Place::new();
    let values = ["1GiB", "6MiB"].map(|memory| {
        let args = ["trace", "--out", memory, "--memory", memory, "--samples", "3"];
        place.output(&[&args[..], &["--kind", "hidden"]].concat());
        let table = tracewright::results::load(&place.path(memory)).expect("results");
        table.rows.iter().map(|row| row.value.expect("a value")).collect::<Vec<f64>>()
    });
    for (a, b) in values[0].iter().zip(&values[1]) {
        assert!((a - b).abs() <= 2e-5, "{a} and {b}");
    }
}

#[test]
fn results_say_what_they_were_multiplied_in() {
    let place = Place::new();
    for (dtype, errors) in [("f32", 0.0..2e-6), ("bf16", 1e-3..2e-2)] {
        let args = ["trace", "--out", dtype, "--dtype", dtype, "--samples", "1"];
        place.output(&[&args[..], &["--kind", "hidden"]].concat());
        let run = place.read(&format!("{dtype}/run.json"));
        let run: Value = serde_json::from_slice(&run).expect("JSON");
        assert_eq!(run["request"]["model"]["dtype"], dtype);
        let error = run["environment"]["product_error"].as_f64().expect("a number");
        assert!(errors.contains(&error), "{dtype}: {error:e}");
    }
}

#[test]
fn executors_dtypes_and_budgets_that_do_not_exist_are_refused() {
    let place = Place::new();
    let message = |args: &[&str]| place.message(&[&["trace"], args].concat());
    assert_snapshot!(message(&["--executor", "fast"]), @"error: there is no executor 'fast': give lockstep or reference");
    assert_snapshot!(message(&["--dtype", "f64"]), @"error: there is no dtype 'f64'; known: f32, bf16, f16");
    assert_snapshot!(message(&["--memory", "much"]), @"error: --memory is 'much': give a size such as 768MiB or 2GiB");
    assert_snapshot!(message(&["--memory", "0"]), @"error: --memory is '0': give a size such as 768MiB or 2GiB");
    let small = message(&["--memory", "100KiB", "--model", &fixture("facts-6m")]);
    assert_snapshot!(small, @"error: a memory budget of 100KiB is too small for a single run: give --memory 1MiB or more");
    assert_snapshot!(message(&["--memory", "1", "--out", "new"]), @"error: a memory budget of 1 byte is too small for a single run: give --memory 1MiB or more");
    assert_snapshot!(place.message(&["pair", "--memory", "1500", "--out", "new"]), @"error: a memory budget of 1500 bytes is too small for a single run: give --memory 1MiB or more");
    assert_snapshot!(place.message(&["plan", "trace", "--memory", "1"]), @"error: a memory budget of 1 byte is too small for a single run: give --memory 1MiB or more");
    let left = ["runs", "new"].map(|folder| place.path(folder).exists());
    assert_eq!(left, [false, false], "a refused request has left a folder");
}
