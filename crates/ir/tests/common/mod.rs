//! Architectures by hand, and what the tests share.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod plans;

use proptest::prelude::*;
use tracewright_ir::{
    Activation, AngleScaling, Angles, Architecture, Component as C, IrError, Locus, ModuleName,
    Norm, NormPlace, Pairs, Position, QueryKeyNorm, Residual, Rotary, ScoreScale, Site,
};

/// A GPT-2 of 12 layers, small in every other respect.
pub(crate) fn gpt2() -> Architecture {
    Architecture {
        family: "gpt2".to_owned(),
        n_layers: 12,
        d_model: 12,
        n_heads: 4,
        n_kv_heads: 4,
        d_head: 3,
        d_mlp: 20,
        vocab: 50,
        context: 8,
        norm: Norm::LayerNorm { eps: 1e-5 },
        norm_place: NormPlace::Pre,
        position: Position::Learned,
        window: None,
        score_scale: ScoreScale::by_head_width(3),
        score_cap: None,
        query_key_norm: None,
        activation: Activation::GeluTanh,
        gated_mlp: false,
        residual: Residual::Sequential,
        embed_scale: 1.0,
        logit_cap: None,
        tied_unembedding: true,
        modules: modules(&[
            (C::Embed, "transformer.wte"),
            (C::PosEmbed, "transformer.wpe"),
            (C::Ln1, "transformer.h.{}.ln_1"),
            (C::AttnOut, "transformer.h.{}.attn"),
            (C::AttnOut, "transformer.h.{}.attn.c_proj"),
            (C::MlpPre, "transformer.h.{}.mlp.c_fc"),
            (C::MlpOut, "transformer.h.{}.mlp"),
            (C::ResidPost, "transformer.h.{}"),
            (C::FinalNorm, "transformer.ln_f"),
            (C::Logits, "lm_head"),
        ]),
    }
}

/// Rotary positions, a gated MLP, grouped heads, a query/key norm and Llama's module names.
pub(crate) fn llama() -> Architecture {
    Architecture {
        family: "llama".to_owned(),
        n_kv_heads: 2,
        position: Position::Rotary(Rotary {
            width: 2,
            pairs: Pairs::Halves,
            angles: Angles { base: 1e4, scaling: AngleScaling::None },
            window_angles: None,
        }),
        query_key_norm: Some(QueryKeyNorm::PerHead),
        activation: Activation::Silu,
        gated_mlp: true,
        modules: modules(&[
            (C::Embed, "model.embed_tokens"),
            (C::Ln1, "model.layers.{}.input_layernorm"),
            (C::AttnOut, "model.layers.{}.self_attn"),
            (C::MlpPre, "model.layers.{}.mlp.gate_proj"),
            (C::MlpPreLinear, "model.layers.{}.mlp.up_proj"),
            (C::MlpOut, "model.layers.{}.mlp"),
            (C::ResidPost, "model.layers.{}"),
            (C::FinalNorm, "model.norm"),
            (C::Logits, "lm_head"),
        ]),
        ..gpt2()
    }
}

/// Attention and MLP side by side.
pub(crate) fn parallel() -> Architecture {
    Architecture { family: "gpt_neox".to_owned(), residual: Residual::Parallel, ..gpt2() }
}

fn modules(table: &[(C, &str)]) -> Vec<ModuleName> {
    let module = |(component, pattern): &(C, &str)| ModuleName {
        component: *component,
        pattern: (*pattern).to_owned(),
    };
    table.iter().map(module).collect()
}

/// Any of these, with any number of layers.
pub(crate) fn architectures() -> impl Strategy<Value = Architecture> {
    (prop::sample::select(vec![gpt2(), llama(), parallel()]), 1_usize..60)
        .prop_map(|(architecture, n_layers)| Architecture { n_layers, ..architecture })
}

/// Decisions made by proptest, taken one after the other; 0 when they are used up.
pub(crate) struct Tape {
    decisions: std::vec::IntoIter<usize>,
}

impl Tape {
    pub(crate) fn any() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(any::<usize>(), 0..200)
    }

    pub(crate) fn new(decisions: Vec<usize>) -> Self {
        Self { decisions: decisions.into_iter() }
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.decisions.next().unwrap_or(0) % n
    }

    /// `count` of the indices below `n`, rising.
    pub(crate) fn some_of(&mut self, count: usize, n: usize) -> Vec<usize> {
        let mut left: Vec<usize> = (0..n).collect();
        let mut chosen: Vec<usize> =
            (0..count).map(|_| left.swap_remove(self.below(left.len()))).collect();
        chosen.sort_unstable();
        chosen
    }

    fn indices(&mut self, n: usize) -> Vec<usize> {
        let count = 1 + self.below(n);
        self.some_of(count, n)
    }

    /// A site of the model, under any of its names.
    pub(crate) fn site(&mut self, architecture: &Architecture) -> Site {
        let sites = architecture.sites();
        match sites[self.below(sites.len())] {
            Site { layer: Some(layer), component: C::ResidPost }
                if layer + 1 < architecture.n_layers && self.below(2) == 1 =>
            {
                Site::in_layer(C::ResidPre, layer + 1)
            }
            site => site,
        }
    }

    /// A locus that exists in a run of `len` tokens.
    pub(crate) fn locus(&mut self, architecture: &Architecture, len: usize) -> Locus {
        let site = self.site(architecture);
        let mut locus = Locus::at(site);
        if self.below(2) == 1 {
            locus = locus.positions(self.indices(len));
        }
        if let (Some(axis), 1) = (site.component.head_axis(), self.below(2)) {
            locus = locus.heads(self.indices(architecture.axis_len(axis, len)));
        }
        if site.component.has_sources() && self.below(2) == 1 {
            locus = locus.src_positions(self.indices(len));
        }
        if site.component.has_neurons() && self.below(2) == 1 {
            locus = locus.neurons(self.indices(architecture.d_mlp));
        }
        locus
    }
}

/// The message of something that must fail.
pub(crate) fn message<T: std::fmt::Debug>(result: Result<T, IrError>) -> String {
    result.expect_err("this must fail").to_string()
}
