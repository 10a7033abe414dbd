//! Where a model's weights stand in its checkpoint.

/// The names of a checkpoint's tensors; `{}` is the layer.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// A prefix that the checkpoint's names may have or lack; the unembedding stands beside it.
    pub(crate) optional_prefix: &'static str,
    /// Buffers that older checkpoints hold beside their weights, by the end of their names.
    pub(crate) ignored: &'static [&'static str],
    /// The token embedding, `[vocab, d_model]`.
    pub(crate) embed: &'static str,
    /// The learned embeddings of positions.
    pub(crate) pos_embed: Option<Positions>,
    /// The norm before attention, the one after it, and the same for the MLP; without `.weight`.
    pub(crate) ln1: Option<&'static str>,
    pub(crate) ln1_post: Option<&'static str>,
    pub(crate) ln2: Option<&'static str>,
    pub(crate) ln2_post: Option<&'static str>,
    /// To q, k and v.
    pub(crate) qkv: Projection,
    /// The norms of queries and of keys.
    pub(crate) qk_norm: Option<[&'static str; 2]>,
    /// From z.
    pub(crate) attn_out: Projection,
    /// To the argument of the activation, and in a gated MLP to the other factor.
    pub(crate) mlp_in: Projection,
    /// From the neurons.
    pub(crate) mlp_out: Projection,
    pub(crate) ln_final: &'static str,
    /// The unembedding under any of its names, without `.weight`; the first is the one in messages.
    pub(crate) unembed: &'static [&'static str],
    pub(crate) unembed_bias: bool,
    /// True where a projection's weight is stored `[in, out]`, as GPT-2's Conv1D does.
    pub(crate) in_first: bool,
}

/// A table of learned positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    pub(crate) name: &'static str,
    /// Rows that stand before that of position 0.
    pub(crate) before: usize,
}

/// A projection's tensors, without `.weight` and `.bias`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Projection {
    /// One for each of its outputs, or one for all of them side by side.
    pub(crate) parts: &'static [&'static str],
    pub(crate) bias: bool,
    /// True where q, k and v of one tensor stand side by side for each head, as in GPT-NeoX.
    pub(crate) by_head: bool,
}

impl Projection {
    pub(crate) const fn new(parts: &'static [&'static str], bias: bool) -> Self {
        Self { parts, bias, by_head: false }
    }
}
