//! `tracewright doctor`

use std::process::ExitCode;

use serde_json::json;
use tracewright_engine::{Candidate, predict};
use tracewright_models::{Checkpoint, DeviceName, Model, ModelError};

use crate::console::{Console, table};
use crate::error::Failure;
use crate::session::{BURN, total_memory};

const PROMPT: &str = "The capital of France is";
const ANSWER: &str = " Paris";
/// A device's probability of the answer may differ from the CPU's by this much.
const TOLERANCE: f32 = 1e-3;

pub(crate) fn run(console: &Console) -> Result<ExitCode, Failure> {
    let memory = total_memory();
    let threads = rayon::current_num_threads();
    let gib = memory as f64 / f64::from(1 << 30);
    console.answer(&format!(
        "tracewright {}, Burn {BURN}\n{threads} threads, {gib:.1} GiB of memory\n",
        env!("CARGO_PKG_VERSION")
    ))?;
    let expected = test(DeviceName::Cpu)?;
    let devices = DeviceName::KINDS.into_iter().map(|name| {
        let found = test(name).and_then(|found| compare(found, expected).map(|()| found));
        (name, found)
    });
    let devices: Vec<_> = devices.collect();
    let mut rows = vec![["device", "self-test"].map(str::to_owned).to_vec()];
    rows.extend(devices.iter().map(|(name, found)| {
        let verdict = match found {
            Ok(found) => format!("ok: '{PROMPT}' → '{ANSWER}' with p = {:.4}", found.prob),
            Err(Failure::Model(ModelError::DeviceNotBuilt { feature, .. })) => {
                format!("not in this build: `cargo install --path crates/cli --features {feature}` has it")
            }
            Err(failure) => format!("failed: {failure}"),
        };
        vec![name.to_string(), verdict]
    }));
    console.answer(&table(&rows))?;
    console.json(&json!({
        "tracewright": env!("CARGO_PKG_VERSION"),
        "burn": BURN,
        "threads": threads,
        "memory_bytes": memory,
        "devices": devices.iter().map(|(name, found)| json!({
            "device": name.to_string(),
            "built": is_built(found),
            "ok": found.is_ok(),
            "problem": found.as_ref().err().map(ToString::to_string),
        })).collect::<Vec<_>>(),
    }))?;
    let all_well = devices.iter().all(|(_, found)| found.is_ok() || !is_built(found));
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn is_built(found: &Result<Candidate, Failure>) -> bool {
    !matches!(found, Err(Failure::Model(ModelError::DeviceNotBuilt { .. })))
}

/// Runs the built-in model on a device.
fn test(device: DeviceName) -> Result<Candidate, Failure> {
    let model: Model = Checkpoint::built_in()?.load(device)?;
    let tokens = model.tokenizer.prompt(PROMPT)?;
    let best = predict(&model.decoder, &tokens, 1)?;
    let best = best.first().filter(|best| model.tokenizer.text(best.id) == ANSWER).copied();
    best.ok_or_else(|| Failure::Usage(format!("the built-in model doesn't say '{ANSWER}' there")))
}

fn compare(found: Candidate, expected: Candidate) -> Result<(), Failure> {
    if (found.prob - expected.prob).abs() <= TOLERANCE {
        return Ok(());
    }
    let (found, expected) = (found.prob, expected.prob);
    Err(Failure::Usage(format!("p = {found:.4} where the CPU has {expected:.4}")))
}
