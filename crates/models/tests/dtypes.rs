//! Weights in other types than f32.

use tracewright_models::{Batch, Checkpoint, DeviceName, Dtype, Model, ModelError, Nobody};

fn model(dtype: Dtype) -> Model {
    let checkpoint = Checkpoint::built_in().expect("the built-in model");
    checkpoint.with_dtype(dtype).load(DeviceName::Cpu).expect("the built-in weights")
}

/// The logits of a prompt's last token.
fn logits(model: &Model) -> Vec<f32> {
    let ids = model.tokenizer.prompt("The Space Needle is in downtown").expect("a prompt").ids;
    let batch = Batch { sequences: 1, len: ids.len() };
    let logits = model
        .decoder
        .forward(&ids, batch, &[ids.len() - 1], &mut Nobody)
        .expect("its weights are there");
    logits.try_into_vec_as().expect("the host's memory")
}

#[test]
fn fewer_bits_move_the_logits_by_about_their_rounding() {
    let exact = logits(&model(Dtype::F32));
    let largest = exact.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    // One rounding is 2^-9 and 2^-12 of a number; a logit has gone through some dozens of products.
    for (dtype, rounding) in [(Dtype::Bf16, 2.0_f32.powi(-9)), (Dtype::F16, 2.0_f32.powi(-12))] {
        let rounded = logits(&model(dtype));
        let moved = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let bounds = rounding / 8.0..rounding * 8.0;
        assert!(bounds.contains(&(moved / largest)), "{dtype}: {moved} of {largest}");
    }
}

#[test]
fn the_error_of_products_tells_what_they_are_computed_in() {
    for (dtype, bounds) in
        [(Dtype::F32, 0.0..2e-6), (Dtype::F16, 1e-4..2e-2), (Dtype::Bf16, 1e-3..2e-2)]
    {
        let error = model(dtype).decoder.product_error();
        assert!(bounds.contains(&error), "{dtype}: {error:e}");
    }
}

#[test]
fn types_are_printed_as_they_are_read() {
    for dtype in Dtype::ALL {
        assert_eq!(dtype.to_string().parse::<Dtype>().ok(), Some(dtype));
    }
    let message = "f64".parse::<Dtype>().map_err(|error: ModelError| error.to_string());
    assert_eq!(message, Err("there is no dtype 'f64'; known: f32, bf16, f16".to_owned()));
}
