//! Checkpoints that are damaged, contradict themselves or aren't there.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{CONFIG, Copy, Stored, TINY, TOKENIZER, WEIGHTS, families};
use insta::assert_snapshot;
use proptest::prelude::*;
use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use tracewright_models::Checkpoint;

fn copy() -> Copy {
    Copy::of("gpt2-inverse")
}

#[test]
fn the_copies_are_whole_before_they_are_damaged() {
    for name in TINY {
        let copy = Copy::of(name);
        copy.tensors(|_| ());
        assert_eq!(copy.warnings(), "");
        assert!(copy.load().is_ok(), "{name}");
    }
}

#[test]
fn a_folder_or_file_that_is_not_there_is_named() {
    let error = Checkpoint::open(Path::new("/no/such/folder")).expect_err("no folder");
    assert_snapshot!(error, @"'/no/such/folder' isn't a model's folder: give a folder with config.json, tokenizer.json and model.safetensors, a model's name on the hub, or leave --model out for the built-in model");
    let without = |file| {
        let copy = copy();
        fs::remove_file(copy.path(file)).expect("a file to remove");
        copy.message()
    };
    assert_snapshot!(without(CONFIG), @"the model folder 'MODEL' has no config.json: a checkpoint in Hugging Face's layout has config.json, tokenizer.json and model.safetensors");
    assert_snapshot!(without(TOKENIZER), @"the model folder 'MODEL' has no tokenizer.json: a checkpoint in Hugging Face's layout has config.json, tokenizer.json and model.safetensors");
    assert_snapshot!(without(WEIGHTS), @"the model folder 'MODEL' has no weights: one of model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json is looked for");
}

#[test]
fn a_damaged_weights_file_is_refused() {
    let damaged = |damage: fn(&mut Vec<u8>)| copy().damage(WEIGHTS, damage).message();
    assert_snapshot!(damaged(Vec::clear), @"MODEL/model.safetensors: the weights can't be read: the file is empty");
    assert_snapshot!(damaged(|bytes| bytes.truncate(5)), @"MODEL/model.safetensors: the weights can't be read: header too small: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(damaged(|bytes| bytes.truncate(300)), @"MODEL/model.safetensors: the weights can't be read: invalid header length: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(damaged(|bytes| bytes.truncate(bytes.len() - 1)), @"MODEL/model.safetensors: the weights can't be read: its header claims another size than the file's 70007 bytes: the download was cut off, or the file is damaged; fetch it again");
    assert_snapshot!(damaged(|bytes| bytes.push(0)), @"MODEL/model.safetensors: the weights can't be read: its header claims another size than the file's 70009 bytes: the download was cut off, or the file is damaged; fetch it again");
    assert_snapshot!(damaged(|bytes| bytes[..8].copy_from_slice(&1_000_000_u64.to_le_bytes())), @"MODEL/model.safetensors: the weights can't be read: invalid header length: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(damaged(|bytes| bytes[..8].copy_from_slice(&(1_u64 << 63).to_le_bytes())), @"MODEL/model.safetensors: the weights can't be read: header too large: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(damaged(|bytes| bytes[8..12].fill(0xff)), @"MODEL/model.safetensors: the weights can't be read: invalid UTF-8 in header: invalid utf-8 sequence of 1 bytes from index 0: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(damaged(|bytes| *bytes = b"version https://git-lfs.github.com/spec/v1".to_vec()), @"MODEL/model.safetensors: the weights can't be read: it is a pointer of Git LFS: run `git lfs pull` in its folder");
    assert_snapshot!(damaged(|bytes| *bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq".to_vec()), @"MODEL/model.safetensors: the weights can't be read: header too large: the file is damaged or isn't safetensors; fetch it again");
}

/// What is said of a file with this header and so many bytes of data.
fn with_header(header: &str, data: usize) -> String {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    let copy = copy();
    copy.write(WEIGHTS, bytes).message()
}

#[test]
fn a_header_that_lies_is_refused_before_anything_is_allocated() {
    assert_snapshot!(with_header(r#"{"wte.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, 8), @"MODEL/model.safetensors: the weights can't be read: invalid shape, data type, or offset for tensor: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(with_header(r#"{"wte.weight":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8), @"MODEL/model.safetensors: the weights can't be read: invalid offset for tensor `wte.weight`: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(with_header(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12), @"MODEL/model.safetensors: the weights can't be read: invalid offset for tensor `a`: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(with_header(r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, 8), @"MODEL/model.safetensors: the weights can't be read: overflow computing buffer size from shape and/or element type: the file is damaged or isn't safetensors; fetch it again");
    assert_snapshot!(with_header(r#"{"a":{"dtype":"U8","shape":[1152921504606846975],"data_offsets":[0,1152921504606846975]}}"#, 8), @"MODEL/model.safetensors: the weights can't be read: its header claims another size than the file's 105 bytes: the download was cut off, or the file is damaged; fetch it again");
    assert_snapshot!(with_header(r#"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#, 8), @"MODEL/model.safetensors: the weights can't be read: invalid JSON in header: unknown variant `F33`, expected one of `BOOL`, `F4`, `F6_E2M3`, `F6_E3M2`, `U8`, `I8`, `F8_E5M2`, `F8_E4M3`, `F8_E8M0`, `F8_E4M3FNUZ`, `F8_E5M2FNUZ`, `I16`, `U16`, `F16`, `BF16`, `I32`, `U32`, `F32`, `C64`, `F64`, `I64`, `U64` at line 1 column 54: the file is damaged or isn't safetensors; fetch it again");
}

#[test]
fn a_config_that_cannot_be_read_is_refused() {
    let text = |text: &str| copy().write(CONFIG, text).message();
    assert_snapshot!(text(""), @"MODEL: config.json isn't valid JSON: EOF while parsing a value at line 1 column 0");
    assert_snapshot!(text("{\"model_type\": \"gpt2\","), @"MODEL: config.json isn't valid JSON: EOF while parsing a value at line 1 column 22");
    assert_snapshot!(text("[1, 2]"), @"MODEL: config.json isn't a JSON object");
    assert_snapshot!(text("{}"), @"MODEL: config.json lacks 'model_type'");
    assert_snapshot!(text("{\"model_type\": \"gpt2\"}"), @"MODEL: config.json lacks 'n_embd'");
    assert_snapshot!(text(&format!("{}1", "[".repeat(100_000))), @"MODEL: config.json isn't valid JSON: recursion limit exceeded at line 1 column 128");
    assert_snapshot!(copy().write(CONFIG, b"\xff\xfe{}").message(), @"MODEL: config.json isn't valid JSON: expected value at line 1 column 1");
}

#[test]
fn a_config_that_we_do_not_implement_is_refused() {
    let set = |field, value| copy().set(field, value).message();
    assert_snapshot!(set("model_type", json!("mamba")), @"MODEL: config.json has the model_type 'mamba', which isn't supported; supported: gemma, gemma2, gemma3_text, gpt2, gpt_neox, gptj, llama, mistral, olmo2, opt, phi, phi3, qwen2, qwen3. Its fields and tensors fit gpt2: write that as model_type into a copy of its config.json to try it, and compare the logits with the original's");
    assert_snapshot!(set("model_type", json!(2)), @"MODEL: config.json has 2 for 'model_type', which should be a text");
    assert_snapshot!(set("activation_function", json!("mish")), @"MODEL: config.json has the activation_function 'mish', which isn't supported; supported: gelu_new, gelu_pytorch_tanh, gelu, relu, silu");
    assert_snapshot!(set("activation_function", json!(["relu"])), @r#"MODEL: config.json has ["relu"] for 'activation_function', which should be a text"#);
    assert_snapshot!(set("add_cross_attention", json!(true)), @"MODEL: config.json asks for cross attention, which isn't supported");
    assert_snapshot!(set("n_head", json!(5)), @"MODEL: config.json has n_embd 24, which can't be divided among n_head 5 heads");
}

#[test]
fn a_size_in_the_config_must_be_one() {
    let set = |field, value| copy().set(field, value).message();
    assert_snapshot!(set("n_layer", json!(1_000_000_000_000_u64)), @"MODEL: config.json has 1000000000000 for 'n_layer', which should be a whole number from 1 to 2^28");
    assert_snapshot!(set("n_layer", json!(0)), @"MODEL: config.json has 0 for 'n_layer', which should be a whole number from 1 to 2^28");
    assert_snapshot!(set("n_layer", json!("3")), @r#"MODEL: config.json has "3" for 'n_layer', which should be a whole number from 1 to 2^28"#);
    assert_snapshot!(set("n_head", json!(1.5)), @"MODEL: config.json has 1.5 for 'n_head', which should be a whole number from 1 to 2^28");
    assert_snapshot!(set("vocab_size", json!(-1)), @"MODEL: config.json has -1 for 'vocab_size', which should be a whole number from 1 to 2^28");
    assert_snapshot!(set("n_positions", json!(null)), @"MODEL: config.json lacks 'n_positions'");
    assert_snapshot!(set("n_inner", json!({})), @"MODEL: config.json has {} for 'n_inner', which should be a whole number from 1 to 2^28");
    assert_snapshot!(set("layer_norm_epsilon", json!(0)), @"MODEL: config.json has 0 for 'layer_norm_epsilon', which should be a positive number that f32 can hold");
    assert_snapshot!(set("layer_norm_epsilon", json!("1e-5")), @r#"MODEL: config.json has "1e-5" for 'layer_norm_epsilon', which should be a positive number that f32 can hold"#);
    assert_snapshot!(set("scale_attn_weights", json!(1)), @"MODEL: config.json has 1 for 'scale_attn_weights', which should be true or false");
}

#[test]
fn weights_that_contradict_the_config_are_named_all_at_once() {
    let copy = copy();
    copy.tensors(|all| {
        all.remove("transformer.ln_f.bias");
        all.remove("transformer.wte.weight");
        all.insert("transformer.h.1.attn.c_attn.weight".to_owned(), Stored::zeros(&[72, 24]));
        all.insert("transformer.h.3.ln_1.weight".to_owned(), Stored::zeros(&[24]));
        all.insert("score.weight".to_owned(), Stored::zeros(&[2, 24]));
    });
    assert_snapshot!(copy.message(), @r"
    MODEL/model.safetensors: the weights don't fit config.json:
      'transformer.wte.weight' is missing (shape [97, 24])
      'transformer.h.1.attn.c_attn.weight' has shape [72, 24], expected [24, 72]
      'transformer.ln_f.bias' is missing (shape [24])
      'score.weight' is not a part of this architecture
      'transformer.h.3.ln_1.weight' is not a part of this architecture
    ");
}

#[test]
fn a_config_of_another_size_than_the_weights_is_refused() {
    assert_snapshot!(copy().set("vocab_size", json!(98)).message(), @r"
    MODEL/model.safetensors: the weights don't fit config.json:
      'transformer.wte.weight' has shape [97, 24], expected [98, 24]
    ");
    assert_snapshot!(copy().set("n_positions", json!(64)).message(), @r"
    MODEL/model.safetensors: the weights don't fit config.json:
      'transformer.wpe.weight' has shape [32, 24], expected [64, 24]
    ");
    assert_snapshot!(copy().set("tie_word_embeddings", json!(false)).message(), @r"
    MODEL/model.safetensors: the weights don't fit config.json:
      'lm_head.weight' is missing (shape [97, 24])
    ");
    assert_snapshot!(copy().set("n_layer", json!(2)).message(), @r"
    MODEL/model.safetensors: the weights don't fit config.json:
      'transformer.h.2.attn.c_attn.bias' is not a part of this architecture
      'transformer.h.2.attn.c_attn.weight' is not a part of this architecture
      'transformer.h.2.attn.c_proj.bias' is not a part of this architecture
      'transformer.h.2.attn.c_proj.weight' is not a part of this architecture
      'transformer.h.2.ln_1.bias' is not a part of this architecture
      'transformer.h.2.ln_1.weight' is not a part of this architecture
      'transformer.h.2.ln_2.bias' is not a part of this architecture
      'transformer.h.2.ln_2.weight' is not a part of this architecture
      'transformer.h.2.mlp.c_fc.bias' is not a part of this architecture
      'transformer.h.2.mlp.c_fc.weight' is not a part of this architecture
      'transformer.h.2.mlp.c_proj.bias' is not a part of this architecture
      'transformer.h.2.mlp.c_proj.weight' is not a part of this architecture
    ");
    assert_snapshot!(copy().set("n_layer", json!(1 << 14)).message(), @r"
    MODEL/model.safetensors: the weights don't fit config.json:
      'transformer.h.3.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.4.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.5.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.6.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.7.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.8.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.9.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.10.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.11.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.12.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.13.attn.c_attn.weight' is missing (shape [24, 72])
      'transformer.h.14.attn.c_attn.weight' is missing (shape [24, 72])
      and 444 more
    ");
    assert_snapshot!(copy().set("n_layer", json!(1 << 28)).message(), @"MODEL: config.json has 268435456 layers in 'n_layer', more than 16384");
}

#[test]
fn a_weight_that_is_not_a_number_is_refused() {
    let put = |value: f32| {
        let copy = copy();
        copy.tensors(|all| {
            let weight = all.get_mut("transformer.h.2.mlp.c_fc.weight").expect("a weight of GPT-2");
            weight.bytes[4 * 7..4 * 8].copy_from_slice(&value.to_le_bytes());
        });
        copy.message()
    };
    assert_snapshot!(put(f32::NAN), @"MODEL/model.safetensors: weight 'transformer.h.2.mlp.c_fc.weight' holds NaN at index 7: the file is damaged, or the model's training failed");
    assert_snapshot!(put(f32::NEG_INFINITY), @"MODEL/model.safetensors: weight 'transformer.h.2.mlp.c_fc.weight' holds -inf at index 7: the file is damaged, or the model's training failed");
}

#[test]
fn a_dtype_that_is_no_float_is_refused() {
    let copy = copy();
    copy.tensors(|all| {
        let integers = Stored { dtype: Dtype::I64, shape: vec![24], bytes: vec![0; 8 * 24] };
        all.insert("transformer.h.0.ln_1.weight".to_owned(), integers);
    });
    assert_snapshot!(copy.message(), @"MODEL/model.safetensors: the weights can't be read: tensor 'transformer.h.0.ln_1.weight' is stored as I64; f32, f16 and bf16 can be read");
}

#[test]
fn a_tied_head_and_mask_buffers_are_not_in_the_way() {
    let copy = copy();
    copy.tensors(|all| {
        all.insert("lm_head.weight".to_owned(), Stored::zeros(&[97, 24]));
        let mask = Stored { dtype: Dtype::BOOL, shape: vec![1, 1, 32, 32], bytes: vec![1; 1024] };
        all.insert("transformer.h.0.attn.bias".to_owned(), mask);
        all.insert("transformer.h.0.attn.masked_bias".to_owned(), Stored::zeros(&[]));
    });
    assert!(copy.load().is_ok());
}

#[test]
fn a_broken_tokenizer_is_refused() {
    let text = |text: &str| copy().write(TOKENIZER, text).message();
    assert_snapshot!(text(""), @"MODEL: tokenizer.json can't be used: EOF while parsing a value at line 1 column 0");
    assert_snapshot!(text("{}"), @"MODEL: tokenizer.json can't be used: Model missing. at line 1 column 2");
    assert_snapshot!(text("[1]"), @"MODEL: tokenizer.json can't be used: invalid type: sequence, expected struct Tokenizer at line 1 column 1");
    assert_snapshot!(copy().damage(TOKENIZER, |bytes| bytes.truncate(1000)).message(), @"MODEL: tokenizer.json can't be used: EOF while parsing an object at line 52 column 3");
    let broken =
        r#"{"decoder": {"type": Byte}, "model": {"type": "BPE", "vocab": {}, "merges": []}}"#;
    assert_snapshot!(text(broken), @"MODEL: tokenizer.json can't be used: expected value at line 1 column 22");
    let wrong_type =
        r#"{"normalizer": {"type": "Precompiled", "precompiled_charsmap": 5}, "model": {}}"#;
    assert_snapshot!(text(wrong_type), @"MODEL: tokenizer.json can't be used: one of its settings has a wrong type");
    let without_vocab = copy();
    without_vocab.damage(TOKENIZER, |bytes| {
        let text = String::from_utf8_lossy(bytes).replace("\"vocab\"", "\"words\"");
        *bytes = text.into_bytes();
    });
    assert_snapshot!(without_vocab.message(), @"MODEL: tokenizer.json can't be used: Missing vocab/merges at line 145 column 1");
}

#[test]
fn what_is_odd_is_said_once_and_is_no_error() {
    let odd = copy();
    odd.set("quantum", json!(1)).write(TOKENIZER, Copy::of("gpt2-relu-f16").read(TOKENIZER));
    assert_snapshot!(odd.warnings(), @r"
    MODEL: config.json has a field 'quantum' that is not known here; it is ignored
    MODEL: the tokenizer knows 300 tokens, the model has 97 embeddings
    ");
    assert!(odd.load().is_ok());
}

/// Some bytes in one place taken out, and others put there.
#[derive(Clone, Debug)]
struct Damage {
    at: prop::sample::Index,
    out: usize,
    new: Vec<u8>,
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = self.at.index(bytes.len() + 1);
        let end = at.saturating_add(self.out).min(bytes.len());
        drop(bytes.splice(at..end, self.new.iter().copied()));
    }
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let words = vec!["\"", "{", "}", "[]", "null", "-1", "1e400", "0", ",", ":", "\\u0000", "true"];
    let new = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..5),
        prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
    ];
    let out = prop_oneof![4 => 0_usize..3, 2 => 0_usize..60, 1 => Just(usize::MAX)];
    let one =
        (any::<prop::sample::Index>(), out, new).prop_map(|(at, out, new)| Damage { at, out, new });
    prop::collection::vec(one, 1..4)
}

fn apply(bytes: &mut Vec<u8>, damages: &[Damage]) {
    damages.iter().for_each(|damage| damage.apply(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_damage_to_the_config_makes_it_panic(damages in damages()) {
        let _ = copy().damage(CONFIG, |bytes| apply(bytes, &damages)).load();
    }

    #[test]
    fn no_damage_to_the_header_of_the_weights_makes_it_panic(damages in damages()) {
        let _ = copy().damage(WEIGHTS, |bytes| {
            let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
            let mut header = bytes[..8 + length].to_vec();
            apply(&mut header, &damages);
            bytes.splice(..8 + length, header);
        }).load();
    }

    #[test]
    fn no_damage_inside_the_header_of_the_weights_makes_it_panic(damages in damages()) {
        let _ = copy().damage(WEIGHTS, |bytes| {
            let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
            let mut header = bytes[8..8 + length].to_vec();
            apply(&mut header, &damages);
            let mut damaged = (header.len() as u64).to_le_bytes().to_vec();
            damaged.append(&mut header);
            bytes.splice(..8 + length, damaged);
        }).load();
    }

    #[test]
    fn no_damage_to_the_tokenizer_makes_it_panic(damages in damages()) {
        if let Ok(model) = copy().damage(TOKENIZER, |bytes| apply(bytes, &damages)).load() {
            let _ = model.tokenizer.prompt("The capital of France, 1894 \u{e9}\u{1f600}!");
            let _ = model.tokenizer.answer("The capital of", "France");
            for id in 0..100 {
                let _ = model.tokenizer.text(id);
            }
        }
    }

    #[test]
    fn no_damage_to_any_file_of_any_family_makes_it_panic(
        folder in prop::sample::select(folders()),
        file in any::<prop::sample::Index>(),
        damages in damages(),
    ) {
        let copy = Copy::of_folder(&folder);
        let files = copy.files();
        let file = &files[file.index(files.len())];
        let bytes = copy.read(file);
        // Of weights the first part, where headers and pickles are.
        let (mut first, rest) = (bytes[..bytes.len().min(6000)].to_vec(), &bytes[bytes.len().min(6000)..]);
        apply(&mut first, &damages);
        let _ = copy.write(file, [&first, rest].concat()).load();
    }

    #[test]
    fn no_value_of_a_config_makes_any_family_panic(
        folder in prop::sample::select(folders()),
        field in any::<prop::sample::Index>(),
        value in prop::sample::select(odd_values()),
    ) {
        let copy = Copy::of_folder(&folder);
        copy.config(|config| {
            let keys: Vec<String> = config.keys().cloned().collect();
            config.insert(keys[field.index(keys.len())].clone(), value.clone());
        });
        let _ = copy.load();
    }
}

/// A checkpoint of every family, and those that MLX has quantised.
fn folders() -> Vec<PathBuf> {
    let quantised = families()[0].join("../../quantised");
    let entries = fs::read_dir(quantised).expect("the fixtures are there");
    let mut folders = families();
    folders.extend(entries.map(|entry| entry.expect("a folder").path()));
    folders.sort();
    folders
}

fn odd_values() -> Vec<Value> {
    let sections = [
        json!({ "rope_type": "linear", "factor": 0.0 }),
        json!({ "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1 }),
        json!({ "full_attention": {}, "sliding_attention": [] }),
        json!({ "group_size": 64, "bits": 8 }),
        json!({ "group_size": 0, "bits": 0, "model.norm": {} }),
    ];
    let others = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(3),
        json!(-1),
        json!(1 << 28),
        json!(u64::MAX),
        json!(1e-320),
        json!(1e300),
        json!(0.3),
        json!("gelu"),
        json!(""),
        json!([]),
        json!(["x"]),
        json!({}),
    ];
    others.into_iter().chain(sections).collect()
}
