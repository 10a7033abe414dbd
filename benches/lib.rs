//! Benchmarks by criterion: `cargo bench --package tracewright-benches --features criterion`.
//!
//! | bench | what it times |
//! | --- | --- |
//! | `noise` | NumPy's normal deviates, as many as one prompt of GPT-2 XL takes |
//! | `forward` | full forward passes of the built-in model, alone and in a batch of 16 |
//! | `trace` | one kind of the default fact's trace by the reference executor, two samples |

use tracewright::models::{Checkpoint, DeviceName, Model, ModelError};

/// The prompt that the benches run.
pub const PROMPT: &str = "The Space Needle is in downtown";

/// The built-in model on the CPU.
///
/// # Errors
///
/// None where the tests pass.
pub fn model() -> Result<Model, ModelError> {
    Checkpoint::built_in()?.load(DeviceName::Cpu)
}
