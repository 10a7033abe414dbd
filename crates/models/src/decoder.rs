//! The decoder: one for all families, a layer taken apart at its hook sites.
//!
//! Every function works on rows: activations are `[rows, width]`, a row being one position of one
//! run, whatever the run. Only [`attention`](crate::attention) knows which rows see one another.

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData, module};
use tracewright_ir::{Architecture, Norm as NormKind};

use crate::activation;
use crate::in_place;
use crate::product::product;

/// A decoder with its weights on a device.
#[derive(Clone, Debug)]
pub struct Decoder {
    pub(crate) architecture: Architecture,
    pub(crate) device: Device,
    /// True where the tensors lie in the host's memory.
    pub(crate) on_host: bool,
    /// `[vocab, d_model]`
    pub(crate) embed: Tensor<2>,
    /// `[context, d_model]`
    pub(crate) pos_embed: Option<Tensor<2>>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) ln_final: Norm,
    /// `[d_model, vocab]`
    pub(crate) unembed: Tensor<2>,
}

/// One layer's weights.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(crate) index: usize,
    pub(crate) ln1: Norm,
    /// To q, k and v side by side: `[d_model, (n_heads + 2 n_kv_heads) d_head]`.
    pub(crate) qkv: Linear,
    /// From the heads side by side: `[n_heads d_head, d_model]`.
    pub(crate) attn_out: Linear,
    pub(crate) ln2: Norm,
    /// `[d_model, d_mlp]`
    pub(crate) mlp_in: Linear,
    /// `[d_mlp, d_model]`
    pub(crate) mlp_out: Linear,
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
        match &self.bias {
            Some(bias) if on_host => in_place::add_bias(x, bias.clone()),
            Some(bias) => x + bias.clone().unsqueeze(),
            None => x,
        }
    }
}

/// A normalisation with its gain and bias.
#[derive(Clone, Debug)]
pub struct Norm {
    pub(crate) kind: NormKind,
    /// `[d_model]`
    pub(crate) gain: Tensor<1>,
    /// `[d_model]`
    pub(crate) bias: Option<Tensor<1>>,
}

impl Norm {
    /// The norm in one step, `[rows, d_model]`, where nothing between is looked at.
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let NormKind::LayerNorm { eps } = self.kind;
        module::layer_norm(x, self.gain.clone(), self.bias.clone(), eps)
    }

    /// The first step: what is divided, `[rows, d_model]`.
    pub fn centre(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() - x.mean_dim(1)
    }

    /// The second step: the divisor of centred rows, `[rows, 1]`.
    pub fn divisor(&self, centred: Tensor<2>) -> Tensor<2> {
        let NormKind::LayerNorm { eps } = self.kind;
        (centred.square().mean_dim(1) + eps).sqrt()
    }

    /// The last step: gain and bias on the normalised rows, `[rows, d_model]`.
    pub fn finish(&self, normalized: Tensor<2>) -> Tensor<2> {
        let scaled = normalized * self.gain.clone().unsqueeze();
        match &self.bias {
            Some(bias) => scaled + bias.clone().unsqueeze(),
            None => scaled,
        }
    }
}

impl Layer {
    /// The norm before attention.
    pub fn ln1(&self) -> &Norm {
        &self.ln1
    }

    /// The norm before the MLP.
    pub fn ln2(&self) -> &Norm {
        &self.ln2
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

    /// The layers from the bottom.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
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

    /// The embeddings of token ids, `[rows, d_model]`; every id must be below the vocabulary.
    pub fn embed(&self, ids: &[u32]) -> Tensor<2> {
        let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
        self.embed.clone().select(0, self.indices(&rows)).cast(FloatDType::F32)
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

    /// What attention adds to the stream, `[rows, d_model]`, from z `[rows, n_heads d_head]`.
    pub fn attn_out(&self, layer: &Layer, z: Tensor<2>) -> Tensor<2> {
        layer.attn_out.apply(z, self.on_host)
    }

    /// Each head's part of `attn_out` without the bias, `[rows, n_heads d_model]`.
    pub fn result(&self, layer: &Layer, z: Tensor<2>) -> Tensor<2> {
        let Architecture { n_heads, d_head, .. } = self.architecture;
        let of_head = |head: usize| {
            let weight = layer.attn_out.weight.clone().narrow(0, head * d_head, d_head);
            product(z.clone().narrow(1, head * d_head, d_head), weight)
        };
        Tensor::cat((0..n_heads).map(of_head).collect(), 1)
    }

    /// `attn_out` from the heads' parts.
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

    /// The neurons, `[rows, d_mlp]`.
    pub fn mlp_post(&self, pre: Tensor<2>) -> Tensor<2> {
        activation::apply(self.architecture.activation, pre, self.on_host)
    }

    /// What the MLP adds to the stream, `[rows, d_model]`.
    pub fn mlp_out(&self, layer: &Layer, post: Tensor<2>) -> Tensor<2> {
        layer.mlp_out.apply(post, self.on_host)
    }

    /// The logits, `[rows, vocab]`, of finally normalised rows.
    pub fn unembed(&self, normed: Tensor<2>) -> Tensor<2> {
        product(normed, self.unembed.clone())
    }

    /// The logits of some tokens alone, `[rows, tokens]`.
    pub fn unembed_tokens(&self, normed: Tensor<2>, tokens: &[u32]) -> Tensor<2> {
        let rows: Vec<usize> = tokens.iter().map(|token| *token as usize).collect();
        // As it lies in memory, `[vocab, d_model]`; otherwise all of it would be put in order first.
        let by_token = self.unembed.clone().transpose();
        product(normed, by_token.select(0, self.indices(&rows)).transpose())
    }
}
