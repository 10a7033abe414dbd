//! A family of the caller's own: the one of `docs/models.md`, on a checkpoint in its layout.

mod common;

use std::fs;
use std::path::Path;

use common::{families, load};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tracewright_ir::{Architecture, Component as C, Norm, NormPlace, Residual, ScoreScale, Site};
use tracewright_models::families::{
    Config, Description, FAMILIES, Family, Names, Projection, modules, rope,
};
use tracewright_models::{Batch, Checkpoint, DeviceName, Model, ModelError, Nobody};

/// `model_type` "sketch": RMSNorm, rotary positions, a gated MLP whose two factors are one tensor.
const SKETCH: Family = Family {
    model_type: "sketch",
    describe,
    known_fields: &[
        rope::FIELDS,
        &["width", "depth", "heads", "head_width", "mlp", "norm_eps", "window"],
    ],
};

fn describe(config: &Config<'_>) -> Result<Description, ModelError> {
    let d_head = config.required_size("head_width")?;
    let architecture = Architecture {
        family: SKETCH.model_type.to_owned(),
        n_layers: config.required_layers("depth")?,
        d_model: config.required_size("width")?,
        n_heads: config.required_size("heads")?,
        n_kv_heads: config.required_size("heads")?,
        d_head,
        d_mlp: config.required_size("mlp")?,
        vocab: config.required_size("vocab_size")?,
        context: config.size("window")?.unwrap_or(2048),
        norm: Norm::RmsNorm { eps: config.number("norm_eps", 1e-6)?, plus_one: false },
        norm_place: NormPlace::Pre,
        position: tracewright_ir::Position::Rotary(rope::whole_heads(config, d_head)?),
        window: None,
        score_scale: ScoreScale::by_head_width(d_head),
        score_cap: None,
        query_key_norm: None,
        activation: config.activation("activation", "silu")?,
        gated_mlp: true,
        residual: Residual::Sequential,
        embed_scale: 1.0,
        logit_cap: None,
        tied_unembedding: config.flag("tie_word_embeddings", false)?,
        modules: modules(&[
            (C::AttnOut, "blocks.{}.mix"),
            (C::MlpOut, "blocks.{}.think"),
            (C::ResidPost, "blocks.{}"),
        ]),
    };
    Ok(Description { architecture, names: NAMES })
}

const NAMES: Names = Names {
    optional_prefix: "sketch.",
    ignored: &[],
    embed: "tokens.weight",
    pos_embed: None,
    ln1: Some("blocks.{}.before_mix"),
    ln1_post: None,
    ln2: Some("blocks.{}.before_think"),
    ln2_post: None,
    qkv: Projection::new(&["blocks.{}.mix.q", "blocks.{}.mix.k", "blocks.{}.mix.v"], false),
    qk_norm: None,
    attn_out: Projection::new(&["blocks.{}.mix.out"], false),
    mlp_in: Projection::new(&["blocks.{}.think.in"], false),
    mlp_out: Projection::new(&["blocks.{}.think.out"], false),
    ln_final: "last",
    unembed: &["guess"],
    unembed_bias: false,
    in_first: false,
};

/// Where Llama's tensors stand in the sketch.
const RENAMED: [(&str, &str); 11] = [
    ("model.embed_tokens", "sketch.tokens"),
    ("model.layers", "sketch.blocks"),
    ("input_layernorm", "before_mix"),
    ("post_attention_layernorm", "before_think"),
    ("self_attn.q_proj", "mix.q"),
    ("self_attn.k_proj", "mix.k"),
    ("self_attn.v_proj", "mix.v"),
    ("self_attn.o_proj", "mix.out"),
    ("mlp.down_proj", "think.out"),
    ("model.norm", "sketch.last"),
    ("lm_head", "guess"),
];

fn llama() -> std::path::PathBuf {
    families().into_iter().find(|folder| folder.ends_with("llama2")).expect("a fixture")
}

/// The tiny Llama's weights as a sketch.
fn make_sketch(folder: &Path) {
    let read = |file: &str| fs::read(llama().join(file)).expect("a fixture's file");
    let config: Value = serde_json::from_slice(&read("config.json")).expect("JSON");
    let sketch = json!({
        "model_type": "sketch",
        "width": config["hidden_size"],
        "depth": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "head_width": config["head_dim"],
        "mlp": config["intermediate_size"],
        "vocab_size": config["vocab_size"],
        "rope_theta": config["rope_theta"],
        "norm_eps": config["rms_norm_eps"],
    });
    fs::write(folder.join("config.json"), sketch.to_string()).expect("room");
    fs::write(folder.join("tokenizer.json"), read("tokenizer.json")).expect("room");
    let bytes = read("model.safetensors");
    let held = SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut tensors = Vec::new();
    for (name, tensor) in held.iter() {
        if name.contains("up_proj") {
            continue;
        }
        let (mut name, mut shape) = (name.to_owned(), tensor.shape().to_vec());
        let mut data = tensor.data().to_vec();
        if name.contains("gate_proj") {
            let up = held.tensor(&name.replace("gate_proj", "up_proj")).expect("the other factor");
            data.extend_from_slice(up.data());
            shape[0] *= 2;
            name = name.replace("mlp.gate_proj", "think.in");
        }
        let name = RENAMED.iter().fold(name, |name, (from, to)| name.replace(from, to));
        tensors.push((name, tensor.dtype(), shape, data));
    }
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).expect("a tensor"))
    });
    let file = safetensors::serialize(views, None).expect("safetensors");
    fs::write(folder.join("model.safetensors"), file).expect("room");
}

fn logits(model: &Model) -> Vec<f32> {
    let batch = Batch { sequences: 1, len: 6 };
    let logits = model
        .decoder
        .forward(&[1, 40, 300, 7, 7, 99], batch, &[0, 5], &mut Nobody)
        .expect("its weights are there");
    logits.into_data().try_to_vec().expect("f32")
}

#[test]
fn a_family_of_ones_own_has_the_numbers_of_its_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    make_sketch(folder.path());
    let all = [&[SKETCH][..], &FAMILIES].concat();
    let checkpoint = Checkpoint::open_with(folder.path(), &all).expect("a sketch");
    assert_eq!(checkpoint.warnings(), [] as [&str; 0]);
    let site = Site::parse("blocks.1.mix.out.input", checkpoint.architecture());
    assert_eq!(site.ok(), Some(Site::in_layer(C::Z, 1)));
    let sketch = checkpoint.load(DeviceName::Cpu).expect("its weights");
    assert_eq!(logits(&sketch), logits(&load(&llama()).expect("the tiny Llama")));
}

#[test]
fn a_model_of_an_unknown_family_is_told_which_known_ones_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    make_sketch(folder.path());
    let error = Checkpoint::open(folder.path()).expect_err("unknown").to_string();
    assert!(!error.contains("fit"), "{error}");
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(llama().join(file), folder.path().join(file)).expect("room");
    }
    let config = fs::read_to_string(folder.path().join("config.json")).expect("text");
    let renamed = config.replace("\"llama\"", "\"sloth\"");
    fs::write(folder.path().join("config.json"), renamed).expect("room");
    let error = Checkpoint::open(folder.path()).expect_err("unknown").to_string();
    let error = error.replace(&folder.path().display().to_string(), "MODEL");
    insta::assert_snapshot!(error, @"MODEL: config.json has the model_type 'sloth', which isn't supported; supported: gemma, gemma2, gemma3_text, gpt2, gpt_neox, gptj, llama, mistral, olmo2, opt, phi, phi3, qwen2, qwen3. Its fields and tensors fit llama: write that as model_type into a copy of its config.json to try it, and compare the logits with the original's");
}
