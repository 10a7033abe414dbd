//! `cargo xtask golden`: our numbers beside PyTorch's.
//!
//! Each group of golden files under `fixtures/goldens` has its file here, which turns the files
//! into requests and gives back [`Quantity`]s. What the golden files
//! hold is told in `fixtures/README.md`.

use anyhow::Result;
use tracewright_engine::{Execution, Outcome, reference, silent};
use tracewright_ir::Request;
use tracewright_models::{Checkpoint, DeviceName, Model};

mod families;
mod file;
mod interventions;
mod pairs;
mod paths;
mod protocol;
mod quantised;
mod quantity;
mod regenerate;
mod rome;
mod sites;
mod table;
mod tiny;
mod transformer_lens;

pub use families::families;
pub use interventions::interventions;
pub use pairs::pairs;
pub use paths::paths;
pub use protocol::protocol;
pub use quantised::quantised;
pub use quantity::Quantity;
pub use regenerate::regenerate;
pub use rome::{embedding_deviation, rome};
pub use sites::sites;
pub use table::table;
pub use tiny::tiny;
pub use transformer_lens::transformer_lens;

/// How many cells of the pairs' heatmaps are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Every one.
    All,
    /// Those whose number is divisible by seven: no axis of the heatmaps is, so that all layers,
    /// heads and positions have their turn.
    EverySeventh,
}

/// What a GPU's difference may be, in multiples of the CPU's bound: its products sum in an order that
/// depends on the kernel chosen for their shape.
const GPU: f64 = 5.0;

/// Compares everything, computed on a device. What is compared for equality has to be equal on all.
///
/// # Errors
///
/// A golden file that is missing or damaged, a device that isn't there, and a request that can't be
/// executed.
pub fn compare(cells: Cells, device: DeviceName) -> Result<Vec<Quantity>> {
    let mut quantities = on(cells, device)?;
    if device.is_gpu() {
        quantities.iter_mut().for_each(|quantity| quantity.bound *= GPU);
    }
    Ok(quantities)
}

fn on(cells: Cells, device: DeviceName) -> Result<Vec<Quantity>> {
    let model = facts(device)?;
    let mut quantities =
        [tiny(device)?, families(device)?, sites(&model)?, interventions(&model)?].concat();
    quantities.extend(quantised(device)?);
    quantities.extend(pairs(&model, cells)?);
    quantities.extend(protocol(&model)?);
    quantities.extend(paths(&model)?);
    quantities.extend(transformer_lens(&model, cells)?);
    quantities.push(embedding_deviation(&model)?);
    quantities.extend(rome(&model)?);
    Ok(quantities)
}

/// The model that the golden files are of.
///
/// # Errors
///
/// A device that isn't there.
pub fn facts(device: DeviceName) -> Result<Model> {
    Ok(Checkpoint::built_in()?.load(device)?)
}

/// By the executor that users get.
fn execute(model: &Model, request: &Request) -> Result<Outcome> {
    Ok(tracewright_engine::execute(&model.decoder, request, &Execution::default(), &mut silent)?)
}

/// By both executors: the reference one is what the other is compared with in all other tests.
fn execute_both(model: &Model, request: &Request, execution: &Execution) -> Result<[Outcome; 2]> {
    let ours = tracewright_engine::execute(&model.decoder, request, execution, &mut silent)?;
    let reference = reference::execute(&model.decoder, request, execution, &mut silent)?;
    Ok([ours, reference])
}
