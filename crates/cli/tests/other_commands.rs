//! `predict`, `sites`, `models`, `doctor`, and what holds for every command.

mod common;

use std::collections::BTreeSet;
use std::process::Stdio;

use common::{Place, fixture};
use insta::assert_snapshot;
use serde_json::{Value, json};

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

#[test]
fn predict_shows_the_tokens_as_fed_and_the_likeliest_next_ones() {
    let out = Place::new().output(&["predict", "The capital of France is", "--top-k", "2"]);
    assert_snapshot!(out, @r"
    fed as 5 tokens: The| capital| of| France| is
    token     id   probability  logit
    ' Paris'  415  0.6297       15.376
    ' the'    262  0.3597       14.816
    ");
}

#[test]
fn predict_tells_of_a_space_that_changes_the_tokens() {
    let (out, err) = Place::new().warned(&["predict", "The", "The capital of France is "]);
    assert!(out.starts_with("fed as 1 token: The\n"), "{out}");
    assert_snapshot!(err, @"warning: the prompt 'The capital of France is ' ends in a space, which changes its tokens: models expect it at the beginning of the next word, so leave it out");
}

#[test]
fn predict_takes_several_prompts_in_their_order() {
    let place = Place::new();
    let prompts = ["The capital of France is", "Apple was founded by"];
    let document = place.json(&["predict", prompts[0], prompts[1], "--top-k", "3"]);
    assert_eq!(document["model"], "facts-6m");
    let predictions = document["predictions"].as_array().expect("predictions");
    assert_eq!(predictions.iter().map(|p| &p["prompt"]).collect::<Vec<_>>(), prompts);
    let top = predictions[0]["top"].as_array().expect("tokens");
    assert_eq!((top.len(), &top[0]["token"]), (3, &json!(" Paris")));
    let probs: Vec<f64> = top.iter().filter_map(|t| t["prob"].as_f64()).collect();
    assert!(probs.is_sorted_by(|a, b| a >= b) && probs[0] < 1.0 && probs.len() == 3, "{probs:?}");
    assert_eq!(strings(&predictions[1]["tokens"]["texts"]).concat(), prompts[1]);
    let out = place.output(&["predict", prompts[0], prompts[1], "--quiet"]);
    assert!(!out.contains("fed as"), "{out}");
    assert_eq!(out.matches("probability").count(), 2, "{out}");
}

#[test]
fn sites_shows_each_site_with_its_names_in_all_three_styles() {
    let out = Place::new().output(&["sites"]);
    assert_snapshot!(out, @r"
    facts-6m: 12 layers, 6 heads, d_model 192; N is the layer, 0 to 11

    site                           shape                        TransformerLens                 PyTorch
    embed                          [position, 192]              hook_embed                      transformer.wte
    pos_embed                      [position, 192]              hook_pos_embed                  transformer.wpe
    resid_pre                      [position, 192]              blocks.N.hook_resid_pre         transformer.h.N.ln_1.input, transformer.h.N.input
    ln1_scale                      [position, 1]                blocks.N.ln1.hook_scale
    ln1_normalized                 [position, 192]              blocks.N.ln1.hook_normalized
    ln1                            [position, 192]              blocks.N.ln1.hook_out           transformer.h.N.ln_1, transformer.h.N.attn.c_attn.input, transformer.h.N.attn.input
    q                              [position, 6, 32]            blocks.N.attn.hook_q
    k                              [position, 6, 32]            blocks.N.attn.hook_k
    v                              [position, 6, 32]            blocks.N.attn.hook_v
    scores, attn_scores            [6, position, src_position]  blocks.N.attn.hook_attn_scores
    pattern                        [6, position, src_position]  blocks.N.attn.hook_pattern
    z                              [position, 6, 32]            blocks.N.attn.hook_z            transformer.h.N.attn.c_proj.input
    result                         [position, 6, 192]           blocks.N.attn.hook_result
    attn_out, attn, self_attn      [position, 192]              blocks.N.hook_attn_out          transformer.h.N.attn, transformer.h.N.attn.c_proj
    resid_mid                      [position, 192]              blocks.N.hook_resid_mid         transformer.h.N.ln_2.input
    ln2_scale                      [position, 1]                blocks.N.ln2.hook_scale
    ln2_normalized                 [position, 192]              blocks.N.ln2.hook_normalized
    ln2                            [position, 192]              blocks.N.ln2.hook_out           transformer.h.N.ln_2, transformer.h.N.mlp.c_fc.input, transformer.h.N.mlp.input
    mlp_pre, pre                   [position, 768]              blocks.N.mlp.hook_pre           transformer.h.N.mlp.c_fc
    mlp_post, post, neurons        [position, 768]              blocks.N.mlp.hook_post          transformer.h.N.mlp.act, transformer.h.N.mlp.c_proj.input
    mlp_out, mlp                   [position, 192]              blocks.N.hook_mlp_out           transformer.h.N.mlp, transformer.h.N.mlp.c_proj
    resid_post, output             [position, 192]              blocks.N.hook_resid_post        transformer.h.N
    ln_final_scale                 [position, 1]                ln_final.hook_scale
    ln_final_normalized            [position, 192]              ln_final.hook_normalized
    ln_final, final_norm           [position, 192]              ln_final.hook_out               transformer.ln_f, lm_head.input
    logits, unembed, hook_unembed  [position, 3072]             unembed.hook_out                lm_head
    ");
}

#[test]
fn sites_as_json_lists_every_layer() {
    let document = Place::new().json(&["sites"]);
    let sites = document["sites"].as_array().expect("sites");
    // Six outside the layers, nineteen in each, and resid_pre once: above, it is resid_post.
    assert_eq!(sites.len(), 6 + 19 * 12 + 1);
    let names: BTreeSet<&str> = sites.iter().filter_map(|site| site["site"].as_str()).collect();
    assert_eq!(names.len(), sites.len());
    let site = sites.iter().find(|site| site["site"] == "mlp_out@7").expect("mlp_out@7");
    assert_eq!(
        *site,
        json!({
            "site": "mlp_out@7",
            "component": "mlp_out",
            "layer": 7,
            "aliases": ["mlp"],
            "transformer_lens": "blocks.7.hook_mlp_out",
            "pytorch": ["transformer.h.7.mlp", "transformer.h.7.mlp.c_proj"],
            "same_place": null,
            "axes": ["position", "d_model"],
            "shape": ["position", "192"],
        })
    );
}

#[test]
fn sites_of_another_model_have_its_shapes() {
    let document = Place::new().json(&["sites", "--model", &fixture("tiny/gpt2-inverse")]);
    let sites = document["sites"].as_array().expect("sites");
    let shape = |name| &sites.iter().find(|site| site["site"] == name).expect(name)["shape"];
    assert_eq!(*shape("z@2"), json!(["position", "3", "8"]));
    assert_eq!(*shape("mlp_post@0"), json!(["position", "40"]));
    assert_eq!(*shape("logits"), json!(["position", "97"]));
}

#[test]
fn models_lists_the_built_in_one_and_the_hub_cache_with_its_problems() {
    let place = Place::new();
    assert_snapshot!(place.output(&["models"]), @r"
    model     family  layers  d_model  stored  memory    fits  where
    facts-6m  gpt2    12      192      f16     22.7 MiB  yes   built in

    other models are looked for in DIR/no-cache/hub
    ");
    let commit = "0123456789012345678901234567890123456789";
    let tiny = "cache/hub/models--someone--tiny";
    place.copy_model("tiny/gpt2-relu-f16", &format!("{tiny}/snapshots/{commit}"));
    place.write(&format!("{tiny}/refs/main"), commit);
    place.write("cache/hub/models--someone--broken/snapshots/def/config.json", "{}");
    place.write("cache/hub/models--someone--broken/refs/main", "def");
    place.write("cache/hub/datasets--someone--facts/snapshots/def/config.json", "{}");
    let run = |args: &[&str]| {
        let output = place.tracewright(args).env("HF_HOME", place.path("cache")).output();
        let output = output.expect("a run");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.replace(&place.path("cache").display().to_string(), "CACHE")
    };
    assert_snapshot!(run(&["models"]), @r"
    model           family         layers  d_model  stored  memory    fits  where
    facts-6m        gpt2           12      192      f16     22.7 MiB  yes   built in
    someone/broken  can't be used                                           the model folder 'CACHE/hub/models--someone--broken/snapshots/def' has no tokenizer.json: a checkpoint in Hugging Face's layout has config.json, tokenizer.json and model.safetensors
    someone/tiny    gpt2           2       16       f16     46.5 KiB  yes   CACHE/hub/models--someone--tiny/snapshots/0123456789012345678901234567890123456789

    other models are looked for in CACHE/hub
    ");
    let document: Value = serde_json::from_str(&run(&["models", "--json"])).expect("JSON");
    let models = document["models"].as_array().expect("models");
    let names: Vec<_> = models.iter().map(|model| &model["model"]).collect();
    assert_eq!(names, ["facts-6m", "someone/broken", "someone/tiny"]);
    assert!(models[0]["problem"].is_null() && models[1]["problem"].is_string());
    assert_eq!(models[2]["architecture"]["d_model"], 16);
    // A cached model goes by its name.
    let document: Value =
        serde_json::from_str(&run(&["sites", "--model", "someone/tiny", "--json"])).expect("JSON");
    assert!(document["sites"].is_array());
}

#[test]
fn doctor_finds_the_cpu_well() {
    let place = Place::new();
    let document = place.json(&["doctor", "--threads", "1"]);
    let cpu = json!({ "device": "cpu", "built": true, "ok": true, "problem": null });
    assert_eq!(document["devices"][0], cpu);
    assert_eq!(
        (&document["threads"], &document["tracewright"]),
        (&json!(1), &json!(env!("CARGO_PKG_VERSION")))
    );
    let out = place.output(&["doctor"]);
    assert!(
        out.contains("cpu      ok: 'The capital of France is' → ' Paris' with p = 0."),
        "{out}"
    );
}

#[test]
fn version_and_help_are_printed() {
    let place = Place::new();
    let version = concat!("tracewright ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(place.output(&["--version"]), version);
    let help = place.output(&["--help"]);
    for word in [
        "trace",
        "pair",
        "predict",
        "sites",
        "models",
        "doctor",
        "--json",
        "--quiet",
        "--model",
        "--device",
        "--threads",
    ] {
        assert!(
            help.contains(&format!(" {word} ")) || help.contains(&format!(" {word}\n")),
            "'{word}' isn't in\n{help}"
        );
    }
    let help = place.output(&["trace", "--help"]);
    for flag in [
        "prompt",
        "subject",
        "answer",
        "facts",
        "ids",
        "limit",
        "kind",
        "window",
        "samples",
        "noise",
        "noise-text",
        "replace",
        "seed",
        "out",
    ] {
        assert!(help.contains(&format!("--{flag} ")), "'--{flag}' isn't in\n{help}");
    }
}

/// Runs the program with a reader that is gone before anything is written.
fn with_closed_pipe(args: &[&str]) {
    let place = Place::new();
    let mut command = place.tracewright(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), err.as_ref()), (Some(0), ""), "{args:?}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    with_closed_pipe(&["sites"]);
    with_closed_pipe(&["sites", "--json"]);
    with_closed_pipe(&["models"]);
    with_closed_pipe(&["doctor"]);
    with_closed_pipe(&["predict", "Hello"]);
    with_closed_pipe(&["pair", "--clean", "Paris is", "--corrupted", "London is", "--out", "out"]);
    with_closed_pipe(&["trace", "--samples", "1", "--kind", "hidden", "--out", "out"]);
    with_closed_pipe(&["--help"]);
}
