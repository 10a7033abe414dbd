//! What loading a checkpoint takes in memory, counted by the allocator.

mod common;

use common::{families, load, tiny};
use peak_alloc::PeakAlloc;
use tracewright_models::{Checkpoint, DeviceName};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The tokenizer and lists of names, which don't grow with the model's weights.
const APART: usize = 3 << 20;

/// The built-in model: its matrices are f16, and the embedding is the largest with a ninth of all numbers.
/// (One test in this file: the allocator counts for all of them.)
#[test]
fn a_checkpoint_takes_four_bytes_for_each_number_and_no_more_than_its_largest_tensor_meanwhile() {
    // What is made once for the life of the process.
    load(&tiny("gpt2-inverse")).expect("a fixture");
    families().iter().take(1).for_each(|folder| drop(load(folder).expect("a fixture")));
    let checkpoint = Checkpoint::built_in().expect("the built-in model");
    let footprint = checkpoint.footprint().held as usize;
    let largest = 4 * checkpoint.architecture().vocab * checkpoint.architecture().d_model;
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let model = checkpoint.load(DeviceName::Cpu).expect("the built-in weights");
    let (held, peak) = (MEMORY.current_usage() - before, MEMORY.peak_usage() - before);
    assert!(held <= footprint / 10 * 11 + APART, "{held} bytes for {footprint}");
    assert!(held >= footprint, "{held} bytes can't be {footprint}");
    assert!(peak <= footprint / 10 * 11 + largest + APART, "{peak} bytes for {footprint}");
    // Streamed, the same model takes its positions and last norm, until it runs.
    drop(model);
    let checkpoint = Checkpoint::built_in().expect("the built-in model").streamed(true);
    let before = MEMORY.current_usage();
    let model = checkpoint.load(DeviceName::Cpu).expect("the built-in weights");
    let held = MEMORY.current_usage() - before;
    assert!(held <= APART, "{held} bytes are held of a streamed model");
    assert!(model.decoder.is_streamed());
}
