//! The likeliest next tokens of a pair's runs.

use serde_json::{Value, json};
use tracewright_engine::{Candidate, Outcome};
use tracewright_ir::{Cell, RunId, Sweep};
use tracewright_models::Model;
use tracewright_results::{TopToken, TopTokens};

/// The likeliest tokens of every run, where they are asked for.
pub(super) fn top(sweep: &Sweep, outcome: &Outcome, model: &Model) -> Vec<TopTokens> {
    if sweep.request.top_k == 0 {
        return Vec::new();
    }
    let tokens = |run: &RunId| {
        let place = sweep.request.measured.binary_search(run).ok();
        let top = place.and_then(|place| outcome.tops.get(place)).map_or(&[][..], Vec::as_slice);
        let token = |c: &Candidate| TopToken {
            text: model.tokenizer.text(c.id),
            id: c.id,
            logit: c.logit,
            prob: c.prob,
        };
        top.iter().map(token).collect()
    };
    let of = |run: &str, at: Value, runs: &[RunId]| -> Vec<TopTokens> {
        let one = |(sample, id): (usize, &RunId)| TopTokens {
            run: run.to_owned(),
            sample,
            at: at.clone(),
            tokens: tokens(id),
        };
        runs.iter().enumerate().map(one).collect()
    };
    let bases = [("clean", &sweep.clean), ("corrupted", &sweep.corrupted)];
    let bases = bases.into_iter().flat_map(|(name, runs)| of(name, Value::Null, runs));
    let cells = sweep.cells.iter().flat_map(|cell| of("cell", place(cell), &cell.runs));
    bases.chain(cells).collect()
}

/// A cell's place without the axes that it hasn't got.
fn place(cell: &Cell) -> Value {
    let mut place = json!(cell.at);
    if let Some(place) = place.as_object_mut() {
        place.retain(|_, index| !index.is_null());
    }
    place
}
