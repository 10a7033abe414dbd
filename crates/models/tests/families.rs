//! What families say of their models.

mod common;

use std::fs;

use common::families;
use serde_json::{Value, json};
use tracewright_ir::{Component as C, Site};
use tracewright_models::Checkpoint;

fn family(name: &str) -> Checkpoint {
    let folder = families().into_iter().find(|folder| folder.ends_with(name)).expect("a fixture");
    Checkpoint::open(&folder).expect("it opens")
}

#[test]
fn modules_are_named_by_their_outputs_and_inputs() {
    let cases = [
        ("llama3", "model.layers.1.self_attn.o_proj.input", C::Z),
        ("llama3", "model.layers.1.self_attn.o_proj.output", C::AttnOut),
        ("llama3", "layers.1.mlp.down_proj.input", C::MlpPost),
        ("llama3", "model.layers.1.self_attn.k_proj.input", C::Ln1),
        ("llama3", "model.layers.1.post_attention_layernorm.input", C::ResidMid),
        ("llama3", "model.layers.1.mlp.input", C::Ln2),
        ("gemma2", "model.layers.1.self_attn", C::AttnModule),
        ("gemma2", "model.layers.1.post_attention_layernorm", C::AttnOut),
        ("gemma2", "model.layers.1.pre_feedforward_layernorm", C::Ln2),
        ("gemma2", "blocks.1.mlp.hook_out", C::MlpModule),
        ("llama3", "blocks.1.mlp.hook_out", C::MlpOut),
        ("olmo2", "model.layers.1.mlp.up_proj.input", C::ResidMid),
        ("neox-parallel", "gpt_neox.layers.1.mlp.dense_h_to_4h.input", C::Ln2),
        ("neox-parallel", "gpt_neox.layers.1.post_attention_layernorm.input", C::ResidPre),
        ("phi", "model.layers.1.mlp.fc1.input", C::Ln1),
        ("gptj", "transformer.h.1.attn.out_proj.input", C::Z),
        ("opt", "model.decoder.layers.1.fc2", C::MlpOut),
    ];
    for (name, module, component) in cases {
        let checkpoint = family(name);
        let site = Site::parse(module, checkpoint.architecture());
        let site = site.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(site.place(), Site::in_layer(component, 1).place(), "{name}: {module}");
    }
    let last = Site::parse("lm_head.input", family("qwen3").architecture());
    assert_eq!(last.ok(), Some(Site::outside(C::FinalNorm)));
}

#[test]
fn no_config_of_a_family_has_a_field_that_is_not_known() {
    for folder in families() {
        let checkpoint = Checkpoint::open(&folder).expect("it opens");
        let unknown = |warning: &&String| warning.contains("not known here");
        assert_eq!(checkpoint.warnings().iter().find(unknown), None, "{}", folder.display());
    }
}

/// What is said of a family's config after a change.
fn changed(name: &str, key: &str, value: Value) -> String {
    let from = families().into_iter().find(|folder| folder.ends_with(name)).expect("a fixture");
    let folder = tempfile::tempdir().expect("a folder");
    let config = fs::read(from.join("config.json")).expect("a config");
    let mut config: Value = serde_json::from_slice(&config).expect("JSON");
    config[key] = value;
    fs::write(folder.path().join("config.json"), config.to_string()).expect("room");
    fs::copy(from.join("tokenizer.json"), folder.path().join("tokenizer.json")).expect("room");
    let error = Checkpoint::open(folder.path()).expect_err("refused").to_string();
    error.replace(&folder.path().display().to_string(), "MODEL")
}

#[test]
fn settings_that_are_not_computed_are_refused_by_name() {
    use insta::assert_snapshot;
    assert_snapshot!(changed("llama3", "rope_scaling", json!({ "rope_type": "yarn", "factor": 4.0 })), @"MODEL: config.json has the rope type 'yarn', which isn't supported; supported: default, linear, llama3");
    assert_snapshot!(changed("llama3", "rope_scaling", json!({ "rope_type": "llama3", "factor": 4.0 })), @"MODEL: config.json lacks 'low_freq_factor' among its rope fields");
    assert_snapshot!(changed("llama3", "num_key_value_heads", json!(4)), @"MODEL: config.json has 6 heads, which can't share 4 key/value heads in groups of equal size");
    assert_snapshot!(changed("llama3", "hidden_act", json!("xielu")), @"MODEL: config.json has the hidden_act 'xielu', which isn't supported; supported: gelu_new, gelu_pytorch_tanh, gelu, relu, silu");
    assert_snapshot!(changed("opt", "do_layer_norm_before", json!(false)), @"MODEL: config.json asks for norms of the stream after attention and MLP ('do_layer_norm_before'), which isn't supported");
    assert_snapshot!(changed("opt", "word_embed_proj_dim", json!(8)), @"MODEL: config.json has a word_embed_proj_dim of 8 beside hidden_size 24; embeddings of another width aren't supported");
    assert_snapshot!(changed("phi", "qk_layernorm", json!(true)), @"MODEL: config.json asks for norms of queries and keys ('qk_layernorm'), which aren't supported for phi");
    assert_snapshot!(changed("gemma3-v5", "rope_parameters", json!({ "rope_theta": 5.0 })), @"MODEL: config.json has 'rope_theta' in its rope_parameters, which should hold an object for each of full_attention and sliding_attention");
    assert_snapshot!(changed("qwen2", "layer_types", json!(["full_attention", "chunked_attention", "full_attention"])), @"MODEL: config.json has the layer type 'chunked_attention', which isn't supported; supported: full_attention, sliding_attention");
    assert_snapshot!(changed("llama3", "quantization_config", json!({ "quant_method": "awq" })), @"MODEL: config.json has a 'quantization_config': weights quantised that way can't be read; unquantised ones and MLX's can");
    assert_snapshot!(changed("llama3", "quantization", json!({ "group_size": 16, "bits": 4 })), @r#"MODEL: config.json has a quantization {"group_size":16,"bits":4}, which isn't supported; supported: MLX's affine groups with group_size 32, 64 or 128 and 2, 3, 4, 5, 6 or 8 bits"#);
}
