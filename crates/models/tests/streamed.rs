//! A streamed model is the model: its numbers, what it reads, and files that change meanwhile.

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use common::{Copy, TINY, WEIGHTS, families, load, tiny};
use tracewright_models::{Batch, Checkpoint, DeviceName, Model, ModelError, Nobody};

const IDS: [u32; 7] = [5, 1, 90, 17, 17, 3, 64];

/// A checkpoint of every layout: the tiny ones, all families (among them sharded and PyTorch's files) and MLX's.
fn folders() -> Vec<PathBuf> {
    let quantised = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/quantised");
    let quantised = fs::read_dir(quantised).expect("the fixtures are there");
    let quantised = quantised.map(|entry| entry.expect("a folder").path());
    TINY.iter().map(|name| tiny(name)).chain(families()).chain(quantised).collect()
}

fn streamed(folder: &Path) -> Result<Model, ModelError> {
    Checkpoint::open(folder)?.streamed(true).load(DeviceName::Cpu)
}

fn logits(model: &Model) -> Result<Vec<f32>, ModelError> {
    let batch = Batch { sequences: 1, len: IDS.len() };
    let logits = model.decoder.forward(&IDS, batch, &[0, 6], &mut Nobody)?;
    Ok(logits.into_data().try_to_vec().expect("f32"))
}

#[test]
fn a_streamed_model_has_the_numbers_of_one_that_is_held_in_every_layout() {
    for folder in folders() {
        let (held, streamed) = (load(&folder).expect("a fixture"), streamed(&folder).expect("too"));
        assert_eq!(held.sha256, streamed.sha256);
        assert!(streamed.decoder.is_streamed() && !held.decoder.is_streamed());
        let expected = logits(&held).expect("held");
        for pass in 0..2 {
            let found = logits(&streamed).expect("streamed");
            assert_eq!(found, expected, "{}, pass {pass}", folder.display());
        }
        let tokens = |model: &Model| {
            let rows = model.decoder.embed(&IDS).expect("embeddings");
            let logits = model.decoder.unembed_tokens(rows, &[3, 90]).expect("logits");
            logits.into_data().try_to_vec::<f32>().expect("f32")
        };
        assert_eq!(tokens(&streamed), tokens(&held), "{}", folder.display());
    }
}

#[test]
fn a_pass_reads_what_the_footprint_says_and_the_rows_of_its_tokens() {
    for folder in folders() {
        let footprint = Checkpoint::open(&folder).expect("a fixture").footprint();
        let model = streamed(&folder).expect("a fixture");
        let before = model.decoder.bytes_read();
        model.decoder.embed(&IDS).expect("embeddings");
        let rows = model.decoder.bytes_read() - before;
        logits(&model).expect("streamed");
        let expected = footprint.stored_layers + footprint.stored_unembedding;
        assert_eq!(
            model.decoder.bytes_read() - before - 2 * rows,
            expected,
            "{}",
            folder.display()
        );
    }
}

#[test]
fn weights_that_are_held_take_what_the_footprint_says() {
    // 4 bytes for each number of the file, which holds nothing else.
    for folder in folders().into_iter().filter(|folder| folder.join(WEIGHTS).is_file()) {
        let checkpoint = Checkpoint::open(&folder).expect("a fixture");
        if checkpoint.stored_as().expect("weights").ends_with("bits") {
            continue;
        }
        let bytes = fs::read(folder.join(WEIGHTS)).expect("weights");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        // Buffers of old checkpoints are no weights.
        let is_weight =
            |name: &str| !name.ends_with(".attn.bias") && !name.ends_with("masked_bias");
        let tensors = file.iter().filter(|(name, _)| is_weight(name));
        let numbers: usize = tensors.map(|(_, view)| view.shape().iter().product::<usize>()).sum();
        assert_eq!(checkpoint.footprint().held, 4 * numbers as u64, "{}", folder.display());
    }
}

#[test]
fn a_file_that_is_cut_short_meanwhile_is_an_error() {
    let copy = Copy::of("gpt2-inverse");
    let model = streamed(&copy.path("")).expect("whole as yet");
    let expected = logits(&model).expect("whole as yet");
    let file = File::options().write(true).open(copy.path(WEIGHTS)).expect("the copy");
    let len = file.metadata().expect("its length").len();
    file.set_len(len / 2).expect("a shorter file");
    let error = logits(&model).expect_err("half of it is gone").to_string();
    assert!(error.contains("changed or cut short while it was in use"), "{error}");
    // One that was removed is still open, and whole.
    let copy = Copy::of("gpt2-inverse");
    let model = streamed(&copy.path("")).expect("whole");
    fs::remove_file(copy.path(WEIGHTS)).expect("it is there");
    assert_eq!(logits(&model).expect("it is still open"), expected);
}

#[test]
fn a_weight_that_is_not_a_number_is_named_when_its_layer_is_read() {
    let copy = Copy::of("gpt2-inverse");
    copy.tensors(|tensors| {
        let name = tensors.keys().find(|name| name.ends_with("h.1.mlp.c_fc.weight")).cloned();
        let weight = tensors.get_mut(&name.expect("a weight")).expect("it is there");
        weight.bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    let model = streamed(&copy.path("")).expect("no layer is read as yet");
    let error = logits(&model).expect_err("a weight is no number").to_string();
    assert!(error.contains("h.1.mlp.c_fc.weight' holds NaN at index 2"), "{error}");
}
