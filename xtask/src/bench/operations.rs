//! How many floating point operations our side needs.

use anyhow::Result;
use tracewright_engine::Execution;
use tracewright_ir::plan::{PassCost, Planner};
use tracewright_ir::{Architecture, Request};

/// The operations of our passes over a request, attention's own products among them.
///
/// # Errors
///
/// A request that can't be planned.
pub(super) fn operations(architecture: &Architecture, request: &Request) -> Result<f64> {
    let requests = [request];
    let planner = Planner::new(&requests, architecture)?;
    let passes = planner.passes(Execution::default().memory)?;
    let cost: PassCost = passes.iter().map(|chunk| planner.pass(chunk).cost(architecture)).sum();
    Ok((cost.flops + cost.attention_flops) as f64)
}
