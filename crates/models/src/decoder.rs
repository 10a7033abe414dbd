//! The decoder: one for all families, a layer taken apart at its hook sites.
//!
//! Every function works on rows: activations are `[rows, width]`, a row being one position of one
//! run, whatever the run. Only [`attention`](crate::attention) knows which rows see one another.

use std::sync::Arc;

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use tracewright_ir::Architecture;

use crate::activation;
use crate::error::ModelError;
use crate::in_place;
use crate::norm::Norm;
use crate::product::product;
use crate::rotary::Turn;
use crate::stream::Stream;

/// A decoder with its weights on a device.
#[derive(Clone, Debug)]
pub struct Decoder {
    pub(crate) architecture: Architecture,
    pub(crate) device: Device,
    /// True where the tensors lie in the host's memory.
    pub(crate) on_host: bool,
    /// `[context, d_model]`
    pub(crate) pos_embed: Option<Tensor<2>>,
    pub(crate) ln_final: Norm,
    /// `[vocab]`
    pub(crate) unembed_bias: Option<Tensor<1>>,
    pub(crate) large: Large,
}

/// The large weights: on the device, or in the checkpoint's files until they are needed.
#[derive(Clone, Debug)]
pub(crate) enum Large {
    Held(Box<Held>),
    Streamed(Arc<Stream>),
}

/// Weights on the device.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// `[vocab, d_model]`
    pub(crate) embed: Tensor<2>,
    pub(crate) layers: Vec<Arc<Layer>>,
    /// `[d_model, vocab]`
    pub(crate) unembed: Tensor<2>,
}

/// One layer's weights.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(crate) index: usize,
    pub(crate) ln1: Option<Norm>,
    /// To q, k and v side by side: `[d_model, (n_heads + 2 n_kv_heads) d_head]`.
    pub(crate) qkv: Linear,
    /// The norms of queries and of keys.
    pub(crate) qk_norm: Option<[Norm; 2]>,
    pub(crate) turn: Option<Turn>,
    /// From the heads side by side: `[n_heads d_head, d_model]`.
    pub(crate) attn_out: Linear,
    pub(crate) ln1_post: Option<Norm>,
    pub(crate) ln2: Option<Norm>,
    /// `[d_model, d_mlp]`
    pub(crate) mlp_in: Linear,
    /// The same for the other factor of a gated MLP.
    pub(crate) mlp_linear: Option<Linear>,
    /// `[d_mlp, d_model]`
    pub(crate) mlp_out: Linear,
    pub(crate) ln2_post: Option<Norm>,
}

/// A projection: x W + b.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// `[in, out]`
    pub(crate) weight: Tensor<2>,
    /// `[out]`
    pub(crate) bias: Option<Tensor<1>>,
}

impl Linear {
    /// `on_host` says that the tensors lie in the host's memory.
    pub(crate) fn apply(&self, x: Tensor<2>, on_host: bool) -> Tensor<2> {
        self.add_bias(product(x, self.weight.clone()), on_host)
    }

    pub(crate) fn add_bias(&self, x: Tensor<2>, on_host: bool) -> Tensor<2> {
        add_bias(x, self.bias.as_ref(), on_host)
    }
}

fn add_bias(x: Tensor<2>, bias: Option<&Tensor<1>>, on_host: bool) -> Tensor<2> {
    match bias {
        Some(bias) if on_host => in_place::add_bias(x, bias.clone()),
        Some(bias) => x + bias.clone().unsqueeze(),
        None => x,
    }
}

impl Layer {
    /// The norm before attention, where there is one.
    pub fn ln1(&self) -> Option<&Norm> {
        self.ln1.as_ref()
    }

    /// The norm after attention.
    pub fn ln1_post(&self) -> Option<&Norm> {
        self.ln1_post.as_ref()
    }

    /// The norm before the MLP; in a parallel layer with a shared norm there is none of its own.
    pub fn ln2(&self) -> Option<&Norm> {
        self.ln2.as_ref()
    }

    /// The norm after the MLP.
    pub fn ln2_post(&self) -> Option<&Norm> {
        self.ln2_post.as_ref()
    }
}

impl Decoder {
    /// The model's shape.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A layer, counted from the bottom; of a streamed model it is gone when nobody holds it any more.
    ///
    /// # Errors
    ///
    /// Where the model is streamed: files that can't be read any more, numbers that are infinite or not
    /// numbers.
    ///
    /// # Panics
    ///
    /// For a layer that there isn't.
    pub fn layer(&self, index: usize) -> Result<Arc<Layer>, ModelError> {
        match &self.large {
            Large::Held(held) => Ok(held.layers[index].clone()),
            Large::Streamed(stream) => stream.layer(index).map(Arc::new),
        }
    }

    /// Whether the large weights are read from the checkpoint's files while it runs.
    pub fn is_streamed(&self) -> bool {
        matches!(self.large, Large::Streamed(_))
    }

    /// The bytes of weights that a streamed model has read from its files so far.
    pub fn bytes_read(&self) -> u64 {
        match &self.large {
            Large::Held(_) => 0,
            Large::Streamed(stream) => stream.bytes_read(),
        }
    }

    /// The norm before the unembedding.
    pub fn ln_final(&self) -> &Norm {
        &self.ln_final
    }

    /// Whole numbers as a tensor on the decoder's device.
    pub fn indices(&self, indices: &[usize]) -> Tensor<1, Int> {
        let values: Vec<i32> = indices.iter().map(|&index| index as i32).collect();
        Tensor::from_data(TensorData::new(values, [indices.len()]), &self.device)
    }

    /// Some rows of `[rows, width]`, all of them without a copy.
    ///
    /// (Burn 0.22.1's fusion also panics where all rows of a tensor are selected and the tensor is
    /// reduced afterwards: `docs/gpu.md`.)
    pub fn select_rows(&self, x: Tensor<2>, rows: &[usize]) -> Tensor<2> {
        if rows.len() == x.dims()[0] && rows.iter().copied().eq(0..rows.len()) {
            return x;
        }
        x.select(0, self.indices(rows))
    }

    /// The embeddings of token ids as they enter the stream, `[rows, d_model]`; every id must be below the vocabulary.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::layer`].
    pub fn embed(&self, ids: &[u32]) -> Result<Tensor<2>, ModelError> {
        let embed = match &self.large {
            Large::Held(held) => held.embed.clone().select(0, self.tokens(ids)),
            Large::Streamed(stream) => stream.embed(ids)?,
        };
        let embed = embed.cast(FloatDType::F32);
        Ok(match self.architecture.embed_scale {
            1.0 => embed,
            scale => embed * scale,
        })
    }

    fn tokens(&self, ids: &[u32]) -> Tensor<1, Int> {
        let ids: Vec<usize> = ids.iter().map(|id| *id as usize).collect();
        self.indices(&ids)
    }

    /// The learned embeddings of positions, `[rows, d_model]`, where the model has them.
    pub fn pos_embed(&self, positions: &[usize]) -> Option<Tensor<2>> {
        Some(self.pos_embed.clone()?.select(0, self.indices(positions)))
    }

    /// Queries `[rows, n_heads d_head]`, keys and values `[rows, n_kv_heads d_head]`.
    pub fn qkv(&self, layer: &Layer, normed: Tensor<2>) -> [Tensor<2>; 3] {
        let Architecture { n_heads, n_kv_heads, d_head, .. } = self.architecture;
        let all = layer.qkv.apply(normed, self.on_host);
        let (q, kv) = (n_heads * d_head, n_kv_heads * d_head);
        let columns = |start, width| all.clone().narrow(1, start, width);
        [columns(0, q), columns(q, kv), columns(q + kv, kv)]
    }

    /// Some of q, k and v ([`Decoder::qkv`]) alone, those from `first` to `last`, side by side.
    pub fn project(
        &self,
        layer: &Layer,
        normed: Tensor<2>,
        first: usize,
        last: usize,
    ) -> Tensor<2> {
        let Architecture { n_heads, n_kv_heads, d_head, .. } = self.architecture;
        let width = |part: usize| if part == 0 { n_heads * d_head } else { n_kv_heads * d_head };
        let start = (0..first).map(width).sum();
        let columns = (first..=last).map(width).sum();
        let Linear { weight, bias } = &layer.qkv;
        let part = Linear {
            weight: weight.clone().narrow(1, start, columns),
            bias: bias.clone().map(|bias| bias.narrow(0, start, columns)),
        };
        part.apply(normed, self.on_host)
    }

    /// Queries or keys normalised by themselves (`which` is 0 or 1), where the model does so.
    pub fn normed(&self, layer: &Layer, which: usize, x: Tensor<2>) -> Tensor<2> {
        match &layer.qk_norm {
            Some(norms) => norms[which].apply_to_heads(x),
            None => x,
        }
    }

    /// The attention module's output, `[rows, d_model]`, from z `[rows, n_heads d_head]`.
    pub fn attn_out(&self, layer: &Layer, z: Tensor<2>) -> Tensor<2> {
        layer.attn_out.apply(z, self.on_host)
    }

    /// Each head's part of the attention module's output without the bias, `[rows, n_heads d_model]`.
    pub fn result(&self, layer: &Layer, z: Tensor<2>) -> Tensor<2> {
        let Architecture { n_heads, d_head, .. } = self.architecture;
        let of_head = |head: usize| {
            let weight = layer.attn_out.weight.clone().narrow(0, head * d_head, d_head);
            product(z.clone().narrow(1, head * d_head, d_head), weight)
        };
        Tensor::cat((0..n_heads).map(of_head).collect(), 1)
    }

    /// The attention module's output from the heads' parts.
    pub fn sum_results(&self, layer: &Layer, result: Tensor<2>) -> Tensor<2> {
        let Architecture { n_heads, d_model, .. } = self.architecture;
        let rows = result.dims()[0];
        let sum: Tensor<2> = result.reshape([rows, n_heads, d_model]).sum_dim(1).squeeze_dim(1);
        layer.attn_out.add_bias(sum, self.on_host)
    }

    /// The argument of the activation function, `[rows, d_mlp]`.
    pub fn mlp_pre(&self, layer: &Layer, normed: Tensor<2>) -> Tensor<2> {
        layer.mlp_in.apply(normed, self.on_host)
    }

    /// The other factor of a gated MLP, `[rows, d_mlp]`.
    ///
    /// # Panics
    ///
    /// Where the model's MLP has no other factor.
    pub fn mlp_pre_linear(&self, layer: &Layer, normed: Tensor<2>) -> Tensor<2> {
        let linear = layer.mlp_linear.as_ref().expect("a gated MLP has two factors");
        linear.apply(normed, self.on_host)
    }

    /// The neurons, `[rows, d_mlp]`; `linear` is the other factor of a gated MLP.
    pub fn mlp_post(&self, pre: Tensor<2>, linear: Option<Tensor<2>>) -> Tensor<2> {
        let active = activation::apply(self.architecture.activation, pre, self.on_host);
        match linear {
            None => active,
            Some(linear) if self.on_host => in_place::in_place_with(active, linear, |x, factor| {
                x.iter_mut().zip(factor).for_each(|(x, factor)| *x *= factor);
            }),
            Some(linear) => active * linear,
        }
    }

    /// The MLP's output, `[rows, d_model]`.
    pub fn mlp_out(&self, layer: &Layer, post: Tensor<2>) -> Tensor<2> {
        layer.mlp_out.apply(post, self.on_host)
    }

    /// The logits, `[rows, vocab]`, of finally normalised rows.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::layer`].
    pub fn unembed(&self, normed: Tensor<2>) -> Result<Tensor<2>, ModelError> {
        let logits = match &self.large {
            Large::Held(held) => product(normed, held.unembed.clone()),
            Large::Streamed(stream) => {
                let blocks = stream.unembedding();
                let of_block = blocks.map(|rows| Ok(product(normed.clone(), rows?.transpose())));
                Tensor::cat(of_block.collect::<Result<_, ModelError>>()?, 1)
            }
        };
        Ok(self.logits(logits, self.unembed_bias.clone()))
    }

    /// The logits of some tokens alone, `[rows, tokens]`.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::layer`].
    pub fn unembed_tokens(
        &self,
        normed: Tensor<2>,
        tokens: &[u32],
    ) -> Result<Tensor<2>, ModelError> {
        let columns = match &self.large {
            // As it lies in memory, `[vocab, d_model]`; otherwise all of it would be put in order first.
            Large::Held(held) => {
                held.unembed.clone().transpose().select(0, self.tokens(tokens)).transpose()
            }
            Large::Streamed(stream) => stream.unembed_tokens(tokens)?.transpose(),
        };
        let bias = self.unembed_bias.clone().map(|bias| bias.select(0, self.tokens(tokens)));
        Ok(self.logits(product(normed, columns), bias))
    }

    fn logits(&self, products: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
        self.cap_logits(add_bias(products, bias.as_ref(), self.on_host))
    }

    fn cap_logits(&self, logits: Tensor<2>) -> Tensor<2> {
        match self.architecture.logit_cap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }
}
