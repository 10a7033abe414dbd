//! Plans of small sweeps, printed: each rule of the lockstep pass has its example.

use tracewright_ir::plan::{PlanError, Planner};
use tracewright_ir::{
    Activation, Architecture, Component, Intervention, Locus, Measure, Metric, Norm, Operation,
    Position, Request, Run, RunId, ScoreScale, Site, Source, State, Value,
};

fn architecture(n_layers: usize) -> Architecture {
    Architecture {
        family: "gpt2".to_owned(),
        n_layers,
        d_model: 8,
        n_heads: 2,
        n_kv_heads: 2,
        d_head: 4,
        d_mlp: 32,
        vocab: 50,
        context: 64,
        norm: Norm::LayerNorm { eps: 1e-5 },
        position: Position::Learned,
        score_scale: ScoreScale { by_head_width: true, by_layer: false },
        query_key_norm: false,
        activation: Activation::GeluTanh,
        gated_mlp: false,
        parallel_residual: false,
        tied_unembedding: true,
        modules: Vec::new(),
    }
}

/// A clean and a corrupted run of four tokens that differ at position 1, and more; every run's logit
/// is measured at the last position.
fn request(more: impl FnOnce(&mut Request, RunId, RunId)) -> Request {
    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &[1, 2, 3, 4]));
    let corrupted = request.push(Run::of_tokens("corrupted", &[1, 9, 3, 4]));
    more(&mut request, clean, corrupted);
    request.measures.push(Measure::at_last(Metric::Logit { answer: 5 }));
    request.measured = (0..request.runs.len()).map(RunId).collect();
    request
}

fn print(n_layers: usize, request: &Request) -> String {
    let (requests, architecture) = ([request], architecture(n_layers));
    let planner = Planner::new(&requests, &architecture).expect("the request fits");
    let chunks = planner.passes(1 << 30).expect("it fits in a gibibyte");
    chunks.iter().map(|chunk| planner.print(&planner.pass(chunk))).collect()
}

fn at(component: Component, layer: usize, position: usize) -> Locus {
    Locus::at(Site::in_layer(component, layer)).positions([position])
}

#[test]
fn show() {
    let p = print(
        2,
        &request(|request, clean, corrupted| {
            request.push(Run::variant(
                "hidden",
                corrupted,
                [Intervention::copy(at(Component::ResidPost, 0, 1), clean)],
            ));
            request.push(Run::variant(
                "mlp",
                corrupted,
                [Intervention::copy(at(Component::MlpOut, 0, 2), clean)],
            ));
            request.push(Run::variant(
                "attn",
                corrupted,
                [
                    Intervention::copy(at(Component::AttnOut, 0, 2), clean),
                    Intervention::copy(at(Component::AttnOut, 1, 2), clean),
                ],
            ));
            request.push(Run::variant(
                "noop",
                corrupted,
                [Intervention::copy(at(Component::AttnOut, 0, 0), clean)],
            ));
            request.push(Run::variant(
                "zero",
                corrupted,
                [Intervention::zero(at(Component::Z, 0, 2).heads([1]))],
            ));
        }),
    );
    println!("{p}");
    panic!();
}

#[test]
fn xl() {
    for (n_layers, len, from, to, d, heads) in [
        (12, 12, 0usize, 3usize, 768, 12),
        (12, 12, 3, 6, 768, 12),
        (12, 30, 0, 3, 768, 12),
        (12, 30, 8, 11, 768, 12),
        (48, 30, 8, 11, 1600, 25),
    ] {
        let arch = Architecture {
            n_layers,
            d_model: d,
            n_heads: heads,
            n_kv_heads: heads,
            d_head: 64,
            d_mlp: 4 * d,
            vocab: 50257,
            context: 1024,
            ..architecture(1)
        };
        let tokens: Vec<u32> = (0..len as u32).collect();
        let mut request = Request::default();
        let clean = request.push(Run::of_tokens("clean", &tokens));
        let bases: Vec<RunId> = (0..10)
            .map(|s| {
                let array = tracewright_ir::Array {
                    shape: vec![to - from, d],
                    data: vec![0.5; (to - from) * d],
                };
                let locus = Locus::at(Site::outside(Component::Embed)).positions(from..to);
                request.push(Run::variant(
                    format!("corrupted {s}"),
                    clean,
                    [Intervention {
                        locus,
                        operation: Operation::Add(Value::Array(std::sync::Arc::new(array))),
                    }],
                ))
            })
            .collect();
        for kind in [Component::ResidPost, Component::MlpOut, Component::AttnOut] {
            for position in 0..len {
                for layer in 0..n_layers {
                    let layers = if kind == Component::ResidPost {
                        layer..layer + 1
                    } else {
                        tracewright_ir::window(layer, 10, n_layers)
                    };
                    let changes: Vec<_> =
                        layers.map(|l| Intervention::copy(at(kind, l, position), clean)).collect();
                    for base in &bases {
                        request.push(Run::variant("cell", *base, changes.clone()));
                    }
                }
            }
        }
        request.measures.push(Measure::at_last(Metric::Prob { answer: 5 }));
        request.measured = (0..request.runs.len()).map(RunId).collect();
        let requests = [&request];
        let started = std::time::Instant::now();
        let planner = Planner::new(&requests, &arch).unwrap();
        let t1 = started.elapsed();
        for budget in [1u64 << 29, 3 << 28, 1 << 40] {
            let started = std::time::Instant::now();
            let chunks = planner.passes(budget).unwrap();
            let t2 = started.elapsed();
            let cost: tracewright_ir::plan::PassCost =
                chunks.iter().map(|c| planner.pass(c).cost(&arch)).sum();
            let full = tracewright_ir::plan::forward_flops(&arch, len) as f64
                * (3 * len * n_layers * 11) as f64;
            println!(
                "{n_layers} {len} {from}: runs {} check {t1:?} passes {} {t2:?} plan {:?} {:.1} x {:.3} TFLOP {cost:?}",
                request.runs.len(),
                chunks.len(),
                started.elapsed(),
                full / cost.flops as f64,
                cost.flops as f64 / 1e12
            );
        }
    }
    panic!();
}
