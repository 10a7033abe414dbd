//! The lockstep executor against the reference executor.

use std::ops::ControlFlow::Continue;
use std::time::Instant;

use tracewright_corruption::{Noise, NoiseStream};
use tracewright_engine::{lockstep, reference};
use tracewright_ir::{
    Array, Component, Intervention, Locus, Measure, Metric, Operation, Request, Run, RunId, Site,
    Value, window,
};
use tracewright_models::{Checkpoint, DeviceName};

#[test]
fn rome() {
    let model = Checkpoint::built_in().and_then(|c| c.load(DeviceName::Cpu)).unwrap();
    let arch = model.architecture();
    let tokens = model.tokenizer.prompt("The Space Needle is in downtown").unwrap();
    let len = tokens.len();
    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &tokens.ids));
    let mut stream = NoiseStream::new(&Noise::Gaussian { std: 0.1 }, 1).unwrap();
    let draw = stream.draw(10, 4, arch.d_model).unwrap();
    let bases: Vec<RunId> = draw
        .values
        .chunks_exact(4 * arch.d_model)
        .map(|data| {
            let array = Array { shape: vec![4, arch.d_model], data: data.to_vec() };
            let locus = Locus::at(Site::outside(Component::Embed)).positions(0..4);
            request.push(Run::variant(
                "corrupted",
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
            for layer in 0..arch.n_layers {
                let layers = if kind == Component::ResidPost {
                    layer..layer + 1
                } else {
                    window(layer, 10, arch.n_layers)
                };
                let changes: Vec<_> = layers
                    .map(|l| {
                        Intervention::copy(
                            Locus::at(Site::in_layer(kind, l)).positions([position]),
                            clean,
                        )
                    })
                    .collect();
                for base in &bases {
                    request.push(Run::variant("cell", *base, changes.clone()));
                }
            }
        }
    }
    request.measures.push(Measure::at_last(Metric::Prob { answer: 415 }));
    request.measures.push(Measure::at_last(Metric::Logit { answer: 415 }));
    request.measures.push(Measure::at_last(Metric::Kl { clean }));
    request.measured = (0..request.runs.len()).map(RunId).collect();
    let started = Instant::now();
    let theirs = reference::execute(&model.decoder, &request, &mut |_, _| Continue(())).unwrap();
    let t = started.elapsed();
    for budget in [1 << 30, 60 << 20] {
        let started = Instant::now();
        let ours = lockstep::execute(&model.decoder, &[&request], budget, &mut |_, _| Continue(()))
            .unwrap()
            .remove(0);
        println!("reference {t:?} lockstep {:?}", started.elapsed());
        println!("{:?} {:?}", theirs.cost, ours.cost);
        for (a, b) in theirs.values.iter().zip(&ours.values) {
            let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("largest difference {worst:e} of {:?} {:?}", &a[..4], &b[..4]);
        }
    }
    panic!();
}
