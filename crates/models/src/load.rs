//! From tensors on disk to a decoder on a device.

use burn::tensor::{Device, Tensor, TensorData};
use tracewright_ir::{Architecture, Norm as NormKind, QueryKeyNorm};

use crate::decoder::{Decoder, Layer, Linear};
use crate::dtype::Dtype;
use crate::error::ModelError;
use crate::families::{Description, Names, Positions, Projection};
use crate::norm::Norm;
use crate::rotary::Turn;
use crate::weights::Weights;

/// A file's tensors under the names that a family gives them.
struct Loader<'a> {
    file: &'a Weights,
    architecture: &'a Architecture,
    names: &'a Names,
    prefix: &'static str,
    place: &'a Place,
}

/// Where the weights go, and as what.
pub(crate) struct Place {
    pub(crate) device: Device,
    /// True where the device's tensors lie in the host's memory.
    pub(crate) on_host: bool,
    pub(crate) dtype: Dtype,
}

/// Checks the file against the architecture and puts the weights on the device.
///
/// # Errors
///
/// [`ModelError::Mismatch`] with every missing, additional and wrongly shaped tensor at once, and
/// what reading a tensor gives.
pub(crate) fn decoder(
    file: &Weights,
    description: &Description,
    place: Place,
) -> Result<Decoder, ModelError> {
    let Description { architecture, names } = description;
    check(file, description)?;
    let prefix = prefix(file, names);
    let weights = Loader { file, architecture, names, prefix, place: &place };
    let embed = weights.matrix(names.embed, None)?;
    Ok(Decoder {
        pos_embed: names.pos_embed.map(|table| weights.positions(table)).transpose()?,
        layers: (0..architecture.n_layers)
            .map(|layer| weights.layer(layer))
            .collect::<Result<_, _>>()?,
        ln_final: weights.norm(names.ln_final, None)?,
        unembed: weights.unembed(&embed)?,
        architecture: architecture.clone(),
        device: place.device.clone(),
        on_host: place.on_host,
        embed,
    })
}

/// The prefix that this file's names have.
fn prefix(file: &Weights, names: &Names) -> &'static str {
    let prefixed = file.names().iter().any(|name| name.starts_with(names.optional_prefix));
    if prefixed { names.optional_prefix } else { "" }
}

/// The embedding's name in this file.
pub(crate) fn embedding(file: &Weights, names: &Names) -> String {
    full_name(prefix(file, names), names.embed, None)
}

/// The unembedding's name in this file.
fn unembed_name(file: &Weights, names: &Names) -> &'static str {
    let held = |name: &&&str| file.has(&format!("{name}.weight"));
    names.unembed.iter().find(held).copied().unwrap_or(names.unembed[0])
}

/// Whether the unembedding is the embedding: the config says so, and the file holds no other.
fn tied(file: &Weights, architecture: &Architecture, names: &Names) -> bool {
    let unembed = format!("{}.weight", unembed_name(file, names));
    let embed = embedding(file, names);
    let other = || file.has(&unembed) && !file.same(&unembed, &embed);
    architecture.tied_unembedding && !other()
}

impl Loader<'_> {
    /// A tensor by its own name, with its shape.
    fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<D>, ModelError> {
        let shape = self.file.shape(name).unwrap_or_default();
        let data = TensorData::new(self.file.read(name)?, shape);
        Ok(Tensor::from_data(data, &self.place.device))
    }

    /// A tensor by the family's name for it.
    fn named<const D: usize>(
        &self,
        name: &str,
        layer: Option<usize>,
    ) -> Result<Tensor<D>, ModelError> {
        self.tensor(&full_name(self.prefix, name, layer))
    }

    /// A factor of products, in their type.
    fn matrix(&self, name: &str, layer: Option<usize>) -> Result<Tensor<2>, ModelError> {
        Ok(self.named(name, layer)?.cast(self.place.dtype.of_burn()))
    }

    fn positions(&self, table: Positions) -> Result<Tensor<2>, ModelError> {
        let all: Tensor<2> = self.named(table.name, None)?;
        Ok(all.narrow(0, table.before, self.architecture.context))
    }

    fn unembed(&self, embed: &Tensor<2>) -> Result<Linear, ModelError> {
        let name = unembed_name(self.file, self.names);
        let weight = match tied(self.file, self.architecture, self.names) {
            true => embed.clone(),
            false => self.tensor(&format!("{name}.weight"))?.cast(self.place.dtype.of_burn()),
        };
        let bias = self.names.unembed_bias.then(|| self.tensor(&format!("{name}.bias")));
        Ok(Linear { weight: weight.transpose(), bias: bias.transpose()? })
    }

    fn norm(&self, name: &str, layer: Option<usize>) -> Result<Norm, ModelError> {
        let gain: Tensor<1> = self.named(&format!("{name}.weight"), layer)?;
        let kind = self.architecture.norm;
        let (gain, bias) = match kind {
            NormKind::LayerNorm { .. } => (gain, Some(self.named(&format!("{name}.bias"), layer)?)),
            NormKind::RmsNorm { plus_one: true, .. } => (gain + 1.0, None),
            NormKind::RmsNorm { plus_one: false, .. } => (gain, None),
        };
        Ok(Norm { kind, gain, bias, on_host: self.place.on_host })
    }

    fn optional_norm(
        &self,
        name: Option<&'static str>,
        layer: usize,
    ) -> Result<Option<Norm>, ModelError> {
        name.map(|name| self.norm(name, Some(layer))).transpose()
    }

    /// Projections side by side, as one.
    fn linear(&self, projection: Projection, layer: usize) -> Result<Linear, ModelError> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for name in projection.parts {
            let weight = self.matrix(&format!("{name}.weight"), Some(layer))?;
            weights.push(if self.names.in_first { weight } else { weight.transpose() });
            if projection.bias {
                biases.push(self.named::<1>(&format!("{name}.bias"), Some(layer))?);
            }
        }
        let bias = (!biases.is_empty()).then(|| side_by_side(biases, 0));
        let linear = Linear { weight: side_by_side(weights, 1), bias };
        Ok(if projection.by_head { self.in_order(linear) } else { linear })
    }

    /// q, k and v of each head as those of all heads.
    fn in_order(&self, linear: Linear) -> Linear {
        let Architecture { d_model, n_heads, d_head, .. } = *self.architecture;
        let by_head: Tensor<4> = linear.weight.reshape([d_model, n_heads, 3, d_head]);
        let weight = by_head.swap_dims(1, 2).reshape([d_model, 3 * n_heads * d_head]);
        let in_order = |bias: Tensor<1>| -> Tensor<1> {
            let by_head: Tensor<3> = bias.reshape([n_heads, 3, d_head]);
            by_head.swap_dims(0, 1).reshape([3 * n_heads * d_head])
        };
        Linear { weight, bias: linear.bias.map(in_order) }
    }

    /// The two factors of a gated MLP, or the one of any other.
    fn mlp_in(&self, layer: usize) -> Result<(Linear, Option<Linear>), ModelError> {
        let projection = self.names.mlp_in;
        let d_mlp = self.architecture.d_mlp;
        if !self.architecture.gated_mlp {
            return Ok((self.linear(projection, layer)?, None));
        }
        if let [gate, linear] = projection.parts.chunks(1).collect::<Vec<_>>()[..] {
            let of = |parts| self.linear(Projection { parts, ..projection }, layer);
            return Ok((of(gate)?, Some(of(linear)?)));
        }
        let Linear { weight, bias } = self.linear(projection, layer)?;
        let half = |first| Linear {
            weight: weight.clone().narrow(1, first, d_mlp),
            bias: bias.clone().map(|bias| bias.narrow(0, first, d_mlp)),
        };
        Ok((half(0), Some(half(d_mlp))))
    }

    fn layer(&self, index: usize) -> Result<Layer, ModelError> {
        let Self { names, architecture, .. } = *self;
        let (mlp_in, mlp_linear) = self.mlp_in(index)?;
        let qk_norm = match names.qk_norm {
            Some([q, k]) => Some([self.norm(q, Some(index))?, self.norm(k, Some(index))?]),
            None => None,
        };
        Ok(Layer {
            index,
            ln1: self.optional_norm(names.ln1, index)?,
            qkv: self.linear(names.qkv, index)?,
            qk_norm,
            turn: Turn::of(&architecture.position, architecture.window(index).is_some()),
            attn_out: self.linear(names.attn_out, index)?,
            ln1_post: self.optional_norm(names.ln1_post, index)?,
            ln2: self.optional_norm(names.ln2, index)?,
            mlp_in,
            mlp_linear,
            mlp_out: self.linear(names.mlp_out, index)?,
            ln2_post: self.optional_norm(names.ln2_post, index)?,
        })
    }
}

fn side_by_side<const D: usize>(parts: Vec<Tensor<D>>, axis: usize) -> Tensor<D> {
    match <[Tensor<D>; 1]>::try_from(parts) {
        Ok([part]) => part,
        Err(parts) => Tensor::cat(parts, axis),
    }
}

/// Every tensor that the architecture promises, with its shape; `{}` is the layer. The unembedding is
/// apart.
fn promised(architecture: &Architecture, names: &Names) -> Vec<(String, Vec<usize>)> {
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
        if matches!(architecture.norm, NormKind::LayerNorm { .. }) {
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

fn full_name(prefix: &str, name: &str, layer: Option<usize>) -> String {
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
