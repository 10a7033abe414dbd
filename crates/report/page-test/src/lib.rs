//! The page of `tracewright-report` in a browser: made-up results, and a Chromium that opens their page.
//!
//! The tests are in `tests/page.rs`; `examples/opening.rs` measures how long a large page takes.

pub mod browser;
pub mod data;
