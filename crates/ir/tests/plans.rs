//! Plans of small sweeps, printed: each rule of the lockstep pass has its example.

mod common;

use common::plans::{architecture, at, request};
use std::sync::Arc;

use tracewright_ir::plan::{PlanError, Planner};
use tracewright_ir::{
    Array, Component, Intervention, Locus, Operation, Origin, Reading, Request, Run, RunId, Site,
    Source, State, Value,
};

/// The printed passes of requests under a budget.
fn print(n_layers: usize, requests: &[&Request], budget: u64) -> Vec<String> {
    let architecture = architecture(n_layers);
    let planner = Planner::new(requests, &architecture).expect("the requests fit");
    let chunks = planner.passes(budget).expect("there is room");
    chunks.iter().map(|chunk| planner.print(&planner.pass(chunk))).collect()
}

/// Compares a request's printed plan, which is one pass; the expected text begins on a line of its own.
fn check(n_layers: usize, request: &Request, expected: &str) {
    compare(&print(n_layers, &[request], 1 << 30), expected);
}

fn compare(passes: &[String], expected: &str) {
    let printed = passes.join("then\n");
    assert_eq!(
        printed.trim_end(),
        expected.trim_end().trim_start_matches('\n'),
        "it is now:\n{printed}"
    );
}

/// A constant in place of whatever a locus has.
fn constant(locus: Locus, number: f64) -> Intervention {
    Intervention { locus, operation: Operation::Replace(Value::Constant(number)) }
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
  of tokens 5
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
  of tokens 5
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
  of tokens 5
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
  of tokens 5
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
  of tokens 5
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
  of tokens 5
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
  of tokens 5
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
  of tokens 5
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
  of tokens 5
"#,
    );
}

#[test]
fn attention_and_norms_are_taken_in_steps_where_their_insides_are_changed() {
    let request = request(|request, clean, corrupted| {
        let scores = at(Component::Scores, 0, 3).heads([1]).src_positions([1]);
        request.push(Run::variant("scores", corrupted, [Intervention::copy(scores, clean)]));
        let pattern = at(Component::Pattern, 0, 3);
        let pattern = request.push(Run::variant("pattern", corrupted, [constant(pattern, 0.25)]));
        let again = at(Component::Pattern, 0, 3).heads([0]);
        let array = Arc::new(Array { data: vec![0.5, 0.25, 0.25, 0.0], shape: vec![1, 1, 4] });
        let operation = Operation::Add(Value::Array(array));
        let again = Intervention { locus: again, operation };
        request.push(Run::variant("again", pattern, [again]));
        let head = at(Component::Result, 0, 3).heads([0]);
        request.push(Run::variant("result", corrupted, [Intervention::copy(head, clean)]));
        let divisor = at(Component::Ln2Scale, 0, 3);
        request.push(Run::variant("divisor", corrupted, [Intervention::copy(divisor, clean)]));
        let reading = Locus::at(Site::in_layer(Component::Ln1Scale, 0)).positions([1]);
        request.readings.push(Reading { run: corrupted, locus: reading, state: State::Left });
    });
    check(
        1,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 3
  k v       clean 0-2, corrupted 1
  held ln1_scale corrupted 1
  attn_out  clean 3, corrupted 3, scores 3, pattern 3, again 3, result 3
  scores scores 3 = scores@0[position 3, head 1, src_position 1] ← #0 clean 3
  pattern pattern 3 = pattern@0[position 3] ← 0.25
  pattern again 3 = pattern@0[position 3, head 0] += array [1, 1, 4] (0.5 0.25 …)
  result result 3 = result@0[position 3, head 0] ← #0 clean 3
  mlp_out   clean 3, corrupted 3, scores 3, pattern 3, again 3, result 3, divisor 3
  ln2_scale divisor 3 = ln2_scale@0[position 3] ← #0 clean 3
  resid_post divisor 3 = corrupted 3 + divisor 3
  logits    clean 3, corrupted 3, scores 3, pattern 3, again 3, result 3, divisor 3
  of tokens 5
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
  held resid_post clean 2
  attn_out  clean 3, corrupted 3
  mlp_out   clean 3, corrupted 3
  resid_post reader 3 = resid_post@1[position 3] ← #0.resid_post@0[position 2] clean 2
  logits    clean 3, corrupted 3, reader 3
  of tokens 5
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
  embed     clean 0-3, corrupted 1
  embed noisy 1 = embed[position 1,2] += 0.5
  embed noisy 2 = embed[position 1,2] += 0.5
layer 0
  q k v     clean 3
  k v       clean 0-2, corrupted 1, noisy 1-2
  attn_out  clean 3, corrupted 3, noisy 3
  mlp_out   clean 3, corrupted 3, noisy 3
  logits    clean 3, corrupted 3, noisy 3
  of tokens 5
"#,
    );
}

#[test]
fn a_constant_ends_the_dirt_below_it() {
    let request = request(|request, _, corrupted| {
        let restore = Intervention::copy(at(Component::ResidPost, 0, 2), RunId(0));
        let ablate = constant(at(Component::ResidPost, 1, 2), 0.0);
        let ablated = request.push(Run::variant("ablated", corrupted, [ablate]));
        // Position 2 is zero in both from there on, so that only position 3 differs.
        request.push(Run::variant("restored below", ablated, [restore]));
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
  attn_out  clean 0-3, corrupted 1-3, restored below 3
  mlp_out   clean 0-3, corrupted 1-3, restored below 3
  resid_post ablated 2 = resid_post@1[position 2] ← 0
layer 2
  q k v     clean 3, corrupted 3, restored below 3
  k v       clean 0-2, corrupted 1-2, ablated 2
  attn_out  clean 3, corrupted 3, ablated 3, restored below 3
  mlp_out   clean 3, corrupted 3, ablated 3, restored below 3
  logits    clean 3, corrupted 3, ablated 3, restored below 3
  of tokens 5
"#,
    );
}

#[test]
fn a_row_that_base_and_variant_replace_alike_is_one_and_its_sums_are_two() {
    let request = request(|request, clean, corrupted| {
        let ablate = constant(Locus::at(Site::in_layer(Component::MlpOut, 1)), 0.0);
        let ablated = request.push(Run::variant("ablated", corrupted, [ablate]));
        let restore = Intervention::copy(at(Component::ResidPost, 0, 3), clean);
        request.push(Run::variant("restored", ablated, [restore]));
        let mean = [clean, corrupted].map(Source::of).to_vec();
        let locus = at(Component::AttnOut, 1, 3);
        let mean = Intervention { locus, operation: Operation::Replace(Value::Mean(mean)) };
        let averaged = request.push(Run::variant("averaged", corrupted, [mean]));
        let restore = Intervention::copy(at(Component::ResidPost, 0, 3), clean);
        request.push(Run::variant("restored average", averaged, [restore]));
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
  attn_out  clean 3, corrupted 3, restored 3
  attn_out averaged 3 = attn_out@1[position 3] ← mean of 2 runs clean 3 corrupted 3
  resid_mid averaged 3 = corrupted 3 + averaged 3
  resid_mid restored average 3 = clean 3 + averaged 3
  mlp_out   clean 3, corrupted 3, averaged 3, restored average 3
  mlp_out ablated 3 = mlp_out@1 ← 0
  resid_post ablated 3 = corrupted 3 + ablated 3
  resid_post restored 3 = restored 3 + ablated 3
  logits    clean 3, corrupted 3, averaged 3, restored average 3, ablated 3, restored 3
  of tokens 5
"#,
    );
}

#[test]
fn a_constant_at_another_set_of_positions_is_the_same_row_where_they_meet() {
    let request = request(|request, clean, _| {
        let all = Locus::at(Site::in_layer(Component::MlpOut, 0));
        request.push(Run::variant("all", clean, [constant(all, 0.0)]));
        request.push(Run::variant("last", clean, [constant(at(Component::MlpOut, 0, 3), 0.0)]));
    });
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
  mlp_out all 3 = mlp_out@0 ← 0
  resid_post all 3 = clean 3 + all 3
  logits    clean 3, corrupted 3, all 3
  of tokens 5
"#,
    );
}

#[test]
fn rows_whose_key_alone_is_replaced_compute_their_query_and_value() {
    let request = request(|request, clean, corrupted| {
        let operation = Operation::Scale(2.0);
        let scale = Intervention { locus: at(Component::ResidPost, 0, 3), operation };
        let key = Intervention::copy(at(Component::K, 1, 3), clean);
        request.push(Run::variant("scaled", corrupted, [scale, key]));
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
  resid_post scaled 3 = resid_post@0[position 3] ×= 2
layer 1
  q k v     clean 3, corrupted 3
  q v       scaled 3
  k v       clean 0-2, corrupted 1-2
  attn_out  clean 3, corrupted 3, scaled 3
  mlp_out   clean 3, corrupted 3, scaled 3
  logits    clean 3, corrupted 3, scaled 3
  of tokens 5
"#,
    );
}

#[test]
fn interventions_before_the_layers_and_above_them_are_printed() {
    let request = request(|request, clean, _| {
        let outside = |component| Locus::at(Site::outside(component)).positions([3]);
        let add = |locus| Intervention { locus, operation: Operation::Add(Value::Constant(0.5)) };
        request.push(Run::variant("embed", clean, [add(outside(Component::Embed))]));
        request.push(Run::variant("pos_embed", clean, [add(outside(Component::PosEmbed))]));
        request.push(Run::variant("resid_pre", clean, [add(at(Component::ResidPre, 0, 3))]));
        request.push(Run::variant("ln_final", clean, [add(outside(Component::FinalNorm))]));
        request.push(Run::variant("logits", clean, [add(outside(Component::Logits))]));
    });
    check(
        1,
        &request,
        r#"
  embed     clean 0-3, corrupted 1
  embed embed 3 = embed[position 3] += 0.5
  pos_embed pos_embed 3 = pos_embed[position 3] += 0.5
  resid_pre pos_embed 3 = clean 3 + pos_embed 3
  resid_pre resid_pre 3 = resid_pre@0[position 3] += 0.5
layer 0
  q k v     clean 3, embed 3, pos_embed 3, resid_pre 3
  k v       clean 0-2, corrupted 1
  attn_out  clean 3, corrupted 3, embed 3, pos_embed 3, resid_pre 3
  mlp_out   clean 3, corrupted 3, embed 3, pos_embed 3, resid_pre 3
  logits    clean 3, corrupted 3, embed 3, pos_embed 3, resid_pre 3, ln_final 3
  ln_final ln_final 3 = ln_final[position 3] += 0.5
  logits logits 3 = logits[position 3] += 0.5
"#,
    );
}

#[test]
fn two_noises_are_told_apart() {
    let noisy = |first: f64| {
        request(|request, clean, _| {
            let locus = Locus::at(Site::outside(Component::Embed)).positions([1, 2]);
            let data = (0..16).map(|index| first + f64::from(index)).collect();
            let array = Value::Array(Arc::new(Array { shape: vec![2, 8], data }));
            let noise = Intervention { locus, operation: Operation::Add(array) };
            request.push(Run::variant("noisy", clean, [noise]));
        })
    };
    let [one, other] = [0.25, 0.5].map(|first| print(1, &[&noisy(first)], 1 << 30).concat());
    assert_ne!(one, other);
    let lines = "  embed noisy 1 = embed[position 1,2] += array [2, 8] (0.25 1.25 …)\n  \
                 embed noisy 2 = embed[position 1,2] += array [2, 8] (8.25 9.25 …)\n";
    assert!(one.contains(lines), "{one}");
}

#[test]
fn readings_are_held_and_what_only_they_need_ends_there() {
    let request = request(|request, clean, corrupted| {
        let mut read = |run, locus| {
            request.readings.push(Reading { run, locus, state: State::Left });
        };
        read(corrupted, at(Component::MlpPost, 0, 1).neurons([3]));
        read(corrupted, at(Component::Z, 1, 2));
        read(clean, Locus::at(Site::in_layer(Component::Ln1, 1)).positions([0, 1]));
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
  q k v     clean 3, corrupted 2-3
  k v       clean 0-2, corrupted 1
  held ln1  clean 0-1
  held mlp_post corrupted 1
  z         corrupted 2
  attn_out  clean 3, corrupted 3
  mlp_out   clean 3, corrupted 3
  logits    clean 3, corrupted 3
  of tokens 5
  held z    corrupted 2
"#,
    );
}

#[test]
fn cases_of_different_lengths_share_a_pass_and_their_common_prefix() {
    let mut short = request(|request, clean, _| {
        let ablate = constant(at(Component::MlpOut, 0, 2), 0.0);
        request.push(Run::variant("ablated", clean, [ablate]));
    });
    let mut long = short.clone();
    short.runs.remove(1);
    long.runs.remove(1);
    for request in [&mut short, &mut long] {
        request.runs[1].origin = Origin::Base(RunId(0));
        request.measured = vec![RunId(0), RunId(1)];
    }
    long.runs[0] = Run::of_tokens("longer", &[1, 2, 3, 4, 5, 6]);
    long.runs[1].name = "longer, ablated".to_owned();
    // The same ablation of both: the rows that they have in common stay so.
    compare(
        &print(2, &[&short, &long], 1 << 30),
        r#"
  embed     clean 0-3, longer 4-5
layer 0
  q k v     clean 0-3, longer 4-5
  attn_out  clean 0-3, longer 4-5
  mlp_out   clean 0-3, longer 4-5
  mlp_out ablated 2 = mlp_out@0[position 2] ← 0
  resid_post ablated 2 = clean 2 + ablated 2
layer 1
  q k v     clean 3, longer 5
  k v       clean 0-2, longer 4, ablated 2
  attn_out  clean 3, longer 5, ablated 3, longer, ablated 5
  mlp_out   clean 3, longer 5, ablated 3, longer, ablated 5
  logits    clean 3, longer 5, ablated 3, longer, ablated 5
  of tokens 5
"#,
    );
}

#[test]
fn a_budget_ends_a_pass_and_the_next_one_begins_with_what_its_runs_share() {
    let request = request(|request, clean, corrupted| {
        for position in 1..3 {
            let copy = Intervention::copy(at(Component::ResidPost, 0, position), clean);
            request.push(Run::variant(format!("patched {position}"), corrupted, [copy]));
        }
    });
    let architecture = architecture(2);
    let requests = [&request];
    let planner = Planner::new(&requests, &architecture).expect("the request fits");
    let Err(PlanError::TooSmall { smallest, .. }) = planner.passes(1) else { panic!("too small") };
    compare(
        &print(2, &requests, 2 * smallest),
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
  of tokens 5
then
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3
  k v       corrupted 1
  attn_out  clean 0-1, corrupted 2-3
  mlp_out   clean 0-1, corrupted 2-3
layer 1
  q k v     corrupted 3
  k v       clean 0-1, corrupted 2
  attn_out  patched 1 3
  mlp_out   patched 1 3
  logits    patched 1 3
  of tokens 5
then
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0 2-3, corrupted 1
  k v       clean 1
  attn_out  clean 0 2, corrupted 1 3
  mlp_out   clean 0 2, corrupted 1 3
layer 1
  q k v     corrupted 3
  k v       clean 0 2, corrupted 1
  attn_out  patched 2 3
  mlp_out   patched 2 3
  logits    patched 2 3
  of tokens 5
"#,
    );
}

#[test]
fn a_source_above_its_reader_is_carried_from_an_earlier_pass() {
    let request = request(|request, clean, corrupted| {
        let from = Some(at(Component::ResidPost, 1, 2));
        let source = Source { run: clean, locus: from, state: State::Left };
        let operation = Operation::Replace(Value::Source(source));
        let locus = at(Component::ResidPost, 0, 2);
        request.push(Run::variant("reader", corrupted, [Intervention { locus, operation }]));
    });
    compare(
        &print(2, &[&request], 1 << 30),
        r#"
  embed     clean 0-3, corrupted 1
layer 0
  q k v     clean 0-3, corrupted 1
  attn_out  clean 0-3, corrupted 1-3
  mlp_out   clean 0-3, corrupted 1-3
layer 1
  q k v     clean 2-3, corrupted 3
  k v       clean 0-1, corrupted 1-2
  attn_out  clean 2-3, corrupted 3
  mlp_out   clean 2-3, corrupted 3
  logits    clean 3, corrupted 3
  of tokens 5
  held resid_post clean 2
carry 0 = resid_post@1 clean 2
then
  embed     corrupted 0-3
layer 0
  q k v     corrupted 0-1 3
  k v       corrupted 2
  attn_out  corrupted 0-1 3
  mlp_out   corrupted 0-1 3
  resid_post reader 2 = resid_post@0[position 2] ← #0.resid_post@1[position 2] carried 0
layer 1
  q k v     corrupted 3
  k v       corrupted 0-1, reader 2
  attn_out  reader 3
  mlp_out   reader 3
  logits    reader 3
  of tokens 5
"#,
    );
}
