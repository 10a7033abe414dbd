//! Components: the kinds of activations, their names and their axes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An axis of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Axis {
    /// The token that the activation belongs to; the destination for scores and patterns.
    Position,
    /// The key's position of scores and patterns.
    SrcPosition,
    /// Query heads.
    Head,
    /// Key/value heads.
    KvHead,
    /// The MLP's neurons.
    Neuron,
    /// The width of one head.
    HeadWidth,
    /// The width of the residual stream.
    Width,
    /// The vocabulary.
    Vocab,
    /// A single number.
    One,
}

impl Axis {
    /// All axes.
    pub const ALL: [Self; 9] = [
        Self::Position,
        Self::SrcPosition,
        Self::Head,
        Self::KvHead,
        Self::Neuron,
        Self::HeadWidth,
        Self::Width,
        Self::Vocab,
        Self::One,
    ];

    /// The word for this axis in shapes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::SrcPosition => "src_position",
            Self::Head => "head",
            Self::KvHead => "kv_head",
            Self::Neuron => "neuron",
            Self::HeadWidth => "d_head",
            Self::Width => "d_model",
            Self::Vocab => "vocab",
            Self::One => "1",
        }
    }
}

/// A row of the table of components: what it is, its short name, further names, its TransformerLens
/// name (`{}` stands for the layer) and the axes of its value.
pub(crate) struct Entry {
    pub(crate) component: Component,
    pub(crate) what: &'static str,
    pub(crate) short: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) hook: &'static str,
    pub(crate) axes: &'static [Axis],
}

macro_rules! components {
    ($( $(#[doc = $doc:literal])* $name:ident = $short:literal, $aliases:expr, $hook:literal, $axes:expr; )*) => {
        /// A kind of activation, in the order in which a forward pass computes them.
        ///
        /// The meanings are TransformerLens'; the numbers are Hugging Face's, without folding or
        /// centring of weights.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Component { $( $(#[doc = $doc])* $name, )* }

        impl Component {
            /// All components.
            pub const ALL: [Self; [$($short),*].len()] = [$(Self::$name),*];
        }

        pub(crate) const TABLE: [Entry; Component::ALL.len()] =
            [$(Entry {
                component: Component::$name,
                what: concat!($($doc),*),
                short: $short,
                aliases: $aliases,
                hook: $hook,
                axes: $axes,
            }),*];
    };
}

const STREAM: &[Axis] = &[Axis::Position, Axis::Width];
const SCALAR: &[Axis] = &[Axis::Position, Axis::One];
const HEADS: &[Axis] = &[Axis::Position, Axis::Head, Axis::HeadWidth];
const KV_HEADS: &[Axis] = &[Axis::Position, Axis::KvHead, Axis::HeadWidth];
const CELLS: &[Axis] = &[Axis::Head, Axis::Position, Axis::SrcPosition];
const NEURONS: &[Axis] = &[Axis::Position, Axis::Neuron];

components! {
    /// The token's embedding as it enters the residual stream.
    Embed = "embed", &[], "hook_embed", STREAM;
    /// The learned embedding of the position.
    PosEmbed = "pos_embed", &[], "hook_pos_embed", STREAM;
    /// The residual stream before a layer; above layer 0 the same place as `resid_post` below.
    ResidPre = "resid_pre", &[], "blocks.{}.hook_resid_pre", STREAM;
    /// The divisor of the norm before attention, sqrt(var + eps).
    Ln1Scale = "ln1_scale", &[], "blocks.{}.ln1.hook_scale", SCALAR;
    /// The normalised stream before gain and bias.
    Ln1Normalized = "ln1_normalized", &[], "blocks.{}.ln1.hook_normalized", STREAM;
    /// The output of the norm before attention, gain and bias applied.
    Ln1 = "ln1", &[], "blocks.{}.ln1.hook_out", STREAM;
    /// Queries before a query norm and rotary positions.
    Q = "q", &[], "blocks.{}.attn.hook_q", HEADS;
    /// Keys before a key norm and rotary positions.
    K = "k", &[], "blocks.{}.attn.hook_k", KV_HEADS;
    /// Values.
    V = "v", &[], "blocks.{}.attn.hook_v", KV_HEADS;
    /// Queries after the query norm.
    QNormed = "q_normed", &[], "blocks.{}.attn.hook_q_normed", HEADS;
    /// Keys after the key norm.
    KNormed = "k_normed", &[], "blocks.{}.attn.hook_k_normed", KV_HEADS;
    /// Queries after rotary positions.
    RotQ = "rot_q", &[], "blocks.{}.attn.hook_rot_q", HEADS;
    /// Keys after rotary positions.
    RotK = "rot_k", &[], "blocks.{}.attn.hook_rot_k", KV_HEADS;
    /// Attention scores: scaled, soft-capped and masked. Cells of later keys don't exist: nothing
    /// changes them. A cell is knocked out by the constant −1e30, whose weight is exactly zero.
    Scores = "scores", &["attn_scores"], "blocks.{}.attn.hook_attn_scores", CELLS;
    /// The attention pattern; a patched one isn't normalised again.
    Pattern = "pattern", &[], "blocks.{}.attn.hook_pattern", CELLS;
    /// The weighted values of each query head, before the output projection.
    Z = "z", &[], "blocks.{}.attn.hook_z", HEADS;
    /// Each head's part of the output, without the output bias.
    Result = "result", &[], "blocks.{}.attn.hook_result", &[Axis::Position, Axis::Head, Axis::Width];
    /// The attention module's own output, where the model normalises it before adding it to the stream.
    AttnModule = "attn_module", &[], "blocks.{}.attn.hook_out", STREAM;
    /// The divisor of the norm after attention.
    Ln1PostScale = "ln1_post_scale", &[], "blocks.{}.ln1_post.hook_scale", SCALAR;
    /// The normalised output of attention before the gain.
    Ln1PostNormalized = "ln1_post_normalized", &[], "blocks.{}.ln1_post.hook_normalized", STREAM;
    /// What attention adds to the residual stream.
    AttnOut = "attn_out", &["attn", "self_attn"], "blocks.{}.hook_attn_out", STREAM;
    /// The residual stream between attention and MLP.
    ResidMid = "resid_mid", &[], "blocks.{}.hook_resid_mid", STREAM;
    /// The divisor of the norm before the MLP.
    Ln2Scale = "ln2_scale", &[], "blocks.{}.ln2.hook_scale", SCALAR;
    /// The normalised stream before the MLP's gain and bias.
    Ln2Normalized = "ln2_normalized", &[], "blocks.{}.ln2.hook_normalized", STREAM;
    /// The output of the norm before the MLP, gain and bias applied.
    Ln2 = "ln2", &[], "blocks.{}.ln2.hook_out", STREAM;
    /// The argument of the activation function.
    MlpPre = "mlp_pre", &["pre"], "blocks.{}.mlp.hook_pre", NEURONS;
    /// The other factor of a gated MLP.
    MlpPreLinear = "mlp_pre_linear", &["pre_linear"], "blocks.{}.mlp.hook_pre_linear", NEURONS;
    /// The neurons: what enters the MLP's output projection.
    MlpPost = "mlp_post", &["post", "neurons"], "blocks.{}.mlp.hook_post", NEURONS;
    /// The MLP's own output, where the model normalises it before adding it to the stream.
    MlpModule = "mlp_module", &[], "blocks.{}.mlp.hook_out", STREAM;
    /// The divisor of the norm after the MLP.
    Ln2PostScale = "ln2_post_scale", &[], "blocks.{}.ln2_post.hook_scale", SCALAR;
    /// The normalised output of the MLP before the gain.
    Ln2PostNormalized = "ln2_post_normalized", &[], "blocks.{}.ln2_post.hook_normalized", STREAM;
    /// What the MLP adds to the residual stream.
    MlpOut = "mlp_out", &["mlp"], "blocks.{}.hook_mlp_out", STREAM;
    /// The residual stream after a layer.
    ResidPost = "resid_post", &["output"], "blocks.{}.hook_resid_post", STREAM;
    /// The divisor of the final norm.
    FinalScale = "ln_final_scale", &[], "ln_final.hook_scale", SCALAR;
    /// The finally normalised stream before gain and bias.
    FinalNormalized = "ln_final_normalized", &[], "ln_final.hook_normalized", STREAM;
    /// The output of the final norm, gain and bias applied.
    FinalNorm = "ln_final", &["final_norm"], "ln_final.hook_out", STREAM;
    /// The logits.
    Logits = "logits", &["unembed", "hook_unembed"], "unembed.hook_out", &[Axis::Position, Axis::Vocab];
}

impl Component {
    fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// What it is, in a sentence or two.
    pub fn what(self) -> &'static str {
        self.entry().what.trim_start()
    }

    /// The TransformerLens name, with `{}` in place of the layer.
    pub fn hook(self) -> &'static str {
        self.entry().hook
    }

    /// The short name: `resid_post`.
    pub fn name(self) -> &'static str {
        self.entry().short
    }

    /// The other short names that are accepted.
    pub fn aliases(self) -> &'static [&'static str] {
        self.entry().aliases
    }

    /// The axes of its value, without a batch axis.
    pub fn axes(self) -> &'static [Axis] {
        self.entry().axes
    }

    /// True where each layer has one.
    pub fn in_layers(self) -> bool {
        self.entry().hook.contains("{}")
    }

    fn has_axis(self, axis: Axis) -> bool {
        self.axes().contains(&axis)
    }

    /// The axis that heads of this component are counted on, if it has heads.
    pub fn head_axis(self) -> Option<Axis> {
        [Axis::Head, Axis::KvHead].into_iter().find(|axis| self.has_axis(*axis))
    }

    /// True for scores and patterns, whose cells belong to a pair of positions.
    pub fn has_sources(self) -> bool {
        self.has_axis(Axis::SrcPosition)
    }

    /// True where single neurons can be selected.
    pub fn has_neurons(self) -> bool {
        self.has_axis(Axis::Neuron)
    }

    /// The component with a short name or one of its aliases.
    pub fn from_name(name: &str) -> Option<Self> {
        let matches = |c: &Self| c.name() == name || c.aliases().contains(&name);
        Self::ALL.into_iter().find(matches)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
