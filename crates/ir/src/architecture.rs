//! A model's shape as plain data, with its modules' names.

use std::ops::Range;

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
    /// How the stream is normalised.
    pub norm: Norm,
    /// Where in a layer it is.
    pub norm_place: NormPlace,
    /// How positions enter.
    pub position: Position,
    /// Which layers see only the nearest keys.
    pub window: Option<Window>,
    /// How scores are scaled.
    pub score_scale: ScoreScale,
    /// What scores are kept within: a score s becomes cap · tanh(s / cap).
    pub score_cap: Option<f64>,
    /// How queries and keys are normalised by themselves.
    pub query_key_norm: Option<QueryKeyNorm>,
    /// The MLP's activation function.
    pub activation: Activation,
    /// True where the MLP multiplies its activation with a second projection.
    pub gated_mlp: bool,
    /// What a layer's MLP reads.
    pub residual: Residual,
    /// What embeddings are multiplied with before they enter the stream.
    pub embed_scale: f64,
    /// What logits are kept within, as scores are.
    pub logit_cap: Option<f64>,
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
    /// x / sqrt(mean square + eps), then the gain.
    RmsNorm {
        /// Added to the mean square.
        eps: f64,
        /// True where the checkpoint holds the gain less 1, as Gemma's do.
        plus_one: bool,
    },
}

/// Where a layer normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NormPlace {
    /// What attention and MLP read.
    Pre,
    /// What they give.
    Post,
    /// Both.
    Both,
}

/// What a layer's MLP reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Residual {
    /// The stream to which attention has added its output.
    Sequential,
    /// The stream that attention reads, by a norm of its own.
    Parallel,
    /// The same norm's output as attention.
    ParallelSharedNorm,
}

/// How a token's position enters the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Position {
    /// A learned vector for each position is added to the token's embedding.
    Learned,
    /// Queries and keys are rotated.
    Rotary(Rotary),
}

/// Rotary positions: pairs of a head's numbers are turned by an angle for each position
/// (Su et al., "RoFormer", arXiv 2104.09864).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rotary {
    /// How many of a head's numbers are turned, from the first on.
    pub width: usize,
    /// Which numbers are pairs.
    pub pairs: Pairs,
    /// The angles.
    pub angles: Angles,
    /// Those of layers with a window, where they are others.
    pub window_angles: Option<Angles>,
}

/// Which of the numbers that are turned are a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pairs {
    /// Neighbours: the first with the second, as in GPT-J.
    Neighbours,
    /// The first half with the second, as in GPT-NeoX and Llama.
    Halves,
}

/// How fast the pairs of rotary positions turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Angles {
    /// Pair i of n turns by base^(−i/n) for each position.
    pub base: f64,
    /// What that is changed by.
    pub scaling: AngleScaling,
}

/// How angles are scaled for prompts longer than those of the first training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum AngleScaling {
    /// Not at all.
    None,
    /// All are divided by a factor.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1's: slow pairs are divided by a factor, fast ones kept, those between go over from one
    /// to the other.
    Llama3 {
        /// The divisor of slow pairs.
        factor: f64,
        /// Slow are those that turn round less often than this within the first context.
        low: f64,
        /// Fast are those that turn round more often than this.
        high: f64,
        /// The context of the first training, in tokens.
        context: usize,
    },
}

impl Angles {
    /// The angle by which each of `pairs` pairs turns from a position to the next, in radians.
    ///
    /// Rounded where transformers rounds (`modeling_rope_utils.py`): far from position 0 the last bit of
    /// an angle makes a difference.
    pub fn of_pairs(self, pairs: usize) -> Vec<f32> {
        let plain = |pair: usize| {
            let exponent = pair as f32 / pairs as f32;
            1.0 / (f64::from(self.base as f32).powf(exponent.into()) as f32)
        };
        (0..pairs).map(|pair| self.scaling.apply(plain(pair))).collect()
    }
}

impl AngleScaling {
    fn apply(self, angle: f32) -> f32 {
        match self {
            Self::None => angle,
            Self::Linear { factor } => angle / factor as f32,
            Self::Llama3 { factor, low, high, context } => {
                let turns = context as f64 * f64::from(angle) / std::f64::consts::TAU;
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0) as f32;
                (1.0 - kept) * angle / factor as f32 + kept * angle
            }
        }
    }
}

/// Layers whose queries see only the nearest keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// How many keys a query sees, its own position's among them.
    pub keys: usize,
    /// The layers.
    pub layers: Vec<usize>,
}

/// How queries and keys are normalised by themselves, before they are turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueryKeyNorm {
    /// Each head's numbers.
    PerHead,
    /// The numbers of all heads together.
    AllHeads,
}

/// The factor between query · key and the score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreScale {
    /// Divide by the square root of this: mostly the head's width.
    pub root_of: f64,
    /// Divide by the layer's number, counted from 1.
    pub by_layer: bool,
}

impl ScoreScale {
    /// Division by the square root of the head's width.
    pub fn by_head_width(d_head: usize) -> Self {
        Self { root_of: d_head as f64, by_layer: false }
    }

    /// The factor for a layer (counted from 0).
    pub fn factor(self, layer: usize) -> f64 {
        let depth = if self.by_layer { layer as f64 + 1.0 } else { 1.0 };
        1.0 / (self.root_of.sqrt() * depth)
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
        let learned = self.position == Position::Learned;
        match component {
            C::PosEmbed if !learned => Some("its positions are not learned embeddings"),
            C::RotQ | C::RotK if learned => Some("it has no rotary positions"),
            C::QNormed | C::KNormed if self.query_key_norm.is_none() => {
                Some("it doesn't normalise queries and keys")
            }
            C::MlpPreLinear if !self.gated_mlp => Some("its MLP isn't gated"),
            C::ResidMid if self.is_parallel() => Some(
                "attention and MLP read the same residual stream, so nothing lies between them",
            ),
            C::Ln2Scale | C::Ln2Normalized | C::Ln2 if self.shares_norm() => {
                Some("its MLP reads what attention reads: ln1")
            }
            C::Ln1Scale | C::Ln1Normalized | C::Ln1 | C::Ln2Scale | C::Ln2Normalized | C::Ln2
                if !self.has_pre_norm() =>
            {
                Some("its attention and MLP read the residual stream as it is")
            }
            C::AttnModule | C::MlpModule if !self.has_post_norm() => Some(
                "it doesn't normalise what its modules give, so that this is attn_out or mlp_out",
            ),
            C::Ln1PostScale | C::Ln1PostNormalized | C::Ln2PostScale | C::Ln2PostNormalized
                if !self.has_post_norm() =>
            {
                Some("it doesn't normalise what its modules give")
            }
            _ => None,
        }
    }

    /// True where attention and MLP read the same residual stream.
    pub fn is_parallel(&self) -> bool {
        self.residual != Residual::Sequential
    }

    /// True where they read the output of the same norm.
    pub fn shares_norm(&self) -> bool {
        self.residual == Residual::ParallelSharedNorm
    }

    /// True where what attention and MLP read is normalised.
    pub fn has_pre_norm(&self) -> bool {
        self.norm_place != NormPlace::Post
    }

    /// True where what they give is normalised.
    pub fn has_post_norm(&self) -> bool {
        self.norm_place != NormPlace::Pre
    }

    /// How many keys a query of a layer sees at most, where that isn't all of them.
    pub fn window(&self, layer: usize) -> Option<usize> {
        let window = self.window.as_ref().filter(|window| window.layers.contains(&layer));
        window.map(|window| window.keys)
    }

    /// The positions of the keys that the query at a position of a layer sees.
    pub fn keys(&self, layer: usize, position: usize) -> Range<usize> {
        let seen = self.window(layer).map_or(position + 1, |keys| keys.min(position + 1));
        position + 1 - seen..position + 1
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

/// A small model for tests of this crate.
#[cfg(test)]
pub(crate) fn small() -> Architecture {
    Architecture {
        family: "gpt2".to_owned(),
        n_layers: 2,
        d_model: 8,
        n_heads: 2,
        n_kv_heads: 1,
        d_head: 4,
        d_mlp: 32,
        vocab: 10,
        context: 16,
        norm: Norm::LayerNorm { eps: 1e-5 },
        norm_place: NormPlace::Pre,
        position: Position::Learned,
        window: None,
        score_scale: ScoreScale::by_head_width(4),
        score_cap: None,
        query_key_norm: None,
        activation: Activation::GeluTanh,
        gated_mlp: false,
        residual: Residual::Sequential,
        embed_scale: 1.0,
        logit_cap: None,
        tied_unembedding: true,
        modules: Vec::new(),
    }
}
