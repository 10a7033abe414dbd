//! Plans of small sweeps, printed: each rule of the lockstep pass has its example.

mod common;

use common::plans::{architecture, at, request};
use tracewright_ir::plan::Planner;
use tracewright_ir::{
    Component, Intervention, Locus, Operation, Request, Run, Site, Source, State, Value,
};

fn print(n_layers: usize, request: &Request) -> String {
    let (requests, architecture) = ([request], architecture(n_layers));
    let planner = Planner::new(&requests, &architecture).expect("the request fits");
    let chunks = planner.passes(1 << 30).expect("it fits in a gibibyte");
    chunks.iter().map(|chunk| planner.print(&planner.pass(chunk))).collect()
}

/// Compares a request's printed plan; the expected text begins on a line of its own.
fn check(n_layers: usize, request: &Request, expected: &str) {
    let printed = print(n_layers, request);
    assert_eq!(printed.trim(), expected.trim(), "it is now:\n{printed}");
}

#[test]
fn prompts_share_their_common_prefix_and_only_the_last_row_is_read() {
    let request = request(|_, _, _| {});
    check(
        1,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 3
  k v       clean 0-2, corrupted 1
  attn_out  clean 3, corrupted 3
  mlp_out   clean 3, corrupted 3
  logits    clean 3, corrupted 3
"#,
    );
}

#[test]
fn a_row_that_was_copied_is_not_computed_and_only_later_rows_change() {
    let request = request(|request, clean, corrupted| {
        let copy = Intervention::copy(at(Component::ResidPost, 0, 2), clean);
        request.push(Run::variant("patched", corrupted, [copy]));
    });
    check(
        3,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3
  mlp_out   clean 0-3, corrupted 1-3
layer 1
  q k v     clean 0-3, corrupted 1-3
  attn_out  clean 0-3, corrupted 1-3, patched 2-3
  mlp_out   clean 0-3, corrupted 1-3, patched 2-3
layer 2
  q k v     clean 3, corrupted 3, patched 3
  k v       clean 0-2, corrupted 1-2, patched 2
  attn_out  clean 3, corrupted 3, patched 3
  mlp_out   clean 3, corrupted 3, patched 3
  logits    clean 3, corrupted 3, patched 3
"#,
    );
}

#[test]
fn a_run_whose_first_other_row_is_restored_shares_the_clean_rows_before_the_next() {
    let request = request(|request, clean, corrupted| {
        let copy = Intervention::copy(at(Component::ResidPost, 0, 1), clean);
        request.push(Run::variant("patched", corrupted, [copy]));
    });
    check(
        3,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3
  mlp_out   clean 0-3, corrupted 1-3
layer 1
  q k v     clean 0-3, corrupted 1-3
  attn_out  clean 0-3, corrupted 1-3, patched 2-3
  mlp_out   clean 0-3, corrupted 1-3, patched 2-3
layer 2
  q k v     clean 3, corrupted 3, patched 3
  k v       clean 0-2, corrupted 1-2, patched 2
  attn_out  clean 3, corrupted 3, patched 3
  mlp_out   clean 3, corrupted 3, patched 3
  logits    clean 3, corrupted 3, patched 3
"#,
    );
}

#[test]
fn patching_the_stream_at_all_positions_gives_the_source_run_without_a_row() {
    let request = request(|request, clean, corrupted| {
        let all = Locus::at(Site::in_layer(Component::ResidPost, 0));
        request.push(Run::variant("patched", corrupted, [Intervention::copy(all, clean)]));
    });
    check(
        2,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3
  mlp_out   clean 0-3, corrupted 1-3
layer 1
  q k v     clean 3, corrupted 3
  k v       clean 0-2, corrupted 1-2
  attn_out  clean 3, corrupted 3
  mlp_out   clean 3, corrupted 3
  logits    clean 3, corrupted 3
"#,
    );
}

#[test]
fn patches_that_change_nothing_have_no_rows() {
    let request = request(|request, clean, corrupted| {
        let before = Intervention::copy(at(Component::ResidPost, 0, 0), clean);
        request.push(Run::variant("before the difference", corrupted, [before]));
        let own = Intervention::copy(at(Component::MlpOut, 0, 2), corrupted);
        request.push(Run::variant("its own value", corrupted, [own]));
        let unread = Intervention::copy(at(Component::ResidPost, 1, 2), clean);
        request.push(Run::variant("a row nobody reads", corrupted, [unread]));
    });
    check(
        2,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3
  mlp_out   clean 0-3, corrupted 1-3
layer 1
  q k v     clean 3, corrupted 3
  k v       clean 0-2, corrupted 1-2
  attn_out  clean 3, corrupted 3
  mlp_out   clean 3, corrupted 3
  logits    clean 3, corrupted 3
"#,
    );
}

#[test]
fn windows_share_their_way_until_one_ends_and_equal_ones_are_one() {
    let request = request(|request, clean, corrupted| {
        for (name, layers) in [("short", 0..1), ("long", 0..2), ("as long", 0..2)] {
            let copy = |layer| Intervention::copy(at(Component::MlpOut, layer, 2), clean);
            request.push(Run::variant(name, corrupted, layers.map(copy)));
        }
    });
    check(
        3,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3
  mlp_out   clean 0-3, corrupted 1-3
  resid_post short 2 = corrupted 2 + clean 2
layer 1
  q k v     clean 0-3, corrupted 1-3, short 2
  attn_out  clean 0-3, corrupted 1-3, short 2-3
  mlp_out   clean 0-3, corrupted 1-3, short 2-3
  resid_post long 2 = short 2 + clean 2
layer 2
  q k v     clean 3, corrupted 3, short 3
  k v       clean 0-2, corrupted 1-2, short 2, long 2
  attn_out  clean 3, corrupted 3, short 3, long 3
  mlp_out   clean 3, corrupted 3, short 3, long 3
  logits    clean 3, corrupted 3, short 3, long 3
"#,
    );
}

#[test]
fn a_changed_row_that_is_held_at_its_bases_value_stays_held() {
    let request = request(|request, clean, corrupted| {
        let restore = Intervention::copy(at(Component::ResidPost, 0, 2), clean);
        let hold = |layer| Intervention::copy(at(Component::MlpOut, layer, 2), corrupted);
        let severed = [restore, hold(0), hold(1), hold(2)];
        request.push(Run::variant("severed", corrupted, severed));
    });
    check(
        3,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3
  mlp_out   clean 0-3, corrupted 1-3
layer 1
  q k v     clean 0-3, corrupted 1-3
  attn_out  clean 0-3, corrupted 1-3, severed 2-3
  mlp_out   clean 0-3, corrupted 1-3, severed 3
  resid_post severed 2 = severed 2 + corrupted 2
layer 2
  q k v     clean 3, corrupted 3, severed 3
  k v       clean 0-2, corrupted 1-2, severed 2
  attn_out  clean 3, corrupted 3, severed 3
  mlp_out   clean 3, corrupted 3, severed 3
  logits    clean 3, corrupted 3, severed 3
"#,
    );
}

#[test]
fn changed_keys_and_values_reach_later_rows_and_changed_queries_their_own() {
    let request = request(|request, clean, corrupted| {
        for component in [Component::Q, Component::K, Component::V] {
            let copy = Intervention::copy(at(component, 0, 1), clean);
            request.push(Run::variant(component.name(), corrupted, [copy]));
        }
    });
    check(
        2,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3, q 1, k 1-3, v 1-3
  mlp_out   clean 0-3, corrupted 1-3, q 1, k 1-3, v 1-3
layer 1
  q k v     clean 3, corrupted 3, k 3, v 3
  k v       clean 0-2, corrupted 1-2, q 1, k 1-2, v 1-2
  attn_out  clean 3, corrupted 3, q 3, k 3, v 3
  mlp_out   clean 3, corrupted 3, q 3, k 3, v 3
  logits    clean 3, corrupted 3, q 3, k 3, v 3
"#,
    );
}

#[test]
fn heads_and_neurons_are_changed_in_rows_of_their_own() {
    let request = request(|request, clean, corrupted| {
        let head = at(Component::Z, 0, 3).heads([1]);
        request.push(Run::variant("head", corrupted, [Intervention::copy(head, clean)]));
        let neurons = at(Component::MlpPost, 0, 3).neurons([7, 9]);
        request.push(Run::variant("neurons", corrupted, [Intervention::copy(neurons, clean)]));
    });
    check(
        1,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 3
  k v       clean 0-2, corrupted 1
  attn_out  clean 3, corrupted 3, head 3
  z head 3 = z@0[position 3, head 1] ← #0 clean 3
  mlp_out   clean 3, corrupted 3, head 3, neurons 3
  mlp_post neurons 3 = mlp_post@0[position 3, neuron 7,9] ← #0 clean 3
  resid_post neurons 3 = corrupted 3 + neurons 3
  logits    clean 3, corrupted 3, head 3, neurons 3
"#,
    );
}

#[test]
fn a_source_in_a_lower_layer_is_kept_until_it_is_read() {
    let request = request(|request, clean, corrupted| {
        let from = Some(at(Component::ResidPost, 0, 2));
        let source = Source { run: clean, locus: from, state: State::Left };
        let operation = Operation::Replace(Value::Source(source));
        let locus = at(Component::ResidPost, 1, 3);
        request.push(Run::variant("reader", corrupted, [Intervention { locus, operation }]));
    });
    check(
        2,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3
  mlp_out   clean 0-3, corrupted 1-3
layer 1
  q k v     clean 3, corrupted 3
  k v       clean 0-2, corrupted 1-2
  attn_out  clean 3, corrupted 3
  mlp_out   clean 3, corrupted 3
  resid_post reader 3 = resid_post@1[position 3] ← #0.resid_post@0[position 2] clean 2
  logits    clean 3, corrupted 3, reader 3
"#,
    );
}

#[test]
fn noise_is_a_difference_from_the_clean_run() {
    let request = request(|request, clean, _| {
        let noise = Operation::Add(Value::Constant(0.5));
        let locus = Locus::at(Site::outside(Component::Embed)).positions([1, 2]);
        let noise = Intervention { locus, operation: noise };
        let noisy = request.push(Run::variant("noisy", clean, [noise]));
        let copy = Intervention::copy(at(Component::AttnOut, 0, 3), clean);
        request.push(Run::variant("patched", noisy, [copy]));
    });
    check(
        1,
        &request,
        r#"
  embed     clean 0-3, corrupted 1, noisy 1-2
layer 0
  q k v     clean 3
  k v       clean 0-2, corrupted 1, noisy 1-2
  attn_out  clean 3, corrupted 3, noisy 3
  mlp_out   clean 3, corrupted 3, noisy 3
  logits    clean 3, corrupted 3, noisy 3
"#,
    );
}

#[test]
fn a_source_above_its_reader_is_refused() {
    let request = request(|request, clean, corrupted| {
        let from = Some(at(Component::ResidPost, 1, 2));
        let source = Source { run: clean, locus: from, state: State::Left };
        let operation = Operation::Replace(Value::Source(source));
        let locus = at(Component::ResidPost, 0, 2);
        request.push(Run::variant("reader", corrupted, [Intervention { locus, operation }]));
    });
    let (requests, architecture) = ([&request], architecture(2));
    let error = Planner::new(&requests, &architecture).map(|_| ()).map_err(|e| e.to_string());
    let expected = "run #2 reads 'resid_post@1' for its 'resid_post@0', which lies below: this takes \
                    two passes, which only the reference executor can do yet (--executor reference)";
    assert_eq!(error, Err(expected.to_owned()));
}
