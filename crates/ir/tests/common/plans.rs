//! Small requests for plans.

use tracewright_ir::{Architecture, Component, Locus, Measure, Metric, Request, Run, RunId, Site};

/// A GPT-2 that is small in every respect.
pub(crate) fn architecture(n_layers: usize) -> Architecture {
    let (d_model, n_heads, d_head, d_mlp, context) = (8, 2, 4, 32, 64);
    let n_kv_heads = n_heads;
    let small = super::gpt2();
    Architecture { n_layers, d_model, n_heads, n_kv_heads, d_head, d_mlp, context, ..small }
}

/// A clean and a corrupted run of four tokens that differ at position 1, and more; every run's logit
/// is measured at the last position.
pub(crate) fn request(more: impl FnOnce(&mut Request, RunId, RunId)) -> Request {
    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &[1, 2, 3, 4]));
    let corrupted = request.push(Run::of_tokens("corrupted", &[1, 9, 3, 4]));
    more(&mut request, clean, corrupted);
    request.measures.push(Measure::at_last(Metric::Logit { answer: 5 }));
    request.measured = (0..request.runs.len()).map(RunId).collect();
    request
}

pub(crate) fn at(component: Component, layer: usize, position: usize) -> Locus {
    Locus::at(Site::in_layer(component, layer)).positions([position])
}
