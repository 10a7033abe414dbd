//! Benchmarks by criterion: `cargo bench --package tracewright-benches --features criterion`.
//!
//! | bench | what it times |
//! | --- | --- |
//! | `noise` | NumPy's normal deviates, as many as one prompt of GPT-2 XL takes |
//! | `planner` | plans of ROME's protocol on the shapes of GPT-2 small and XL, up to 100,000 variants |
//! | `pass` | a lockstep pass of ROME's protocol on the built-in model, whole and up to each layer |
//! | `attention` | queries over lists of rows, against the tensor formula that lays their keys out |
//! | `forward` | full forward passes of the built-in model, alone and in a batch of 16 |
//! | `trace` | one kind of the default fact's trace, two samples |

use std::ops::Range;

use tracewright::ir::{
    Activation, Architecture, Component, Intervention, Locus, Measure, Metric, Norm, NormPlace,
    Operation, Position, Request, Residual, Run, RunId, ScoreScale, Site, Value, window,
};
use tracewright::models::{Checkpoint, DeviceName, Model, ModelError};

/// The prompt that the benches run.
pub const PROMPT: &str = "The Space Needle is in downtown";

/// The built-in model on the CPU.
///
/// # Errors
///
/// None where the tests pass.
pub fn model() -> Result<Model, ModelError> {
    Checkpoint::built_in()?.load(DeviceName::Cpu)
}

/// The shape of a GPT-2 with this many layers and heads.
pub fn gpt2(n_layers: usize, n_heads: usize) -> Architecture {
    let (d_head, d_model) = (64, 64 * n_heads);
    Architecture {
        family: "gpt2".to_owned(),
        n_layers,
        d_model,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: 4 * d_model,
        vocab: 50_257,
        context: 1024,
        norm: Norm::LayerNorm { eps: 1e-5 },
        norm_place: NormPlace::Pre,
        position: Position::Learned,
        window: None,
        score_scale: ScoreScale::by_head_width(d_head),
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

/// ROME's protocol on a prompt of `len` tokens: three kinds with windows of ten layers, ten samples
/// of noise on the subject, every layer and position.
pub fn rome(n_layers: usize, len: usize, subject: Range<usize>) -> Request {
    let mut request = Request::default();
    let tokens: Vec<u32> = (1..=len as u32).collect();
    let clean = request.push(Run::of_tokens("clean", &tokens));
    let corrupt = |sample: u32| {
        let operation = Operation::Add(Value::Constant(0.1 * f64::from(sample)));
        let locus = Locus::at(Site::outside(Component::Embed)).positions(subject.clone());
        Run::variant("corrupted", clean, [Intervention { locus, operation }])
    };
    let bases: Vec<RunId> = (1..=10).map(|sample| request.push(corrupt(sample))).collect();
    for kind in [Component::ResidPost, Component::MlpOut, Component::AttnOut] {
        for (position, layer) in (0..len).flat_map(|p| (0..n_layers).map(move |l| (p, l))) {
            let layers = match kind {
                Component::ResidPost => layer..layer + 1,
                _ => window(layer, 10, n_layers),
            };
            let at = |layer| Locus::at(Site::in_layer(kind, layer)).positions([position]);
            let copies: Vec<_> = layers.map(|l| Intervention::copy(at(l), clean)).collect();
            for base in &bases {
                request.push(Run::variant("cell", *base, copies.clone()));
            }
        }
    }
    request.measures.push(Measure::at_last(Metric::Prob { answer: 5 }));
    request.measured = (0..request.runs.len()).map(RunId).collect();
    request
}
