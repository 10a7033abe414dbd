//! Any bytes as the index of weights that stand in several files.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use tracewright_fuzz::{Copy, Shared};

static COPY: Shared = Shared::new(|| {
    let copy = Copy::of("tiny/gpt2-inverse");
    let whole = copy.path("model.safetensors");
    fs::rename(whole, copy.path("model-00001-of-00001.safetensors")).expect("its weights");
    copy
});

fuzz_target!(|content: &[u8]| COPY.run("model.safetensors.index.json", content));
