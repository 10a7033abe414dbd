//! The tensors that a checkpoint must hold, and which of its names are whose.

use tracewright_ir::{Architecture, Norm, QueryKeyNorm};

use crate::error::ModelError;
use crate::families::{Description, Names, Positions, Projection};
use crate::weights::Weights;

/// The prefix that this file's names have.
pub(crate) fn prefix(file: &Weights, names: &Names) -> &'static str {
    let prefixed = file.names().iter().any(|name| name.starts_with(names.optional_prefix));
    if prefixed { names.optional_prefix } else { "" }
}

/// The embedding's name in this file.
pub(crate) fn embedding(file: &Weights, names: &Names) -> String {
    full_name(prefix(file, names), names.embed, None)
}

/// The unembedding's name in this file.
pub(crate) fn unembed_name(file: &Weights, names: &Names) -> &'static str {
    let held = |name: &&&str| file.has(&format!("{name}.weight"));
    names.unembed.iter().find(held).copied().unwrap_or(names.unembed[0])
}

/// Whether the unembedding is the embedding: the config says so, and the file holds no other.
pub(crate) fn tied(file: &Weights, architecture: &Architecture, names: &Names) -> bool {
    let unembed = format!("{}.weight", unembed_name(file, names));
    let embed = embedding(file, names);
    let other = || file.has(&unembed) && !file.same(&unembed, &embed);
    architecture.tied_unembedding && !other()
}

/// Every tensor that the architecture promises, with its shape; `{}` is the layer. The unembedding is
/// apart.
pub(crate) fn promised(architecture: &Architecture, names: &Names) -> Vec<(String, Vec<usize>)> {
    let Architecture { d_model, n_heads, n_kv_heads, d_head, d_mlp, vocab, context, .. } =
        *architecture;
    let (z, kv) = (n_heads * d_head, n_kv_heads * d_head);
    let mut promised = vec![(names.embed.to_owned(), vec![vocab, d_model])];
    if let Some(Positions { name, before }) = names.pos_embed {
        promised.push((name.to_owned(), vec![before + context, d_model]));
    }
    let mut linear = |projection: Projection, input, outputs: &[usize]| {
        let whole = [outputs.iter().sum()];
        let outputs = if projection.parts.len() == 1 { &whole } else { outputs };
        for (name, output) in projection.parts.iter().zip(outputs) {
            let shape = if names.in_first { [input, *output] } else { [*output, input] };
            promised.push((format!("{name}.weight"), shape.to_vec()));
            if projection.bias {
                promised.push((format!("{name}.bias"), vec![*output]));
            }
        }
    };
    let mlp: &[usize] = if architecture.gated_mlp { &[d_mlp, d_mlp] } else { &[d_mlp] };
    linear(names.qkv, d_model, &[z, kv, kv]);
    linear(names.attn_out, z, &[d_model]);
    linear(names.mlp_in, d_model, mlp);
    linear(names.mlp_out, d_mlp, &[d_model]);
    let mut norm = |name: &str, width: usize| {
        promised.push((format!("{name}.weight"), vec![width]));
        if matches!(architecture.norm, Norm::LayerNorm { .. }) {
            promised.push((format!("{name}.bias"), vec![width]));
        }
    };
    let of_stream = [names.ln1, names.ln1_post, names.ln2, names.ln2_post, Some(names.ln_final)];
    of_stream.into_iter().flatten().for_each(|name| norm(name, d_model));
    let widths = match architecture.query_key_norm {
        Some(QueryKeyNorm::AllHeads) => [z, kv],
        _ => [d_head, d_head],
    };
    names.qk_norm.iter().flatten().zip(widths).for_each(|(name, width)| norm(name, width));
    promised
}

pub(crate) fn full_name(prefix: &str, name: &str, layer: Option<usize>) -> String {
    match layer {
        Some(layer) => format!("{prefix}{}", name.replace("{}", &layer.to_string())),
        None => format!("{prefix}{name}"),
    }
}

/// Compares the file's tensors with what the architecture promises.
pub(crate) fn check(file: &Weights, description: &Description) -> Result<(), ModelError> {
    let Description { architecture, names } = description;
    const SHOWN: usize = 12;
    let prefix = prefix(file, names);
    let held = file.names();
    // A config can claim any number of layers; there can't be more than tensors.
    let layers = architecture.n_layers.min(held.len() + 1);
    let mut known = std::collections::BTreeSet::new();
    let mut problems = Vec::new();
    let mut expect = |name: String, expected: Vec<usize>| {
        match file.shape(&name) {
            None if file.has(&name) => problems.push(format!(
                "'{name}' and its scales haven't the shapes of the bits and groups in 'quantization'"
            )),
            None => problems.push(format!("'{name}' is missing (shape {expected:?})")),
            Some(shape) if shape != expected => {
                problems.push(format!("'{name}' has shape {shape:?}, expected {expected:?}"));
            }
            Some(_) => {}
        }
        known.insert(name);
    };
    for (name, expected) in promised(architecture, names) {
        let layers = if name.contains("{}") { (0..layers).map(Some).collect() } else { vec![None] };
        for layer in layers {
            expect(full_name(prefix, &name, layer), expected.clone());
        }
    }
    let unembed = unembed_name(file, names);
    let Architecture { vocab, d_model, .. } = *architecture;
    if !architecture.tied_unembedding || file.has(&format!("{unembed}.weight")) {
        expect(format!("{unembed}.weight"), vec![vocab, d_model]);
    }
    if names.unembed_bias {
        expect(format!("{unembed}.bias"), vec![vocab]);
    }
    let ignored = |name: &str| names.ignored.iter().any(|end| name.ends_with(end));
    let additional = held.iter().filter(|name| !known.contains(*name) && !ignored(name));
    problems.extend(additional.map(|name| format!("'{name}' is not a part of this architecture")));
    if problems.is_empty() {
        return Ok(());
    }
    let more = problems.len().saturating_sub(SHOWN);
    problems.truncate(SHOWN);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(ModelError::Mismatch { origin: file.origin().to_owned(), problems })
}

/// What a model's weights take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// All weights on a device.
    pub held: u64,
    /// What of them is in memory at a time where the model is streamed: a layer, the next one as it is read
    /// (in f32), two blocks of the unembedding, and what lies outside the layers.
    pub streamed: u64,
    /// All layers as they are stored: what every pass of a streamed model reads.
    pub stored_layers: u64,
    /// The unembedding as it is stored: what is read for each block of rows whose logits are computed whole.
    pub stored_unembedding: u64,
}

impl Footprint {
    /// Of a model whose products are computed in numbers of `width` bytes and whose unembedding is read in
    /// blocks of so many bytes; `stored` says what so many numbers
    /// of a tensor take in their file, by the tensor's name without its prefix.
    pub(crate) fn new(
        Description { architecture, names }: &Description,
        width: u64,
        blocks: u64,
        stored: impl Fn(&str, u64) -> u64,
    ) -> Self {
        let Architecture { vocab, d_model, n_layers, .. } = *architecture;
        let layers = n_layers as u64;
        let (mut layer, mut read, mut outside, mut stored_layers) = (0, 0, 0, 0);
        let f32_bytes = size_of::<f32>() as u64;
        for (name, shape) in promised(architecture, names) {
            let numbers: u64 = shape.iter().map(|len| *len as u64).product();
            let bytes = numbers * if shape.len() > 1 { width } else { f32_bytes };
            match name.contains("{}") {
                true => {
                    (layer, read) = (layer + bytes, read + numbers * f32_bytes);
                    let of_layer =
                        |layer: u64| stored(&name.replace("{}", &layer.to_string()), numbers);
                    stored_layers += (0..layers).map(of_layer).sum::<u64>();
                }
                false if name == names.embed => {}
                false => outside += bytes,
            }
        }
        outside += if names.unembed_bias { (vocab * size_of::<f32>()) as u64 } else { 0 };
        let table = vocab as u64 * d_model as u64;
        let tables = if architecture.tied_unembedding { 1 } else { 2 };
        let unembedding = if tables == 1 {
            names.embed.to_owned()
        } else {
            format!("{}.weight", names.unembed[0])
        };
        Self {
            held: outside + layers * layer + tables * table * width,
            streamed: outside
                + layer
                + if layers > 1 { read } else { 0 }
                + (table * f32_bytes).min(2 * blocks),
            stored_layers,
            stored_unembedding: stored(&unembedding, table),
        }
    }
}
