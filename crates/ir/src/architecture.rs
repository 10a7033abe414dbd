//! A model's shape as plain data, with its modules' names.

use serde::{Deserialize, Serialize};

use crate::component::{Axis, Component};
use crate::site::Site;

/// Everything about a decoder-only transformer that isn't a weight.
///
/// A family's file in `tracewright-models` makes one from the checkpoint's `config.json`. What
/// differs between families is a field here, never a test of the family's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// The `model_type` of the checkpoint's config, for messages.
    pub family: String,
    /// Number of layers (blocks).
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads per layer.
    pub n_heads: usize,
    /// Key/value heads per layer; query heads share them in groups of `n_heads / n_kv_heads`.
    pub n_kv_heads: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Width of the MLP (its neurons).
    pub d_mlp: usize,
    /// Rows of the embedding, and width of the logits.
    pub vocab: usize,
    /// The longest prompt in tokens.
    pub context: usize,
    /// The normalisation before attention, MLP and unembedding.
    pub norm: Norm,
    /// How positions enter.
    pub position: Position,
    /// How scores are scaled.
    pub score_scale: ScoreScale,
    /// True where queries and keys are normalised by themselves.
    pub query_key_norm: bool,
    /// The MLP's activation function.
    pub activation: Activation,
    /// True where the MLP multiplies its activation with a second projection.
    pub gated_mlp: bool,
    /// True where attention and MLP read the same residual stream.
    pub parallel_residual: bool,
    /// True where the unembedding is the transposed token embedding.
    pub tied_unembedding: bool,
    /// The names of the checkpoint's PyTorch modules whose output is a site.
    pub modules: Vec<ModuleName>,
}

/// A normalisation of the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Norm {
    /// (x − mean) / sqrt(var + eps), then gain and bias.
    LayerNorm {
        /// Added to the variance.
        eps: f64,
    },
}

/// How a token's position enters the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// A learned vector for each position is added to the token's embedding.
    Learned,
    /// Queries and keys are rotated.
    Rotary,
}

/// The factor between query · key and the score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreScale {
    /// Divide by the square root of the head's width.
    pub by_head_width: bool,
    /// Divide by the layer's number, counted from 1.
    pub by_layer: bool,
}

impl ScoreScale {
    /// The factor for a layer (counted from 0) with heads of the given width.
    pub fn factor(self, layer: usize, d_head: usize) -> f64 {
        let width = if self.by_head_width { (d_head as f64).sqrt() } else { 1.0 };
        let depth = if self.by_layer { layer as f64 + 1.0 } else { 1.0 };
        1.0 / (width * depth)
    }
}

/// An activation function of the MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// x · Φ(x), by the error function.
    Gelu,
    /// The tanh approximation of GELU (`gelu_new` in Hugging Face's configs).
    GeluTanh,
    /// max(0, x).
    Relu,
    /// x · sigmoid(x).
    Silu,
}

/// The PyTorch module whose output is a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleName {
    /// Which activation the module gives.
    pub component: Component,
    /// The dotted name, `{}` standing for the layer: `transformer.h.{}.attn`.
    pub pattern: String,
}

impl ModuleName {
    /// The name with its layer.
    pub fn at(&self, layer: Option<usize>) -> String {
        fill(&self.pattern, layer)
    }
}

/// A name pattern with its layer put in.
pub(crate) fn fill(pattern: &str, layer: Option<usize>) -> String {
    match layer {
        Some(layer) => pattern.replace("{}", &layer.to_string()),
        None => pattern.to_owned(),
    }
}

impl Architecture {
    /// Why a model of this shape has no such component; `None` where it has one.
    pub fn lacks(&self, component: Component) -> Option<&'static str> {
        use Component as C;
        match component {
            C::PosEmbed if self.position != Position::Learned => {
                Some("its positions are not learned embeddings")
            }
            C::RotQ | C::RotK if self.position != Position::Rotary => {
                Some("it has no rotary positions")
            }
            C::QNormed | C::KNormed if !self.query_key_norm => {
                Some("it doesn't normalise queries and keys")
            }
            C::MlpPreLinear if !self.gated_mlp => Some("its MLP isn't gated"),
            C::ResidMid if self.parallel_residual => Some(
                "attention and MLP read the same residual stream, so nothing lies between them",
            ),
            _ => None,
        }
    }

    /// What the architecture can say and neither the planner nor the decoder computes yet: a plan would
    /// look right and be wrong.
    pub fn not_yet(&self) -> Option<&'static str> {
        let unsupported = [
            (self.position == Position::Rotary, "rotary positions"),
            (self.query_key_norm, "a norm of queries and keys"),
            (self.gated_mlp, "a gated MLP"),
            (self.parallel_residual, "a parallel residual"),
        ];
        unsupported.into_iter().find(|(asked, _)| *asked).map(|(_, what)| what)
    }

    /// Every site of the model in the order in which a forward pass computes them.
    ///
    /// `resid_pre` is listed for layer 0 only: above, it is `resid_post` of the layer below.
    pub fn sites(&self) -> Vec<Site> {
        let has = |component: &Component| self.lacks(*component).is_none();
        let of_layer = |layer| {
            Component::ALL
                .into_iter()
                .filter(move |c| c.in_layers() && (*c != Component::ResidPre || layer == 0))
                .filter(has)
                .map(move |c| Site::in_layer(c, layer))
        };
        let outside = |c: &Component| !c.in_layers() && has(c);
        let (before, after) = (Component::ALL.into_iter(), Component::ALL.into_iter());
        before
            .filter(|c| outside(c) && *c < Component::ResidPre)
            .map(Site::outside)
            .chain((0..self.n_layers).flat_map(of_layer))
            .chain(after.filter(|c| outside(c) && *c > Component::ResidPre).map(Site::outside))
            .collect()
    }

    /// The bytes of its weights in f32.
    pub fn weight_bytes(&self) -> u64 {
        let Self { n_layers, d_model, n_heads, n_kv_heads, d_head, d_mlp, vocab, context, .. } =
            *self;
        let linear = |input: usize, output: usize| input * output + output;
        let norm = 2 * d_model;
        let up = if self.gated_mlp { 2 } else { 1 };
        let layer = 2 * norm
            + linear(d_model, (n_heads + 2 * n_kv_heads) * d_head)
            + linear(n_heads * d_head, d_model)
            + up * linear(d_model, d_mlp)
            + linear(d_mlp, d_model);
        let positions = if self.position == Position::Learned { context * d_model } else { 0 };
        let tables = if self.tied_unembedding { 1 } else { 2 } * vocab * d_model;
        (size_of::<f32>() * (tables + positions + n_layers * layer + norm)) as u64
    }

    /// The length of an axis for a prompt of `len` tokens.
    pub fn axis_len(&self, axis: Axis, len: usize) -> usize {
        match axis {
            Axis::Position | Axis::SrcPosition => len,
            Axis::Head => self.n_heads,
            Axis::KvHead => self.n_kv_heads,
            Axis::Neuron => self.d_mlp,
            Axis::HeadWidth => self.d_head,
            Axis::Width => self.d_model,
            Axis::Vocab => self.vocab,
            Axis::One => 1,
        }
    }
}
