//! Checkpoints of any size with random weights, in Llama's layout.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rand_mt::Mt;
use safetensors::tensor::{Dtype, View, serialize_to_file};
use serde_json::{Value, json};

/// A model's shape; its weights are bf16.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) layers: usize,
    pub(crate) d_model: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) d_mlp: usize,
    pub(crate) vocab: usize,
}

/// A tensor that is drawn when it is written.
struct Drawn {
    shape: Vec<usize>,
    seed: u32,
}

impl View for Drawn {
    fn dtype(&self) -> Dtype {
        Dtype::BF16
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        const ONE: u16 = 0x3f80;
        if self.shape.len() == 1 {
            return Cow::Owned(ONE.to_le_bytes().repeat(self.shape[0]));
        }
        // Of either sign, between 1/64 and 1/32: about as large as a model's weights.
        let number = |bits: u32| (bits as u16 & 0x807f) | (121 << 7);
        let mut random = Mt::new(self.seed);
        let two = || {
            let bits = random.next_u32();
            [number(bits).to_le_bytes(), number(bits >> 16).to_le_bytes()].concat()
        };
        let mut bytes = Vec::with_capacity(self.data_len());
        std::iter::repeat_with(two).take(self.data_len() / 4).for_each(|two| bytes.extend(two));
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        2 * self.shape.iter().product::<usize>()
    }
}

/// Writes a checkpoint into a folder, unless it is there, with the tokenizer of a small fixture.
pub(crate) fn llama(folder: &Path, shape: Shape) -> Result<()> {
    let weights = folder.join("model.safetensors");
    config(folder, shape)?;
    if weights.exists() {
        return Ok(());
    }
    let Shape { layers, d_model, heads, kv_heads, d_mlp, vocab } = shape;
    let kv = d_model / heads * kv_heads;
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocab, d_model]),
        ("lm_head.weight".to_owned(), vec![vocab, d_model]),
        ("model.norm.weight".to_owned(), vec![d_model]),
    ];
    let of_layer = [
        ("self_attn.q_proj", vec![d_model, d_model]),
        ("self_attn.k_proj", vec![kv, d_model]),
        ("self_attn.v_proj", vec![kv, d_model]),
        ("self_attn.o_proj", vec![d_model, d_model]),
        ("mlp.gate_proj", vec![d_mlp, d_model]),
        ("mlp.up_proj", vec![d_mlp, d_model]),
        ("mlp.down_proj", vec![d_model, d_mlp]),
        ("input_layernorm", vec![d_model]),
        ("post_attention_layernorm", vec![d_model]),
    ];
    for layer in 0..layers {
        tensors.extend(
            of_layer.iter().map(|(name, shape)| {
                (format!("model.layers.{layer}.{name}.weight"), shape.clone())
            }),
        );
    }
    let drawn =
        tensors.into_iter().zip(1..).map(|((name, shape), seed)| (name, Drawn { shape, seed }));
    // Written under another name first, so that a half one is never taken for the whole.
    let half = folder.join("half");
    serialize_to_file(drawn, None, &half).context("writing random weights")?;
    fs::rename(half, weights).context("naming the random weights")
}

/// The checkpoint without its weights, which is enough for a plan.
pub(crate) fn config(folder: &Path, shape: Shape) -> Result<()> {
    let Shape { layers, d_model, heads, kv_heads, d_mlp, vocab } = shape;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let fixture = crate::root().join("fixtures/families/llama3");
    fs::copy(fixture.join("tokenizer.json"), folder.join("tokenizer.json"))?;
    let mut config: Value = serde_json::from_slice(&fs::read(fixture.join("config.json"))?)?;
    let fields = json!({
        "num_hidden_layers": layers,
        "hidden_size": d_model,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": d_model / heads,
        "intermediate_size": d_mlp,
        "vocab_size": vocab,
        "tie_word_embeddings": false,
        "torch_dtype": "bfloat16",
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    fs::write(folder.join("config.json"), config.to_string()).context("writing config.json")
}
