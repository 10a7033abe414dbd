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
fn an_object_store_takes_a_program_that_is_built_with_it() {
    let message = Place::new().message(&["trace", "--out", "s3://key:secret@bucket/runs"]);
    let expected = "error: this program was built without object stores, so s3://bucket/runs can't be used: \
                    build it with `--features object-store`, or give a local folder";
    assert_eq!(message, expected);
}

#[test]
fn a_model_that_is_not_there_is_named() {
    assert_snapshot!(refused(&["--model", "nowhere"]), @"error: there is no folder 'nowhere' here; as a model of the hub: the cache 'DIR/no-cache/hub' doesn't hold all files of 'nowhere' at revision 'main', and the hub isn't asked (offline): unset HF_HUB_OFFLINE to download them");
    let place = tiny();
    std::fs::remove_file(place.path("model/tokenizer.json")).expect("a file to remove");
    assert_snapshot!(model_message(&place), @"error: the model folder 'model' has no tokenizer.json: a checkpoint in Hugging Face's layout has config.json, tokenizer.json and model.safetensors");
}

#[test]
fn damaged_weights_are_refused() {
    let damaged = |damage: fn(&mut Vec<u8>)| {
        let place = tiny();
        let mut bytes = place.read("model/model.safetensors");
        damage(&mut bytes);
        model_message(place.write("model/model.safetensors", bytes))
    };
    assert_snapshot!(damaged(|bytes| bytes.truncate(bytes.len() / 2)), @"error: model/model.safetensors: the weights can't be read: its header claims another size than the file's 35004 bytes: the download was cut off, or the file is damaged; fetch it again");
    assert_snapshot!(damaged(|bytes| bytes.truncate(20)), @"error: model/model.safetensors: the weights can't be read: invalid header length: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(damaged(|bytes| bytes[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes())), @"error: model/model.safetensors: the weights can't be read: header too large: the file is damaged or isn't safetensors; fetch it again");
    // A tensor of 1 TiB, in a header that is otherwise right.
    assert_snapshot!(damaged(|bytes| {
        let header = r#"{"wte.weight":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}"#;
        *bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 64]].concat();
    }), @"error: model/model.safetensors: the weights can't be read: its header claims another size than the file's 158 bytes: the download was cut off, or the file is damaged; fetch it again");
    assert_snapshot!(damaged(|bytes| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    }), @"error: model/model.safetensors: weight 'transformer.wte.weight' holds NaN at index 2327: the file is damaged, or the model's training failed");
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
    assert_snapshot!(changed("n_inner", json!(48)), @r"
    error: model/model.safetensors: the weights don't fit config.json:
      'transformer.h.0.mlp.c_fc.weight' has shape [24, 40], expected [24, 48]
      'transformer.h.1.mlp.c_fc.weight' has shape [24, 40], expected [24, 48]
      'transformer.h.2.mlp.c_fc.weight' has shape [24, 40], expected [24, 48]
      'transformer.h.0.mlp.c_fc.bias' has shape [40], expected [48]
      'transformer.h.1.mlp.c_fc.bias' has shape [40], expected [48]
      'transformer.h.2.mlp.c_fc.bias' has shape [40], expected [48]
      'transformer.h.0.mlp.c_proj.weight' has shape [40, 24], expected [48, 24]
      'transformer.h.1.mlp.c_proj.weight' has shape [40, 24], expected [48, 24]
      'transformer.h.2.mlp.c_proj.weight' has shape [40, 24], expected [48, 24]
    ");
    assert_snapshot!(changed("n_layer", json!(100_000_000)), @"error: model: config.json has 100000000 layers in 'n_layer', more than 16384");
    assert_snapshot!(changed("n_embd", json!(25)), @"error: model: config.json has n_embd 25, which can't be divided among n_head 3 heads");
    assert_snapshot!(changed("model_type", json!("gpt3")), @"error: model: config.json has the model_type 'gpt3', which isn't supported; supported: gemma, gemma2, gemma3_text, gpt2, gpt_neox, gptj, llama, mistral, olmo2, opt, phi, phi3, qwen2, qwen3. Its fields and tensors fit gpt2: write that as model_type into a copy of its config.json to try it, and compare the logits with the original's");
    assert_snapshot!(changed("activation_function", json!("tanh")), @"error: model: config.json has the activation_function 'tanh', which isn't supported; supported: gelu_new, gelu_pytorch_tanh, gelu, relu, silu");
}

#[test]
fn prompts_subjects_and_answers_that_do_not_fit_are_refused() {
    let prompt = "The Space Needle is in downtown";
    let fact = |args: &[&str]| refused(&[&["--prompt", prompt], args].concat());
    assert_snapshot!(fact(&["--subject", "Eiffel Tower"]), @"error: the subject 'Eiffel Tower' isn't in the prompt 'The Space Needle is in downtown'; give it exactly as it is written there");
    assert_snapshot!(fact(&["--subject", ""]), @"error: the subject is empty, but it must be a part of the prompt 'The Space Needle is in downtown'; name the words to corrupt");
    assert_snapshot!(fact(&[]), @r"
    error: the following required arguments were not provided:
      --subject <SUBJECT>

    Usage: tracewright trace --prompt <PROMPT> --subject <SUBJECT> --out <DIR>

    For more information, try '--help'.
    ");
    assert_snapshot!(refused(&["--prompt", "", "--subject", ""]), @"error: the prompt is empty: give at least one word");
    let long = "word ".repeat(200);
    assert_snapshot!(refused(&["--prompt", &long, "--subject", "word"]), @"error: the prompt has 401 tokens, but the model's context is 128: shorten the prompt");
    let answer = |answer| fact(&["--subject", "The Space Needle", "--answer", answer]);
    assert_snapshot!(answer("San Francisco"), @"error: the answer 'San Francisco' is 5 tokens here ( S|an| Franc|is|co), but a metric reads one: give an answer of one token, or a beginning that is one");
    assert_snapshot!(answer(""), @"error: the answer is empty: give the text that should follow the prompt");
    let predict = |args: &[&str]| Place::new().message(&[&["predict"], args].concat());
    assert_snapshot!(predict(&[""]), @"error: the prompt is empty: give at least one word");
    assert_snapshot!(predict(&["fine", &long]), @"error: prompt 2: the prompt has 401 tokens, but the model's context is 128: shorten the prompt");
    assert_snapshot!(predict(&[]), @r"
    error: the following required arguments were not provided:
      <PROMPTS>...

    Usage: tracewright predict <PROMPTS>...

    For more information, try '--help'.
    ");
}

#[test]
fn kinds_are_named_and_each_is_given_once() {
    assert_snapshot!(refused(&["--kind", "hiden"]), @"error: there is no kind 'hiden'; the nearest are hidden, attn, mlp; known: hidden, mlp, attn");
    assert_snapshot!(refused(&["--kind", "mlp,attention"]), @"error: there is no kind 'attention'; the nearest are attn, hidden, mlp; known: hidden, mlp, attn");
    assert_snapshot!(refused(&["--kind", ""]), @"error: there is no kind ''; the nearest are attn, hidden, mlp; known: hidden, mlp, attn");
    assert_snapshot!(refused(&["--sever", "hidden"]), @"error: there is no module to sever called 'hidden'; the nearest are attn, mlp; known: mlp, attn");
    assert_snapshot!(refused(&["--sever", "mlp,mlp"]), @"error: only mlp and attn can be severed, each once");
    assert_snapshot!(refused(&["--kind", "hidden,hidden"]), @"error: give each kind once: hidden, mlp, attn");
}

#[test]
fn noise_that_is_not_a_rule_is_refused() {
    assert_snapshot!(refused(&["--noise", "q3"]), @"error: the noise rule 'q3' isn't valid: it has no number where one is expected; give a deviation such as 0.1, or s<k> (s3: k deviations of the subjects' embeddings), u<x> (u0.3: uniform on (-x, x)), m (normal with the embeddings' mean and covariance) or t<v> (t3: Student's t with v > 2 degrees of freedom)");
    assert_snapshot!(refused(&["--noise", "-0.5"]), @"error: the noise rule '-0.5' isn't valid: its number is negative; give a deviation such as 0.1, or s<k> (s3: k deviations of the subjects' embeddings), u<x> (u0.3: uniform on (-x, x)), m (normal with the embeddings' mean and covariance) or t<v> (t3: Student's t with v > 2 degrees of freedom)");
    assert_snapshot!(refused(&["--noise", "t2"]), @"error: the noise rule 't2' isn't valid: t needs more than 2 degrees of freedom; give a deviation such as 0.1, or s<k> (s3: k deviations of the subjects' embeddings), u<x> (u0.3: uniform on (-x, x)), m (normal with the embeddings' mean and covariance) or t<v> (t3: Student's t with v > 2 degrees of freedom)");
    assert_snapshot!(refused(&["--noise", "1e300"]), @"error: noise '1e300' draws numbers that are infinite in f32: give a lower level");
    assert_snapshot!(refused(&["--noise", "m"]), @"error: noise 'm' takes its statistics from a text: give one with --noise-text FILE");
    assert_snapshot!(refused(&["--noise", "t3", "--noise-text", "nowhere.txt"]), @"error: can't read 'nowhere.txt': No such file or directory (os error 2)");
    let place = Place::new();
    place.write("empty.txt", "");
    assert_snapshot!(place.trace_message(&["--noise", "m", "--noise-text", "empty.txt"]), @"error: 0 tokens of text were given, but at least 2 are needed; give more text or subjects");
}

#[test]
fn devices_that_are_unknown_or_not_built_are_refused() {
    assert_snapshot!(refused(&["--device", "gpu"]), @"error: there is no device 'gpu': use cpu, ndarray, cuda[:i], vulkan[:i], wgpu[:i]");
    if !cfg!(feature = "vulkan") {
        assert_snapshot!(refused(&["--device", "vulkan:1"]), @"error: this program was built without device 'vulkan:1': build it with --features vulkan");
    }
}

#[test]
fn numbers_of_zero_are_refused() {
    assert_snapshot!(refused(&["--window", "0"]), @"error: the window is 0: give at least 1");
    assert_snapshot!(refused(&["--samples", "0"]), @"error: the number of samples is 0: give at least 1");
    assert_snapshot!(refused(&["--threads", "0"]), @"error: --threads is 0: give a number from 1 to 1024");
    assert_snapshot!(Place::new().message(&["predict", "Hello", "--top-k", "0"]), @"error: --top-k is 0: give at least 1");
}

#[test]
fn huge_numbers_are_refused_before_anything_is_allocated() {
    assert_snapshot!(refused(&["--window", "99999999999999"]), @"error: the window is 99999999999999 layers, more than there can be: give at most 10000");
    assert_snapshot!(refused(&["--samples", "18446744073709551615"]), @"error: this trace takes 18446744073709551615 forward passes for one prompt (18446744073709551615 samples of every cell), and at most 200000 are possible: give fewer samples or kinds");
    assert_snapshot!(refused(&["--samples", "100000"]), @"error: this trace takes 36100001 forward passes for one prompt (100000 samples of every cell), and at most 200000 are possible: give fewer samples or kinds");
    assert_snapshot!(refused(&["--samples", "18446744073709551616"]), @r"
    error: invalid value '18446744073709551616' for '--samples <N>': number too large to fit in target type

    For more information, try '--help'.
    ");
    assert_snapshot!(refused(&["--seed", "4294967296"]), @r"
    error: invalid value '4294967296' for '--seed <SEED>': 4294967296 is not in 0..=4294967295

    For more information, try '--help'.
    ");
    assert_snapshot!(refused(&["--threads", "18446744073709551615"]), @"error: --threads is 18446744073709551615: give a number from 1 to 1024");
    assert_snapshot!(refused(&["--samples", "ten"]), @r"
    error: invalid value 'ten' for '--samples <N>': invalid digit found in string

    For more information, try '--help'.
    ");
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
    assert_snapshot!(of_facts(&["--ids", "3,5000"]), @"error: there is no fact with id 5000 in 'FIXTURES/known_1000.json': its ids go from 0 to 1208");
    assert_snapshot!(of_facts(&["--ids", "29,29"]), @"error: two cases are called '29', whose results would overwrite one another: give cases, or corruptions, names of their own");
    assert_snapshot!(of_facts(&["--ids", "29-31"]), @r"
    error: invalid value '29-31' for '--ids <IDS>': give whole numbers with commas between them, such as 29,30,31

    For more information, try '--help'.
    ");
    assert_snapshot!(of_facts(&["--limit", "0"]), @"error: no facts are selected: give a --limit of at least 1, or --ids that are in the file");
    assert_snapshot!(refused(&["--ids", "3"]), @r"
    error: the following required arguments were not provided:
      --facts <FILE>

    Usage: tracewright trace --facts <FILE> --out <DIR> --ids <IDS>

    For more information, try '--help'.
    ");
    assert_snapshot!(refused(&["--limit", "3"]), @r"
    error: the following required arguments were not provided:
      --facts <FILE>

    Usage: tracewright trace --facts <FILE> --out <DIR> --limit <N>

    For more information, try '--help'.
    ");
}

#[test]
fn a_facts_file_that_is_not_one_is_refused() {
    assert_snapshot!(refused(&["--facts", "nowhere.json"]), @"error: can't read the dataset 'nowhere.json': No such file or directory (os error 2): give the path of a .json, .jsonl, .csv, .tsv or .parquet file, or of a text with a prompt on each line");
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
    assert_snapshot!(content("known_id,prompt\n1,Paris is in"), @"error: the dataset 'facts.json' isn't valid JSON at line 1, column 1: expected value; correct it there, or name the file .jsonl if each line is a record of its own");
    assert_snapshot!(content(""), @"error: the dataset 'facts.json' is empty: give a file with at least one record");
    assert_snapshot!(content("[]"), @"error: the dataset 'facts.json' holds no records: give a file with at least one");
    assert_snapshot!(content("{}"), @"error: the dataset 'facts.json' isn't a list (invalid type: map, expected a sequence): put the records between [ and ], or name the file .jsonl if each line is a record of its own");
    assert_snapshot!(content(r#"[{"known_id": 0, "prompt": "Paris is in"}]"#), @r"
    error: 1 of the 1 records of 'facts.json' can't be used:
      line 1: 'subject' is missing; 'attribute' is missing
    mend them: there are no others
    ");
    assert_snapshot!(with("subject", json!("London")), @r"
    error: 1 of the 3 records of 'facts.json' can't be used:
      line 1: its subject 'London' isn't in its prompt 'Paris is in'
    mend them, or go on without them: --skip-bad
    ");
    assert_snapshot!(with("subject", json!("")), @r"
    error: 1 of the 3 records of 'facts.json' can't be used:
      line 1: 'subject' is empty
    mend them, or go on without them: --skip-bad
    ");
    assert_snapshot!(with("known_id", json!(-1)), @r"
    error: 1 of the 3 records of 'facts.json' can't be used:
      line 1: 'known_id' is -1, not a whole number
    mend them, or go on without them: --skip-bad
    ");
    assert_snapshot!(with("known_id", json!(0)), @r"
    error: 1 of the 3 records of 'facts.json' can't be used:
      line 1: its id 0 is that of line 1 already
    mend them, or go on without them: --skip-bad
    ");
    assert_snapshot!(with("attribute", json!(null)), @r"
    error: 1 of the 3 records of 'facts.json' can't be used:
      line 1: 'attribute' is missing
    mend them, or go on without them: --skip-bad
    ");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let place = Place::new();
    place.write("file", "mine").write("mine/thesis.tex", "mine");
    let before = (place.read("file"), place.files("mine"));
    let small = ["trace", "--kind", "hidden", "--samples", "1", "--out"];
    let out = |folder| place.message(&[&small[..], &[folder]].concat());
    assert_snapshot!(out("file"), @"error: file can't be the results folder, because file is a file: choose another folder");
    assert_snapshot!(out("file/below/it"), @"error: file/below/it can't be the results folder, because file is a file: choose another folder");
    assert_snapshot!(out("mine"), @"error: mine holds files but no run.json (for example thesis.tex), so it isn't a results folder: choose another folder, or an empty one");
    assert_eq!(before, (place.read("file"), place.files("mine")));
}

#[test]
fn mistyped_commands_and_flags_are_answered_with_the_nearest() {
    let message = |args: &[&str]| Place::new().message(args);
    assert_snapshot!(message(&["trase"]), @r"
    error: unrecognized subcommand 'trase'

      tip: some similar subcommands exist: 'dataset', 'trace'

    Usage: tracewright [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(message(&["trace", "--sample", "3"]), @r"
    error: unexpected argument '--sample' found

      tip: a similar argument exists: '--samples'

    Usage: tracewright trace --samples <N>

    For more information, try '--help'.
    ");
}

#[test]
fn a_case_whose_numbers_overflow_has_failed_and_the_request_was_right() {
    let place = tiny();
    // Gains near f32's largest number in the final norm make every logit overflow.
    let header = place.read("model/model.safetensors");
    let len = u64::from_le_bytes(header[..8].try_into().expect("eight bytes")) as usize;
    let names: Value = serde_json::from_slice(&header[8..8 + len]).expect("a header");
    let offsets = &names["transformer.ln_f.weight"]["data_offsets"];
    let at = |index: usize| 8 + len + offsets[index].as_u64().expect("an offset") as usize;
    let mut bytes = header.clone();
    bytes[at(0)..at(1)]
        .chunks_exact_mut(4)
        .for_each(|b| b.copy_from_slice(&3e38_f32.to_le_bytes()));
    place.write("model/model.safetensors", bytes);
    let args = ["trace", "--model", "model", "--out", "out", "--prompt", "Paris is", "--subject"];
    let output = place.tracewright(&[&args[..], &["Paris"]].concat()).output().expect("a run");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert_snapshot!(err, @r"
    warning: the window has 10 layers and the model 3, so each window is cut at the model's ends: a smaller one is sharper
    warning: case 0 failed: 'entropy' of run 'clean' is NaN, as its numbers are from ln_final.hook_out at position 0 on: the model's numbers overflow on this input
    ");
    let run: Value = serde_json::from_slice(&place.read("out/run.json")).expect("a run.json");
    assert_eq!(run["failed"][0]["case"], "0");
    let args = ["pair", "--model", "model", "--out", "pairs", "--metric", "logit-diff"];
    let output = place.tracewright(&args).output().expect("a run");
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(err.starts_with("warning: case france failed: 'entropy' of run"), "{err}");
}
