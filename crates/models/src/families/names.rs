//! Where a model's weights stand in its checkpoint.

/// The names of a checkpoint's tensors; `{}` is the layer.
#[derive(Clone, Debug)]
pub struct Names {
    /// A prefix that the checkpoint's names may have or lack; the unembedding stands beside it.
    pub optional_prefix: &'static str,
    /// Buffers that older checkpoints hold beside their weights, by the end of their names.
    pub ignored: &'static [&'static str],
    /// The token embedding, `[vocab, d_model]`.
    pub embed: &'static str,
    /// The learned embeddings of positions.
    pub pos_embed: Option<Positions>,
    /// The norm before attention, without `.weight`, as all norms here.
    pub ln1: Option<&'static str>,
    /// The one after attention.
    pub ln1_post: Option<&'static str>,
    /// The one before the MLP.
    pub ln2: Option<&'static str>,
    /// The one after the MLP.
    pub ln2_post: Option<&'static str>,
    /// To q, k and v.
    pub qkv: Projection,
    /// The norms of queries and of keys.
    pub qk_norm: Option<[&'static str; 2]>,
    /// From z.
    pub attn_out: Projection,
    /// To the argument of the activation, and in a gated MLP to the other factor.
    pub mlp_in: Projection,
    /// From the neurons.
    pub mlp_out: Projection,
    /// The norm before the unembedding.
    pub ln_final: &'static str,
    /// The unembedding under any of its names, without `.weight`; the first is the one in messages.
    pub unembed: &'static [&'static str],
    /// True where it has a bias.
    pub unembed_bias: bool,
    /// True where a projection's weight is stored `[in, out]`, as GPT-2's Conv1D does.
    pub in_first: bool,
}

/// A table of learned positions.
#[derive(Clone, Copy, Debug)]
pub struct Positions {
    /// Its name.
    pub name: &'static str,
    /// Rows that stand before that of position 0.
    pub before: usize,
}

/// A projection's tensors, without `.weight` and `.bias`.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// One for each of its outputs, or one for all of them side by side.
    pub parts: &'static [&'static str],
    /// True where each has a bias.
    pub bias: bool,
    /// True where q, k and v of one tensor stand side by side for each head, as in GPT-NeoX.
    pub by_head: bool,
}

impl Projection {
    /// A projection whose outputs stand one after the other.
    pub const fn new(parts: &'static [&'static str], bias: bool) -> Self {
        Self { parts, bias, by_head: false }
    }
}
