//! Numbers that overflow are told with the place where they begin to, in every kind of norm.

use std::path::Path;

use tracewright_engine::{Execution, Executor, execute, predict, silent};
use tracewright_ir::{
    Component, Intervention, Locus, Measure, Metric, Operation, Request, Run, Site, Value,
};
use tracewright_models::{Checkpoint, DeviceName, Model};

fn model(fixture: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(fixture);
    let checkpoint = Checkpoint::open(&folder).expect("a fixture");
    checkpoint.load(DeviceName::Cpu).expect("its weights")
}

/// A run whose stream is as large after layer 0 at position 1 as f32 can hold, but for some.
fn request() -> Request {
    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &[5, 1, 9]));
    let locus = Locus::at(Site::in_layer(Component::ResidPost, 0)).positions([1]);
    let large = Intervention { locus, operation: Operation::Replace(Value::Constant(1.7e38)) };
    let large = request.push(Run::variant("large", clean, [large]));
    request.measures = vec![Measure::at_last(Metric::Entropy)];
    request.measured = vec![clean, large];
    request
}

#[test]
fn a_row_that_overflows_in_a_norm_is_an_error_that_names_the_place() {
    for fixture in ["families/qwen3", "families/gemma2", "families/llama3", "tiny/gpt2-inverse"] {
        let model = model(fixture);
        for executor in [Executor::Lockstep, Executor::Reference] {
            let execution = Execution { executor, ..Execution::default() };
            let error = execute(&model.decoder, &request(), &execution, &mut silent);
            let error = error.expect_err("it overflows").to_string();
            // The norm's mean or divisor is the first number that f32 doesn't hold.
            let place = "blocks.1.ln1.hook_";
            assert!(error.starts_with("'entropy' of run 'large' is NaN"), "{fixture}: {error}");
            assert!(error.contains(place) && error.contains("position 1"), "{fixture}: {error}");
        }
    }
}

#[test]
fn what_does_not_overflow_is_no_error() {
    let model = model("families/qwen3");
    let tokens = model.tokenizer.prompt("abc").expect("a prompt");
    assert_eq!(predict(&model.decoder, &tokens, 3).expect("numbers").len(), 3);
}
