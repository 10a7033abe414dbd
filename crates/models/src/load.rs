//! From tensors on disk to tensors on a device.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use tracewright_ir::{Architecture, Norm as NormKind};

use crate::decoder::{Decoder, Held, Large, Layer, Linear};
use crate::dtype::Dtype;
use crate::error::ModelError;
use crate::families::{Description, Names, Projection};
use crate::norm::Norm;
use crate::promised::{check, full_name, prefix, promised, tied, unembed_name};
use crate::rotary::Turn;
use crate::stream::Stream;
use crate::weights::Weights;

/// A checkpoint's tensors under the names that its family gives them.
pub(crate) struct Loader {
    pub(crate) file: Weights,
    pub(crate) architecture: Architecture,
    names: Names,
    prefix: &'static str,
    /// The unembedding's name in the file; the embedding's where they are the same.
    unembed: String,
    place: Place,
}

/// Where the weights go, and as what.
pub(crate) struct Place {
    pub(crate) device: Device,
    /// True where the device's tensors lie in the host's memory.
    pub(crate) on_host: bool,
    pub(crate) dtype: Dtype,
}

/// Tensors that have been read, by their names.
pub(crate) type Read = BTreeMap<String, Vec<f32>>;

/// Checks the file against the architecture and makes a decoder of it; `streamed` says that the large weights
/// stay in the file until they are needed.
///
/// # Errors
///
/// [`ModelError::Mismatch`] with every missing, additional and wrongly shaped tensor at once, and
/// what reading a tensor gives.
pub(crate) fn decoder(
    file: Weights,
    description: &Description,
    place: Place,
    streamed: bool,
) -> Result<Decoder, ModelError> {
    check(&file, description)?;
    let Description { architecture, names } = description.clone();
    let prefix = prefix(&file, &names);
    let unembed = match tied(&file, &architecture, &names) {
        true => full_name(prefix, names.embed, None),
        false => format!("{}.weight", unembed_name(&file, &names)),
    };
    let loader = Loader { file, architecture, names, prefix, unembed, place };
    let read = |name: &str| loader.file.read(name);
    let outside = loader.parts(&read, None);
    let (pos_embed, ln_final) = (outside.positions()?, outside.norm(loader.names.ln_final)?);
    let bias = loader
        .names
        .unembed_bias
        .then(|| outside.tensor(&format!("{}.bias", unembed_name(&loader.file, &loader.names))));
    Ok(Decoder {
        pos_embed,
        ln_final,
        unembed_bias: bias.transpose()?,
        architecture: loader.architecture.clone(),
        device: loader.place.device.clone(),
        on_host: loader.place.on_host,
        large: match streamed {
            true => Large::Streamed(Arc::new(Stream::new(loader))),
            false => Large::Held(Box::new(loader.held()?)),
        },
    })
}

impl Loader {
    fn parts<'a>(
        &'a self,
        read: &'a dyn Fn(&str) -> Result<Vec<f32>, ModelError>,
        layer: Option<usize>,
    ) -> Parts<'a> {
        Parts { loader: self, read, layer }
    }

    /// All large weights on the device.
    fn held(&self) -> Result<Held, ModelError> {
        let read = |name: &str| self.file.read(name);
        let embed = self.parts(&read, None).matrix(self.names.embed)?;
        let layer = |index| self.parts(&read, Some(index)).layer(index).map(Arc::new);
        let unembed = match self.unembed == self.embedding() {
            true => embed.clone(),
            false => self.in_dtype(self.parts(&read, None).tensor(&self.unembed)?),
        };
        let layers = (0..self.architecture.n_layers).map(layer).collect::<Result<_, _>>()?;
        Ok(Held { embed, layers, unembed: unembed.transpose() })
    }

    /// The embedding's name in the file.
    pub(crate) fn embedding(&self) -> String {
        full_name(self.prefix, self.names.embed, None)
    }

    /// The unembedding's name in the file.
    pub(crate) fn unembedding(&self) -> &str {
        &self.unembed
    }

    /// Reads what a layer is made of.
    pub(crate) fn read_layer(&self, index: usize) -> Result<Read, ModelError> {
        let of_layers = promised(&self.architecture, &self.names).into_iter();
        let of_layers = of_layers.filter(|(name, _)| name.contains("{}"));
        of_layers
            .map(|(name, _)| {
                let name = full_name(self.prefix, &name, Some(index));
                let values = self.file.read(&name)?;
                Ok((name, values))
            })
            .collect()
    }

    /// Makes a layer of what has been read.
    pub(crate) fn layer(&self, index: usize, read: Read) -> Result<Layer, ModelError> {
        let read = std::cell::RefCell::new(read);
        let take = |name: &str| match read.borrow_mut().remove(name) {
            Some(values) => Ok(values),
            None => self.file.read(name),
        };
        self.parts(&take, Some(index)).layer(index)
    }

    /// Rows of the embedding or of the unembedding on the device, `[rows, d_model]`, in the type of
    /// products.
    pub(crate) fn rows(&self, values: Vec<f32>) -> Tensor<2> {
        let d_model = self.architecture.d_model;
        let shape = [values.len() / d_model, d_model];
        let data = TensorData::new(values, shape);
        self.in_dtype(Tensor::from_data(data, &self.place.device))
    }

    fn in_dtype(&self, tensor: Tensor<2>) -> Tensor<2> {
        tensor.cast(self.place.dtype.of_burn())
    }
}

/// The tensors of a layer, or those outside all layers.
struct Parts<'a> {
    loader: &'a Loader,
    read: &'a dyn Fn(&str) -> Result<Vec<f32>, ModelError>,
    layer: Option<usize>,
}

impl Parts<'_> {
    /// A tensor by its own name, with its shape.
    fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<D>, ModelError> {
        let shape = self.loader.file.shape(name).unwrap_or_default();
        let data = TensorData::new((self.read)(name)?, shape);
        Ok(Tensor::from_data(data, &self.loader.place.device))
    }

    /// A tensor by the family's name for it.
    fn named<const D: usize>(&self, name: &str) -> Result<Tensor<D>, ModelError> {
        self.tensor(&full_name(self.loader.prefix, name, self.layer))
    }

    /// A factor of products, in their type.
    fn matrix(&self, name: &str) -> Result<Tensor<2>, ModelError> {
        Ok(self.loader.in_dtype(self.named(name)?))
    }

    /// The learned embeddings of positions.
    fn positions(&self) -> Result<Option<Tensor<2>>, ModelError> {
        let Some(table) = self.loader.names.pos_embed else { return Ok(None) };
        let all: Tensor<2> = self.named(table.name)?;
        Ok(Some(all.narrow(0, table.before, self.loader.architecture.context)))
    }

    fn norm(&self, name: &str) -> Result<Norm, ModelError> {
        let gain: Tensor<1> = self.named(&format!("{name}.weight"))?;
        let kind = self.loader.architecture.norm;
        let (gain, bias) = match kind {
            NormKind::LayerNorm { .. } => (gain, Some(self.named(&format!("{name}.bias"))?)),
            NormKind::RmsNorm { plus_one: true, .. } => (gain + 1.0, None),
            NormKind::RmsNorm { plus_one: false, .. } => (gain, None),
        };
        Ok(Norm { kind, gain, bias, on_host: self.loader.place.on_host })
    }

    fn optional_norm(&self, name: Option<&'static str>) -> Result<Option<Norm>, ModelError> {
        name.map(|name| self.norm(name)).transpose()
    }

    /// Projections side by side, as one.
    fn linear(&self, projection: Projection) -> Result<Linear, ModelError> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for name in projection.parts {
            weights.push(self.matrix(&format!("{name}.weight"))?);
            if projection.bias {
                biases.push(self.named::<1>(&format!("{name}.bias"))?);
            }
        }
        let weight = match self.loader.names.in_first {
            true => one_after_the_other(weights, 1),
            // Whole rows are copied, as they lie; then nothing is.
            false => one_after_the_other(weights, 0).transpose(),
        };
        let bias = (!biases.is_empty()).then(|| one_after_the_other(biases, 0));
        let linear = Linear { weight, bias };
        Ok(if projection.by_head { self.in_order(linear) } else { linear })
    }

    /// q, k and v of each head as those of all heads.
    fn in_order(&self, linear: Linear) -> Linear {
        let Architecture { d_model, n_heads, d_head, .. } = self.loader.architecture;
        let by_head: Tensor<4> = linear.weight.reshape([d_model, n_heads, 3, d_head]);
        let weight = by_head.swap_dims(1, 2).reshape([d_model, 3 * n_heads * d_head]);
        let in_order = |bias: Tensor<1>| -> Tensor<1> {
            let by_head: Tensor<3> = bias.reshape([n_heads, 3, d_head]);
            by_head.swap_dims(0, 1).reshape([3 * n_heads * d_head])
        };
        Linear { weight, bias: linear.bias.map(in_order) }
    }

    /// The two factors of a gated MLP, or the one of any other.
    fn mlp_in(&self) -> Result<(Linear, Option<Linear>), ModelError> {
        let projection = self.loader.names.mlp_in;
        let Architecture { d_mlp, gated_mlp, .. } = self.loader.architecture;
        if !gated_mlp {
            return Ok((self.linear(projection)?, None));
        }
        if let [gate, linear] = projection.parts.chunks(1).collect::<Vec<_>>()[..] {
            let of = |parts| self.linear(Projection { parts, ..projection });
            return Ok((of(gate)?, Some(of(linear)?)));
        }
        let Linear { weight, bias } = self.linear(projection)?;
        let half = |first| Linear {
            weight: weight.clone().narrow(1, first, d_mlp),
            bias: bias.clone().map(|bias| bias.narrow(0, first, d_mlp)),
        };
        Ok((half(0), Some(half(d_mlp))))
    }

    fn layer(&self, index: usize) -> Result<Layer, ModelError> {
        let Loader { names, architecture, .. } = self.loader;
        let (mlp_in, mlp_linear) = self.mlp_in()?;
        let qk_norm = match names.qk_norm {
            Some([q, k]) => Some([self.norm(q)?, self.norm(k)?]),
            None => None,
        };
        Ok(Layer {
            index,
            ln1: self.optional_norm(names.ln1)?,
            qkv: self.linear(names.qkv)?,
            qk_norm,
            turn: Turn::of(&architecture.position, architecture.window(index).is_some()),
            attn_out: self.linear(names.attn_out)?,
            ln1_post: self.optional_norm(names.ln1_post)?,
            ln2: self.optional_norm(names.ln2)?,
            mlp_in,
            mlp_linear,
            mlp_out: self.linear(names.mlp_out)?,
            ln2_post: self.optional_norm(names.ln2_post)?,
        })
    }
}

fn one_after_the_other<const D: usize>(parts: Vec<Tensor<D>>, axis: usize) -> Tensor<D> {
    match <[Tensor<D>; 1]>::try_from(parts) {
        Ok([part]) => part,
        Err(parts) => Tensor::cat(parts, axis),
    }
}
