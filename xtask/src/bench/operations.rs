//! How many floating point operations our side needs.

use tracewright_ir::{Architecture, Request};

/// The operations of our pass over a request: a multiplication and an addition for each weight that
/// a row meets, and attention's products.
///
/// This is the count of one full forward pass for every run, what the reference executor does. A
/// planner that knows what another executor saves is to be asked here.
pub(super) fn operations(architecture: &Architecture, request: &Request) -> f64 {
    let Architecture { n_layers, d_model, n_heads, n_kv_heads, d_head, d_mlp, vocab, .. } =
        *architecture;
    let z = n_heads * d_head;
    let qkv = d_model * (z + 2 * n_kv_heads * d_head);
    let row = qkv + z * d_model + 2 * d_model * d_mlp;
    let of_run = |len: usize| {
        let attention = 2 * len * z;
        let layers = n_layers * len * (row + attention);
        2.0 * (layers + d_model * vocab) as f64
    };
    let len = |run| request.tokens(run).map_or(0, <[u32]>::len);
    request.measured.iter().map(|run| of_run(len(*run))).sum()
}

#[cfg(test)]
mod tests {
    use tracewright_ir::{Request, Run};
    use tracewright_models::Checkpoint;

    use super::operations;

    #[test]
    fn a_run_costs_its_rows_and_one_row_of_logits() {
        let architecture = Checkpoint::built_in().unwrap().architecture().clone();
        let mut request = Request::default();
        request.measured = vec![request.push(Run::of_tokens("clean", &[1, 2, 3]))];
        // 12 layers of width 192 with 4 · 192 neurons; a vocabulary of 3,072.
        let (weights, attention) = (12 * 192 * 192, 2 * 3 * 192);
        let expected = 2 * (12 * 3 * (weights + attention) + 192 * 3072);
        assert_eq!(operations(&architecture, &request), f64::from(expected));
    }
}
