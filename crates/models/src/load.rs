//! From tensors on disk to a decoder on a device.

use burn::tensor::{Device, Tensor, TensorData};
use tracewright_ir::{Architecture, Position};

use crate::decoder::{Decoder, Layer, Linear, Norm};
use crate::dtype::Dtype;
use crate::error::ModelError;
use crate::families::Names;
use crate::tensors::TensorFile;

/// A file's tensors under the names that a family gives them.
struct Weights<'a> {
    file: &'a TensorFile,
    names: Names,
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
    file: &TensorFile,
    architecture: &Architecture,
    names: Names,
    place: Place,
) -> Result<Decoder, ModelError> {
    if let Some(what) = architecture.not_yet() {
        return Err(ModelError::NotYet { what: what.to_owned() });
    }
    check(file, architecture, &names)?;
    let prefix = prefix(file, &names);
    let weights = Weights { file, names, prefix, place: &place };
    let names = &weights.names;
    let embed = weights.matrix(names.embed, None)?;
    let unembed = if architecture.tied_unembedding {
        embed.clone().transpose()
    } else {
        weights.matrix(names.unembed, None)?.transpose()
    };
    Ok(Decoder {
        pos_embed: names.pos_embed.map(|name| weights.tensor::<2>(name, None)).transpose()?,
        layers: (0..architecture.n_layers)
            .map(|i| weights.layer(i, architecture))
            .collect::<Result<_, _>>()?,
        ln_final: weights.norm(names.ln_final, None, architecture)?,
        architecture: architecture.clone(),
        device: place.device.clone(),
        on_host: place.on_host,
        embed,
        unembed,
    })
}

/// The prefix that this file's names have.
fn prefix(file: &TensorFile, names: &Names) -> &'static str {
    let prefixed = file.names().iter().any(|name| name.starts_with(names.optional_prefix));
    if prefixed { names.optional_prefix } else { "" }
}

impl Weights<'_> {
    /// A tensor by the family's name for it, with its shape.
    fn tensor<const D: usize>(
        &self,
        name: &str,
        layer: Option<usize>,
    ) -> Result<Tensor<D>, ModelError> {
        let name = full_name(self.prefix, &self.names, name, layer);
        let shape = self.file.info(&name).map(|info| info.shape.clone()).unwrap_or_default();
        let data = TensorData::new(self.file.read(&name)?, shape);
        Ok(Tensor::from_data(data, &self.place.device))
    }

    /// A factor of products, in their type.
    fn matrix(&self, name: &str, layer: Option<usize>) -> Result<Tensor<2>, ModelError> {
        Ok(self.tensor(name, layer)?.cast(self.place.dtype.of_burn()))
    }

    fn norm(
        &self,
        name: &str,
        layer: Option<usize>,
        architecture: &Architecture,
    ) -> Result<Norm, ModelError> {
        Ok(Norm {
            kind: architecture.norm,
            gain: self.tensor(&format!("{name}.weight"), layer)?,
            bias: Some(self.tensor(&format!("{name}.bias"), layer)?),
        })
    }

    /// Projections side by side, as one.
    fn linear(&self, names: &[&str], layer: usize) -> Result<Linear, ModelError> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for name in names {
            let weight = self.matrix(&format!("{name}.weight"), Some(layer))?;
            weights.push(if self.names.in_first { weight } else { weight.transpose() });
            biases.push(self.tensor::<1>(&format!("{name}.bias"), Some(layer))?);
        }
        Ok(Linear { weight: Tensor::cat(weights, 1), bias: Some(Tensor::cat(biases, 0)) })
    }

    fn layer(&self, index: usize, architecture: &Architecture) -> Result<Layer, ModelError> {
        let names = &self.names;
        Ok(Layer {
            index,
            ln1: self.norm(names.ln1, Some(index), architecture)?,
            qkv: self.linear(names.qkv, index)?,
            attn_out: self.linear(&[names.attn_out], index)?,
            ln2: self.norm(names.ln2, Some(index), architecture)?,
            mlp_in: self.linear(&[names.mlp_in], index)?,
            mlp_out: self.linear(&[names.mlp_out], index)?,
        })
    }
}

/// Every tensor that the architecture promises, with its shape.
fn promised(architecture: &Architecture, names: &Names) -> Vec<(&'static str, String, Vec<usize>)> {
    let Architecture { d_model, n_heads, n_kv_heads, d_head, d_mlp, vocab, context, .. } =
        *architecture;
    let z = n_heads * d_head;
    let qkv = (z + 2 * n_kv_heads * d_head) / names.qkv.len();
    let mut promised = vec![(names.embed, String::new(), vec![vocab, d_model])];
    if let (Some(name), Position::Learned) = (names.pos_embed, architecture.position) {
        promised.push((name, String::new(), vec![context, d_model]));
    }
    if !architecture.tied_unembedding {
        promised.push((names.unembed, String::new(), vec![vocab, d_model]));
    }
    let mut linear = |name, input, output| {
        let shape = if names.in_first { vec![input, output] } else { vec![output, input] };
        promised.push((name, ".weight".to_owned(), shape));
        promised.push((name, ".bias".to_owned(), vec![output]));
    };
    names.qkv.iter().for_each(|name| linear(name, d_model, qkv));
    linear(names.attn_out, z, d_model);
    linear(names.mlp_in, d_model, d_mlp);
    linear(names.mlp_out, d_mlp, d_model);
    for name in [names.ln1, names.ln2, names.ln_final] {
        promised.push((name, ".weight".to_owned(), vec![d_model]));
        promised.push((name, ".bias".to_owned(), vec![d_model]));
    }
    promised
}

fn full_name(prefix: &str, names: &Names, name: &str, layer: Option<usize>) -> String {
    // The unembedding stands beside the transformer, not inside it.
    let prefix = if name == names.unembed { "" } else { prefix };
    let name = match layer {
        Some(layer) => name.replace("{}", &layer.to_string()),
        None => name.to_owned(),
    };
    format!("{prefix}{name}")
}

/// Compares the file's tensors with what the architecture promises.
fn check(file: &TensorFile, architecture: &Architecture, names: &Names) -> Result<(), ModelError> {
    const SHOWN: usize = 12;
    let prefix = prefix(file, names);
    let held = file.names();
    // A config can claim any number of layers; there can't be more than tensors.
    let layers = architecture.n_layers.min(held.len() + 1);
    let mut known = std::collections::BTreeSet::new();
    let mut problems = Vec::new();
    for (name, suffix, expected) in promised(architecture, names) {
        let layers = if name.contains("{}") { (0..layers).map(Some).collect() } else { vec![None] };
        for layer in layers {
            let name = format!("{}{suffix}", full_name(prefix, names, name, layer));
            match file.info(&name).map(|info| &info.shape) {
                None => problems.push(format!("'{name}' is missing (shape {expected:?})")),
                Some(shape) if *shape != expected => {
                    problems.push(format!("'{name}' has shape {shape:?}, expected {expected:?}"));
                }
                Some(_) => {}
            }
            known.insert(name);
        }
    }
    let ignored = |name: &str| {
        // A tied head that is stored all the same repeats the embedding.
        names.ignored.iter().any(|end| name.ends_with(end)) || name == names.unembed
    };
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
