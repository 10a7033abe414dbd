//! Any bytes as config.json. Seeds: the configs of `fixtures/families`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewright_fuzz::{Copy, Shared};

static COPY: Shared = Shared::new(|| Copy::of("families/llama3"));

fuzz_target!(|content: &[u8]| COPY.run("config.json", content));
