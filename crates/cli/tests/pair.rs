//! `tracewright pair`, from the command line to the results folder.

mod common;

use common::{Place, fixture};
use insta::assert_snapshot;
use serde_json::{Value, json};
use tracewright::results::{Row, read_table};

const CAPITALS: [&str; 4] =
    ["--clean", "The capital of France is", "--corrupted", "The capital of Poland is"];

/// `pair` with further arguments and the results in `out`.
fn pair<'a>(args: &[&[&'a str]]) -> Vec<&'a str> {
    [&["pair", "--out", "out"], args.concat().as_slice()].concat()
}

/// What `pair` says in an empty folder.
fn refused(args: &[&[&str]]) -> String {
    let place = Place::new();
    let message = place.message(&pair(args));
    assert!(!place.path("out").exists(), "a refused request has left a folder: {message}");
    message
}

fn rows(place: &Place) -> Vec<Row> {
    read_table(&place.path("out/cells.parquet")).expect("a table").0
}

fn document(place: &Place, path: &str) -> Value {
    serde_json::from_slice(&place.read(path)).expect("JSON")
}

#[test]
fn without_prompts_the_built_in_pairs_are_patched() {
    let place = Place::new();
    let out = place.output(&["pair"]);
    for part in [
        "subject 'France → Poland' (token 3, where the prompts differ)",
        "subject 'Space Needle → Hagia Sophia' (tokens 1 to 6, where the prompts differ)",
        "Clean resid_post copied into the corrupted run",
        "France → Poland* ███",
        "recovery of kl: ",
        "The clean run says “Paris” and the corrupted one “Warsaw”",
        "at the subject's last token (“France → Poland”) up to layer 6",
        "results in runs/pair-built-in-pairs-",
    ] {
        assert!(out.contains(part), "'{part}' isn't in\n{out}");
    }
    let start = out.find("runs/pair-").expect("where the results are");
    let folder = &out[start..start + "runs/pair-built-in-pairs-".len() + 8];
    let files = place.files(folder);
    let names: Vec<&String> = files.keys().filter(|name| *name != ".lock").collect();
    assert_eq!(
        names,
        [
            "averages.parquet",
            "cases/france.json",
            "cases/space-needle.json",
            "cells.parquet",
            "figures/france_kl.png",
            "figures/france_kl.svg",
            "figures/france_kl_curve.png",
            "figures/france_kl_curve.svg",
            "figures/space-needle_kl.png",
            "figures/space-needle_kl.svg",
            "figures/space-needle_kl_curve.png",
            "figures/space-needle_kl_curve.svg",
            "parts/pass-00000.parquet",
            "peaks.parquet",
            "run.json",
        ]
    );
}

#[test]
fn the_table_and_the_json_file_hold_every_grid() {
    let place = Place::new();
    let sites = ["--site", "resid_pre,output,attn,mlp", "--metric", "prob,logit,logit-diff,kl"];
    place.output(&pair(&[&CAPITALS, &sites]));
    let rows = rows(&place);
    assert_eq!(rows.len(), 4 * 4 * 5 * 12);
    let sites: Vec<&str> = rows.chunks(60).take(4).map(|rows| rows[0].site.as_str()).collect();
    assert_eq!(sites, ["resid_pre", "resid_post", "attn_out", "mlp_out"]);
    assert!(rows.iter().all(|row| row.case == "0" && row.kind.is_none() && row.n == 1));
    assert!(rows.iter().all(|row| row.recovery.is_some() && row.effect.is_some()));
    let record = document(&place, "out/cases/0.json");
    assert_eq!(record["grids"].as_array().map(Vec::len), Some(16));
    assert_eq!(record["subject_curves"].as_array().map(Vec::len), Some(16));
    assert_eq!(record["baselines"][3]["clean"], 0.0);
    assert_eq!(record["per"], json!(["layer", "position"]));
    assert_eq!(record["clean"]["tokens"]["texts"][3], " France");
    assert_eq!(record["subject_range"], json!({ "start": 3, "end": 4 }));
    let (grid, row) = (&record["grids"][1], &rows[60 + 3 * 12 + 2]);
    assert_eq!(grid["values"][3][2].as_f64(), row.value);
    assert_eq!(grid["recovery"][3][2].as_f64(), row.recovery);
}

#[test]
fn answers_and_subject_are_told_with_where_they_come_from() {
    let place = Place::new();
    let out = place.output(&pair(&[&CAPITALS, &["--distractor", "Berlin"]]));
    assert_snapshot!(out.lines().next().unwrap_or_default(), @"answer ' Paris' (what the clean run says), distractor ' Berlin' (as given); subject 'France → Poland' (token 3, where the prompts differ)");
    let out = place.output(&[
        "pair",
        "--out",
        "given",
        CAPITALS[0],
        CAPITALS[1],
        CAPITALS[2],
        CAPITALS[3],
        "--subject",
        "France",
        "--answer",
        "Paris",
        "--distractor",
        " Warsaw",
    ]);
    assert_snapshot!(out.lines().next().unwrap_or_default(), @"answer ' Paris' (as given), distractor ' Warsaw' (as given); subject 'France → Poland' (token 3, as given)");
    let record = document(&place, "given/cases/0.json");
    assert_eq!(record["baselines"][0]["metric"], "logit-diff");
}

#[test]
fn of_several_corrupted_prompts_the_first_with_as_many_tokens_is_taken_or_one_is_aligned() {
    let place = Place::new();
    let several = ["--corrupted", "The capital of West Germany is", "--corrupted"];
    let fits = [&CAPITALS[..2], &several, &["The capital of Italy is"]].concat();
    let out = place.output(&pair(&[&fits]));
    assert!(
        out.starts_with("answer ' Paris' (what the clean run says), distractor ' Rome'"),
        "{out}"
    );
    let none = [&CAPITALS[..2], &several, &["The capital of East Germany is"]].concat();
    let place = Place::new();
    let out = place.output(&pair(&[&none]));
    assert_snapshot!(out.lines().next().unwrap_or_default(), @"answer ' Paris' (what the clean run says), distractor ' the' (what the corrupted run says); subject 'France' (token 3, where the prompts differ); 5 and 7 tokens, which correspond by subject");
    let rows = rows(&place);
    assert_eq!(rows.len(), 5 * 12);
    assert!(rows.iter().all(|row| row.value.is_some()));
}

#[test]
fn both_built_in_pairs_are_patched_where_they_fit_and_a_corruption_without_effect_is_warned_of() {
    let place = Place::new();
    let tiny = fixture("tiny/gpt2-inverse");
    let (out, err) = place.warned(&pair(&[&["--model", &tiny, "--quiet"]]));
    assert_snapshot!(err, @"warning: pair space-needle: both runs say ',', so the corruption doesn't change the prediction");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[2]), (4, "france:", "space-needle:"));
    assert!(lines[3].starts_with("Both runs say “,”; KL from the clean run is 0"), "{out}");
    let rows = rows(&place);
    assert!(rows.iter().any(|row| row.case == "france"));
    assert!(rows.iter().any(|row| row.case == "space-needle"));
}

#[test]
fn positions_that_are_no_axis_are_patched_together() {
    let place = Place::new();
    let per = ["--per", "layer", "--positions", "subject-last", "--direction", "noise"];
    let out = place.output(&pair(&[&CAPITALS, &per, &["--site", "resid_post,mlp_out"]]));
    assert!(out.contains("\nresid_post ") && out.contains("\n   mlp_out "), "{out}");
    let rows = rows(&place);
    assert_eq!(rows.len(), 2 * 12);
    assert!(
        rows.iter().all(|row| row.position.is_none() && row.token.is_none() && row.role.is_none())
    );
    let files = place.files("out/figures");
    let figures = ["0_kl.png", "0_kl.svg", "0_kl_curve.png", "0_kl_curve.svg"];
    assert_eq!(files.keys().collect::<Vec<_>>(), figures);
    let settings = document(&place, "out/run.json")["request"]["settings"].clone();
    assert_eq!(
        settings,
        json!({
            "sites": ["resid_post", "mlp_out"], "per": ["layer"], "positions": ["subject-last"],
            "window": 1, "change": "copy", "metric_mean": false, "top_k": 0, "direction": "noise",
            "align": "none", "corruptions": [
                { "by": "prompt", "noise": "s3", "replace": false, "samples": 10, "seed": 1 }
            ],
        })
    );
}

#[test]
fn layers_that_are_no_axis_are_patched_together() {
    let place = Place::new();
    place.output(&pair(&[&CAPITALS, &["--per", "position", "--positions", "subject,last"]]));
    let rows = rows(&place);
    let at: Vec<_> = rows.iter().map(|row| (row.layer, row.position)).collect();
    assert_eq!(at, [(None, Some(3)), (None, Some(4))]);
    let files = place.files("out/figures");
    assert_eq!(files.keys().collect::<Vec<_>>(), ["0_kl.png", "0_kl.svg"]);
}

#[test]
fn json_is_one_document_and_quiet_prints_the_finding_alone() {
    let place = Place::new();
    let document = place.json(&pair(&[&CAPITALS]));
    assert_eq!(document["figures"], json!(["out/figures/0_kl.png", "out/figures/0_kl_curve.png"]));
    let case = &document["cases"][0];
    assert_eq!((&case["case"], &case["same_prediction"]), (&json!("0"), &json!(false)));
    assert_eq!(case["pair"]["answer"]["text"], " Paris");
    let quiet = place.output(&pair(&[&CAPITALS, &["--quiet"]]));
    assert_eq!(quiet.trim_end(), case["summary"].as_str().expect("a summary"));
    assert_eq!(place.json(&pair(&[&CAPITALS]))["resumed"], 1);
}

#[test]
fn lost_files_are_made_again_from_the_part() {
    let place = Place::new();
    place.output(&pair(&[&CAPITALS]));
    let before = place.files("out");
    for name in before.keys().filter(|name| !name.starts_with("parts") && *name != "run.json") {
        std::fs::remove_file(place.path("out").join(name)).expect("a file to remove");
    }
    place.output(&pair(&[&CAPITALS]));
    assert!(before == place.files("out"), "the files differ from those that were lost");
    let message = place.message(&pair(&[&CAPITALS, &["--direction", "noise"]]));
    assert_snapshot!(message, @r#"
    error: out holds the results of another request; what differs:
      settings.direction: "denoise" there, "noise" now
    Give the settings that it was started with to go on with it, or choose another folder for the new ones
    "#);
}

#[test]
fn prompts_that_cannot_be_patched_between_are_refused() {
    let prompts = |clean, corrupted| refused(&[&["--clean", clean, "--corrupted", corrupted]]);
    let needle = "The Space Needle is in downtown";
    assert_snapshot!(prompts(needle, "The Eiffel Tower is in downtown"), @r"
    error: the clean prompt has 10 tokens and the corrupted one 9, but values are copied from position to position, so they need as many:
      clean     |The| Sp|ace| N|e |ed    |le | is| in      | downtown|
      corrupted |The| E |i  |ff|el| Tower| is| in| downtown|         |
    reword one of them, for example with another name, or say with --align subject, left or right which positions correspond
    ");
    assert_snapshot!(prompts(needle, needle), @"error: the clean and the corrupted prompt are the same ('The Space Needle is in downtown'), so there is nothing to patch: change what the answer depends on in one of them");
    assert_snapshot!(prompts(needle, ""), @"error: the prompt is empty: give at least one word");
    assert_snapshot!(refused(&[&["--clean", needle]]), @"error: nothing is copied from: give a corrupted prompt, noise, or another corruption; or a change that reads no other run, such as zero");
    assert_snapshot!(refused(&[&["--answer", "Paris"]]), @r"
    error: the following required arguments were not provided:
      --clean <PROMPT>

    Usage: tracewright pair --clean <PROMPT> --out <DIR> --answer <ANSWER>

    For more information, try '--help'.
    ");
}

#[test]
fn prompts_and_subjects_that_may_not_be_meant_are_warned_of() {
    let place = Place::new();
    let prompts =
        ["--clean", "The capital of France is ", "--corrupted", "The capital of Poland is "];
    let (_, err) = place.warned(&pair(&[&prompts, &["--subject", "ranc"]]));
    assert_snapshot!(err, @r"
    warning: the prompt 'The capital of France is ' ends in a space, which changes its tokens: models expect it at the beginning of the next word, so leave it out
    warning: the prompt 'The capital of Poland is ' ends in a space, which changes its tokens: models expect it at the beginning of the next word, so leave it out
    warning: the subject 'ranc' begins or ends inside a token of 'The capital of France is ': all of ' France' is taken
    warning: pair 0: both runs say 'av', so the corruption doesn't change the prediction
    ");
}

#[test]
fn subjects_answers_and_metrics_that_do_not_fit_are_refused() {
    let capitals = |args: &[&str]| refused(&[&CAPITALS, args]);
    assert_snapshot!(capitals(&["--subject", "Poland"]), @"error: the subject 'Poland' isn't in the prompt 'The capital of France is'; give it exactly as it is written there");
    assert_snapshot!(capitals(&["--answer", "New York"]), @"error: the answer 'New York' is 3 tokens here ( New| Y|ork), but a metric reads one: give an answer of one token, or a beginning that is one; or say what to do with all of them: --answer-tokens first or product");
    assert_snapshot!(capitals(&["--answer", "Paris", "--distractor", " Paris"]), @"error: the answer and the distractor are the same token ' Paris', so their logit difference is always 0: give another --answer or --distractor, or another metric");
    // Of this pair both runs of this model say the same.
    let tiny = fixture("tiny/gpt2-inverse");
    let needle = "The Space Needle is in downtown";
    let same = ["--clean", needle, "--corrupted", "The Eiffel Tower is in downtown"];
    assert_snapshot!(refused(&[&same, &["--metric", "logit-diff", "--model", &tiny]]), @"error: the answer and the distractor are the same token ',', so their logit difference is always 0: give another --answer or --distractor, or another metric");
    assert_snapshot!(capitals(&["--metric", "kl,entopy"]), @"error: there is no metric 'entopy'; the nearest are entropy, topk-acc, logprob; known: prob, logit, logit-diff, kl, logprob, rank, topk-acc, entropy, l2, mse, cosine");
    assert_snapshot!(capitals(&["--metric", "kl,kl"]), @"error: give at least one metric, each once");
    assert_snapshot!(capitals(&["--direction", "noising"]), @"error: there is no direction 'noising'; the nearest are noise, denoise; known: denoise, noise");
}

#[test]
fn sites_axes_and_positions_that_pair_does_not_take_are_refused() {
    let capitals = |args: &[&str]| refused(&[&CAPITALS, args]);
    assert_snapshot!(capitals(&["--site", "residual"]), @"error: there is no site 'residual'; the nearest names are result, resid_mid, resid_pre");
    assert_snapshot!(capitals(&["--site", "z@12"]), @"error: 'z@12' doesn't exist: the model has layers 0 to 11");
    assert_snapshot!(capitals(&["--site", "rot_q"]), @"error: a gpt2 model has no site 'rot_q': it has no rotary positions");
    assert_snapshot!(capitals(&["--site", "mlp,mlp_out"]), @"error: give at least one site, each once");
    assert_snapshot!(capitals(&["--per", "cell"]), @"error: there is no axis 'cell'; the nearest are head, neuron, src_position; known: layer, position, head, neuron, src_position");
    assert_snapshot!(capitals(&["--per", "layer,head"]), @"error: the site 'resid_post' has no heads to be patched one by one: leave head out of --per, or give sites that have them with --site (heads: z, q, k, v, pattern; neurons: mlp_post; src_positions: scores, pattern)");
    assert_snapshot!(capitals(&["--window", "13"]), @"error: the window is 13 layers, more than there can be: give at most 12");
    assert_snapshot!(capitals(&["--window", "3", "--site", "z@3"]), @"error: --window patches the layers around each cell's: it takes layer among --per, and sites in all layers (z, not z@3)");
    assert_snapshot!(capitals(&["--window", "0"]), @"error: --window is 0: give how many layers are patched together, from 1 on");
    assert_snapshot!(capitals(&["--positions", "5-3"]), @"error: there are no positions '5-3': use all, each, subject, subject-last, last, last-1, a number such as 3 (counted from 0), a range such as 3-5 or 3:last-1, a role such as first_subsequent or further, or all others: not subject");
    assert_snapshot!(capitals(&["--positions", "3-18446744073709551615"]), @"error: the positions 3-18446744073709551615 aren't all there: the prompts have 5 tokens, 0 to 4");
    assert_snapshot!(capitals(&["--positions", "all"]), @"error: the positions 'all' are patched together, but position is an axis: give --per layer, or --positions each");
    assert_snapshot!(capitals(&["--per", "layer", "--positions", "each"]), @"error: the positions 'each' are patched one by one, but position isn't an axis: give --per layer,position, or --positions all");
    assert_snapshot!(capitals(&["--per", "layer", "--positions", "subject,last"]), @"error: several --positions are patched one by one, but position isn't an axis: give --per layer,position, or a single selection such as 3-5");
}

#[test]
fn heads_neurons_and_cells_of_patterns_are_patched_one_by_one() {
    let place = Place::new();
    let out = place.output(&pair(&[&CAPITALS, &["--site", "z", "--per", "layer,head"]]));
    assert!(out.contains("layer 11") && out.contains("patched head; recovery of kl"), "{out}");
    assert_eq!(rows(&place).len(), 12 * 6);
    assert_eq!((rows(&place)[7].layer, rows(&place)[7].head), (Some(1), Some(1)));
    let grid = document(&place, "out/cases/0.json")["grids"][0].clone();
    assert_eq!(
        (&grid["rows"]["axis"], &grid["columns"]["axis"]),
        (&json!("layer"), &json!("head"))
    );
    assert!(place.files("out/figures").contains_key("0_kl.png"));

    let place = Place::new();
    let out = place.output(&pair(&[&CAPITALS, &["--site", "v", "--per", "layer,head"]]));
    assert!(out.contains("patched kv_head") && out.contains(", key/value head "), "{out}");
    let grid = document(&place, "out/cases/0.json")["grids"][0].clone();
    assert_eq!(grid["columns"]["axis"], json!("kv_head"), "as in the table");
    assert_eq!((rows(&place)[7].head, rows(&place)[7].kv_head), (None, Some(1)));

    let place = Place::new();
    let names = ["--site", "blocks.N.attn.hook_z", "--per", "layer"];
    place.output(&pair(&[&CAPITALS, &names]));
    assert_eq!(rows(&place).len(), 12);

    let place = Place::new();
    let neurons = ["--site", "blocks.3.mlp.hook_post", "--per", "neuron", "--positions", "last"];
    let out = place.output(&pair(&[&CAPITALS, &neurons]));
    assert!(
        out.contains("no figures (more than 24 heatmaps") && out.contains("in neuron "),
        "{out}"
    );
    let rows_of = rows(&place);
    assert_eq!(
        (rows_of[5].neuron, rows_of[5].layer, rows_of[5].position),
        (Some(5), Some(3), None)
    );

    let place = Place::new();
    let cells = ["--site", "pattern@0", "--per", "head,position,src_position"];
    place.output(&pair(&[&CAPITALS, &cells]));
    let rows_of = rows(&place);
    assert_eq!(rows_of.len(), 6 * 5 * 5);
    let later = |row: &&Row| row.src_position > row.position;
    // A key that comes later doesn't exist: nothing is patched.
    assert!(rows_of.iter().filter(later).all(|row| row.value.is_none()));
    assert!(rows_of.iter().any(|row| row.value != row.base));

    let place = Place::new();
    let keys = ["--site", "k,v", "--per", "layer,head", "--window", "3"];
    place.output(&pair(&[&CAPITALS, &keys]));
    assert!(rows(&place).iter().all(|row| row.kv_head.is_some() && row.head.is_none()));
}

const IOI: [&str; 8] = [
    "--clean",
    "After John and Mary went to the store, Mary gave a bottle of milk to",
    "--corrupted",
    "After John and Mary went to the store, John gave a bottle of milk to",
    "--answer",
    "John",
    "--distractor",
    "Mary",
];

#[test]
fn paths_have_a_cell_for_each_sender_and_none_where_nothing_leads_to_the_receivers() {
    let place = Place::new();
    let senders = ["--receiver", "q@7.3,mlp_in@5", "--sender", "z,mlp_out,embed"];
    let out = place.output(&pair(&[&IOI, &senders]));
    assert!(out.contains("read by q@7.3, mlp_in@5 alone"), "{out}");
    let rows = rows(&place);
    assert_eq!(rows.len(), 12 * 6 + 12 + 1);
    let row = |sender: &str| {
        let found = rows.iter().find(|row| row.sender.as_deref() == Some(sender));
        found.unwrap_or_else(|| panic!("no sender {sender}"))
    };
    assert_eq!(row("z@6.5").receiver.as_deref(), Some("q@7.3,mlp_in@5"));
    assert_eq!(
        (row("z@6.5").layer, row("z@6.5").head, row("z@6.5").base),
        (Some(6), Some(5), row("z@6.5").clean)
    );
    for (sender, reaches) in [
        ("z@6.0", true),
        ("z@7.0", false),
        ("mlp_out@6", true),
        ("mlp_out@7", false),
        ("embed", true),
    ] {
        assert_eq!(row(sender).value.is_some(), reaches, "{sender}");
    }
    let record = document(&place, "out/cases/0.json");
    assert_eq!(record["receivers"], json!(["q@7.3", "mlp_in@5"]));
    assert_eq!(record["grids"][0]["values"][7][0], Value::Null);
    let paths = document(&place, "out/run.json")["request"]["settings"]["paths"].clone();
    assert_eq!(
        paths,
        json!({ "receivers": ["q@7.3", "mlp_in@5"], "freeze_mlp": false, "by_group": false })
    );
    // Both executors, within a hundred-thousandth of the difference of the runs.
    let reference = Place::new();
    reference.output(&pair(&[&IOI, &senders, &["--executor", "reference"]]));
    for (ours, theirs) in rows.iter().zip(self::rows(&reference)) {
        assert_eq!((&ours.sender, ours.value.is_some()), (&theirs.sender, theirs.value.is_some()));
        let off = ours.value.unwrap_or(0.0) - theirs.value.unwrap_or(0.0);
        assert!(off.abs() < 2e-4, "{ours:?} {theirs:?}");
    }
}

#[test]
fn senders_and_receivers_that_there_are_not_are_refused() {
    let paths = |args: &[&str]| refused(&[&IOI, args]);
    assert_snapshot!(paths(&["--receiver", "z@3"]), @"error: there is no receiver 'z@3': give q, k or v of a head (q@6.5) or layer (q@6), mlp_in@8, attn_in@8, resid_pre@8, resid_mid@8, resid_post@8 or logits");
    assert_snapshot!(paths(&["--receiver", "q@7.9"]), @"error: the receiver 'q@7.9' isn't there: the model has heads 0 to 5");
    assert_snapshot!(paths(&["--receiver", "logits,logits"]), @"error: give at least one receiver, each once");
    assert_snapshot!(paths(&["--receiver", "logits", "--sender", "q"]), @"error: the site 'q' can't be a sender: give z, mlp_out, embed");
    assert!(paths(&["--receiver", "logits", "--per", "layer"]).contains("cannot be used with"));
    assert!(paths(&["--freeze", "mlp"]).contains("--receiver"));
    assert_snapshot!(paths(&["--receiver", "logits", "--positions", "9"]), @"error: no path leads from any sender to logits: name receivers in later layers, or --sender embed");
    assert_snapshot!(paths(&["--receiver", "v@0.1"]), @"error: no path leads from any sender to v@0.1: name receivers in later layers, or --sender embed");
    assert_snapshot!(paths(&["--receiver", "logits", "--positions", "each"]), @"error: senders are patched at all their positions together: give one selection of --positions, such as all, last or 3-5");
}

#[test]
fn a_site_of_one_layer_beside_others_is_drawn_and_keeps_its_layer() {
    let place = Place::new();
    let sites = ["--site", "resid_post@3,mlp_out", "--per", "layer"];
    place.output(&pair(&[&CAPITALS, &sites]));
    assert_eq!(rows(&place)[0].layer, Some(3));
    let files = place.files("out/figures");
    assert!(files.contains_key("0_kl.png") && files.contains_key("0_kl_curve.png"));
    let place = Place::new();
    let out = place.output(&pair(&[&CAPITALS, &["--site", "attn_out", "--window", "3"]]));
    assert!(out.contains("Clean attn_out in windows of 3 layers"), "{out}");
    let place = Place::new();
    let held = ["--receiver", "attn_in@1", "--sender", "z,embed", "--freeze", "mlp"];
    let out = place.output(&pair(&[&CAPITALS, &held]));
    assert!(out.contains("read by attn_in@1 alone (MLPs held)"), "{out}");
}
