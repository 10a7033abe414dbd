//! Any bytes as a safetensors file of weights that config.json says are quantised by MLX.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewright_fuzz::{Copy, Shared};

static COPY: Shared = Shared::new(|| Copy::of("quantised/llama-4bit"));

fuzz_target!(|content: &[u8]| COPY.run("model.safetensors", content));
