//! Which model a command takes, where its weights are, and how prompts become its tokens.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;

use common::{Place, fixture};
use insta::assert_snapshot;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

const COMMIT: &str = "0123456789012345678901234567890123456789";
const PAIR: [&str; 5] = ["pair", "--clean", "abcab", "--corrupted", "bbcab"];

/// A hub with one model, `someone/tiny`, on a port of this machine; it serves until the test ends.
fn hub(model: &str) -> String {
    let folder = PathBuf::from(fixture(model));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for connection in listener.incoming() {
            // A client that goes away is no concern of this test.
            let _ = connection.and_then(|connection| serve(connection, &folder));
        }
    });
    address
}

fn serve(mut connection: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let (mut request, mut line) = (String::new(), String::new());
    reader.read_line(&mut request)?;
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let listing = || {
        let files = fs::read_dir(folder).expect("a fixture").map(|entry| {
            let path = entry.expect("a file").path();
            let content = fs::read(&path).expect("a file");
            let blob = [format!("blob {}\0", content.len()).as_bytes(), &content].concat();
            let sha1: String = Sha1::digest(&blob).iter().map(|b| format!("{b:02x}")).collect();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            json!({ "rfilename": name, "size": content.len(), "blobId": sha1 })
        });
        json!({ "sha": COMMIT, "siblings": files.collect::<Vec<Value>>() }).to_string()
    };
    let file = path.strip_prefix(&format!("/someone/tiny/resolve/{COMMIT}/"));
    let content = match file {
        Some(name) => fs::read(folder.join(name)).ok(),
        None if path.starts_with("/api/models/someone/tiny/revision/main") => {
            Some(listing().into_bytes())
        }
        None => None,
    };
    let status = if content.is_some() { "200 OK" } else { "404 Not Found" };
    let content = content.unwrap_or_default();
    let len = content.len();
    write!(connection, "HTTP/1.1 {status}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n")?;
    connection.write_all(&content)
}

/// A run that asks the hub at this address.
fn asking(place: &Place, hub: &str, args: &[&str]) -> Output {
    let mut command = place.tracewright(args);
    command.env("HF_HUB_OFFLINE", "0").env("HF_ENDPOINT", hub).env("NO_PROXY", "127.0.0.1");
    command.output().expect("a run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn a_model_of_the_hub_is_downloaded_once_and_found_again_offline() {
    let (place, hub) = (Place::new(), hub("tiny/gpt2-relu-f16"));
    let predict = ["predict", "--model", "someone/tiny", "abc"];
    // A plan needs neither weights nor their download.
    let plan = asking(&place, &hub, &["plan", "pair", "--model", "someone/tiny"]);
    assert!(plan.status.success(), "{}", text(&plan.stderr));
    let snapshot = place.path(&format!("no-cache/hub/models--someone--tiny/snapshots/{COMMIT}"));
    assert!(snapshot.join("config.json").is_file() && !snapshot.join("model.safetensors").exists());
    let online = asking(&place, &hub, &[&predict[..], &["--json"]].concat());
    assert!(online.status.success(), "{}", text(&online.stderr));
    assert!(snapshot.join("model.safetensors").is_file());
    let offline: Value = place.json(&predict);
    assert_eq!(offline, serde_json::from_slice::<Value>(&online.stdout).expect("JSON"));
}

#[test]
fn a_model_that_cannot_be_had_is_told_with_the_reason() {
    let (place, hub) = (Place::new(), hub("tiny/gpt2-relu-f16"));
    let refused = |model: &str| {
        let output = asking(&place, &hub, &["predict", "--model", model, "abc"]);
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr).replace(&hub, "HUB")
    };
    assert_snapshot!(refused("someone/other"), @"error: there is no folder 'someone/other' here; as a model of the hub: HUB gives no model 'someone/other': check the name; if the model is private, set HF_TOKEN to a token that may read it");
    assert_snapshot!(refused("someone/tiny@v2"), @"error: there is no folder 'someone/tiny@v2' here; as a model of the hub: HUB gives no model 'someone/tiny': check the name; if the model is private, set HF_TOKEN to a token that may read it");
    let gone = asking(&place, "http://127.0.0.1:1", &["predict", "--model", "gpt2", "abc"]);
    assert!(text(&gone.stderr).contains("as a model of the hub: can't reach http://127.0.0.1:1"));
    assert_snapshot!(place.message(&["predict", "--model", "someone/tiny", "abc"]), @"error: there is no folder 'someone/tiny' here; as a model of the hub: the cache 'DIR/no-cache/hub' doesn't hold all files of 'someone/tiny' at revision 'main', and the hub isn't asked (offline): unset HF_HUB_OFFLINE to download them");
    assert_snapshot!(place.message(&["predict", "--model", "./nowhere", "abc"]), @"error: './nowhere' isn't a model's folder: give a folder with config.json, tokenizer.json and model.safetensors, a model's name on the hub, or leave --model out for the built-in model");
    place.write("weights.gguf", "GGUF");
    assert_snapshot!(place.message(&["predict", "--model", "weights.gguf", "abc"]), @"error: 'weights.gguf' isn't a model's folder: give a folder with config.json, tokenizer.json and model.safetensors, a model's name on the hub, or leave --model out for the built-in model");
}

#[test]
fn another_revision_in_the_cache_is_never_taken_for_the_one_that_is_asked_for() {
    let place = Place::new();
    let repository = "no-cache/hub/models--someone--tiny";
    place.copy_model("tiny/gpt2-relu-f16", &format!("{repository}/snapshots/{COMMIT}"));
    place.write(&format!("{repository}/refs/dev"), COMMIT);
    let message = place.message(&["predict", "--model", "someone/tiny", "abc"]);
    assert!(message.contains("doesn't hold all files of 'someone/tiny' at revision 'main'"));
    place.output(&["predict", "--model", "someone/tiny@dev", "abc"]);
    place.output(&["predict", "--model", &format!("someone/tiny@{COMMIT}"), "abc"]);
    let models = place.output(&["models"]);
    assert!(models.contains(&format!("someone/tiny@{COMMIT}")), "{models}");
    // Config and tokenizer alone, as a plan leaves them, aren't a model either.
    place.write(&format!("{repository}/refs/main"), COMMIT);
    fs::remove_file(place.path(&format!("{repository}/snapshots/{COMMIT}/model.safetensors")))
        .expect("weights to remove");
    let message = place.message(&["predict", "--model", "someone/tiny", "abc"]);
    assert!(message.contains("unset HF_HUB_OFFLINE to download them"), "{message}");
}

#[test]
fn all_models_of_the_cache_are_patched_and_those_that_cannot_run_are_listed() {
    let place = Place::new();
    for model in ["gpt2-relu-f16", "gpt2-inverse"] {
        let repository = format!("no-cache/hub/models--someone--{model}");
        place.copy_model(&format!("tiny/{model}"), &format!("{repository}/snapshots/{COMMIT}"));
        place.write(&format!("{repository}/refs/main"), COMMIT);
    }
    place.write("no-cache/hub/models--someone--broken/snapshots/def/config.json", "{}");
    place.write("no-cache/hub/models--someone--broken/refs/main", "def");
    let args = [&PAIR[..], &["--all-cached", "--out", "out", "--quiet"]].concat();
    let output = place.tracewright(&args).output().expect("a run");
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let last: Vec<&str> = out.lines().rev().take(2).collect();
    assert_eq!(last[1], "2 models patched, 1 can't be");
    assert!(last[0].starts_with("  someone/broken: the model folder '"), "{out}");
    for model in ["someone--gpt2-relu-f16", "someone--gpt2-inverse"] {
        assert!(place.path(&format!("out/{model}/cells.parquet")).is_file());
    }
    let again = place.tracewright(&[&args[..], &["--json"]].concat()).output().expect("a run");
    let document: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    let models = document["models"].as_array().expect("models");
    let names: Vec<&Value> = models.iter().map(|model| &model["model"]).collect();
    assert_eq!(names, ["someone/gpt2-inverse", "someone/gpt2-relu-f16", "someone/broken"]);
    assert!(models[0]["cases"].is_array() && models[2]["problem"].is_string());
    assert!(place.message(&[&args[..], &["--model", "x"]].concat()).contains("leave --model out"));
}

#[test]
fn a_streamed_model_gives_the_same_bytes_as_one_that_is_held() {
    let place = Place::new();
    let model = fixture("families/llama3");
    let requests = [
        [&PAIR[..], &["--model", &model, "--site", "resid_post,z", "--metric", "kl,prob"]].concat(),
        ["trace", "--model", &model, "--prompt", "Paris is in", "--subject", "Paris"].to_vec(),
    ];
    for (index, request) in requests.iter().enumerate() {
        let [held, streamed] = ["held", "streamed"].map(|name| format!("{name}{index}"));
        place.warned(&[&request[..], &["--out", &held]].concat());
        place.warned(&[&request[..], &["--out", &streamed, "--stream"]].concat());
        let (held, streamed) = (place.files(&held), place.files(&streamed));
        assert!(held.len() > 3 && held.len() == streamed.len());
        for (name, content) in held.iter().filter(|(name, _)| *name != "run.json") {
            assert!(*content == streamed[name], "{name} differs");
        }
        let environment = |files: &std::collections::BTreeMap<String, Vec<u8>>| -> Value {
            let run: Value = serde_json::from_slice(&files["run.json"]).expect("JSON");
            run["environment"]["streamed"].clone()
        };
        assert_eq!((environment(&held), environment(&streamed)), (json!(false), json!(true)));
    }
}

#[test]
fn bos_is_put_before_prompts_or_left_out_and_stands_in_the_request() {
    let place = Place::new();
    let fed = |model: &str, bos: &str| {
        let model = fixture(model);
        let document = place.json(&["predict", "--model", &model, "--bos", bos, "ab c"]);
        let texts =
            document["predictions"][0]["tokens"]["texts"].as_array().expect("tokens").clone();
        texts.iter().map(|text| text.as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    // Llama's tokenizer adds BOS, GPT-2's doesn't.
    let llama = "families/llama3";
    assert_eq!(fed(llama, "own"), fed(llama, "on"));
    assert_eq!(fed(llama, "own")[0], "<|begin_of_text|>");
    assert_eq!(fed(llama, "own")[1..], fed(llama, "off")[..]);
    let built_in = "facts-6m";
    assert_eq!(fed(built_in, "own"), fed(built_in, "off"));
    assert_eq!(fed(built_in, "on")[1..], fed(built_in, "own")[..]);
    place.copy_model("families/llama3", "odd");
    let mut config: Value = serde_json::from_slice(&place.read("odd/config.json")).expect("JSON");
    config["bos_token_id"] = 99_999.into();
    place.write("odd/config.json", config.to_string());
    let message = place.message(&["predict", "--model", "odd", "--bos", "on", "abc"]);
    assert!(message.contains("names 99999 as bos_token_id, but the model has 105 tokens"));
    assert_snapshot!(place.message(&["predict", "abc", "--bos", "yes"]), @"error: --bos is 'yes': give own (the tokenizer's rule), on or off");
    let args = ["trace", "--bos", "on", "--kind", "hidden", "--samples", "1", "--out", "out"];
    place.output(&[&args[..], &["--quiet"]].concat());
    let run: Value = serde_json::from_slice(&place.read("out/run.json")).expect("JSON");
    assert_eq!(run["request"]["model"]["bos"], "on");
    // The subject moves by the token that was added.
    let message = place.message(&[&args[..1], &args[3..]].concat());
    assert!(message.contains(r#"model.bos: "on" there"#), "{message}");
}

#[test]
fn a_prompt_is_a_message_in_the_checkpoints_own_chat_format() {
    let place = Place::new();
    place.copy_model("families/llama3", "instruct");
    let template = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n\
                    {% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}";
    place.write("instruct/chat_template.jinja", template);
    place.write("instruct/tokenizer_config.json", r#"{"bos_token": "<|begin_of_text|>"}"#);
    let document = place.json(&["predict", "--model", "instruct", "--chat", " Paris is in"]);
    let tokens = &document["predictions"][0]["tokens"];
    let texts: Vec<&str> =
        tokens["texts"].as_array().expect("tokens").iter().filter_map(Value::as_str).collect();
    assert_eq!(texts.concat(), "<|begin_of_text|>[user] Paris is in\n[assistant] ");
    let args = ["trace", "--model", "instruct", "--chat", "--prompt", "Rome was in", "--subject"];
    let more = ["was", "--kind", "hidden", "--samples", "1", "--out", "out"];
    let document = place.json(&[&args[..], &more].concat());
    let run: Value = serde_json::from_slice(&place.read("out/run.json")).expect("JSON");
    assert_eq!(run["request"]["model"]["chat"], true);
    let case = &document["cases"][0];
    let range = &case["subject_range"];
    let part = |name: &str| range[name].as_u64().expect("a range") as usize;
    let fed = case["tokens"]["texts"].as_array().expect("tokens");
    let subject: String =
        fed[part("start")..part("end")].iter().filter_map(Value::as_str).collect();
    assert_eq!(subject.trim(), "was", "{case}");
    let message = place.message(&["predict", "--chat", "abc"]);
    assert!(message.contains("the built-in model has no chat format"), "{message}");
    let message = place.message(&["pair", "--chat", "--print"]);
    assert!(message.contains("aren't part of a sweep file"), "{message}");
    place.write("instruct/chat_template.jinja", "{{ messages[0].content | upper }}");
    let message = place.message(&["predict", "--model", "instruct", "--chat", "abc"]);
    assert!(message.contains("changes more of it than the spaces around it"), "{message}");
}
