//! Loci: shapes, extents and what is wrong with a selection.

mod common;

use common::{Tape, architectures, gpt2, llama, message};
use insta::assert_snapshot;
use proptest::prelude::*;
use tracewright_ir::{Axis, Component as C, Locus, Selection, Site};

fn at(component: C) -> Locus {
    Locus::at(Site::in_layer(component, 3))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn shape_count_and_extent_agree(
        architecture in architectures(), decisions in Tape::any(), len in 1_usize..8,
    ) {
        let locus = Tape::new(decisions).locus(&architecture, len);
        prop_assert!(locus.check(&architecture, len).is_ok());
        let axes = locus.site.component.axes();
        let lens: Vec<usize> = axes.iter().map(|axis| architecture.axis_len(*axis, len)).collect();
        let shape = locus.shape(&architecture, len);
        prop_assert_eq!(shape.len(), lens.len());
        prop_assert!(shape.iter().zip(&lens).all(|(part, whole)| (1..=*whole).contains(part)));

        let is_row = |axis: &Axis| match locus.site.component.has_sources() {
            true => *axis != Axis::SrcPosition,
            false => *axis == Axis::Position,
        };
        let size = |of_rows| -> usize {
            axes.iter().zip(&lens).filter(|(axis, _)| is_row(axis) == of_rows).map(|(_, len)| len).product()
        };
        let (rows, columns) = (size(true), size(false));
        let extent = locus.extent(&architecture, len);
        let selected = extent.columns.indices(columns);
        prop_assert_eq!(extent.rows.len() * selected.len(), locus.count(&architecture, len));
        prop_assert!(extent.rows.iter().all(|row| *row < rows));
        prop_assert!(selected.iter().all(|column| *column < columns));
        prop_assert!(extent.rows.is_sorted_by(|a, b| a < b) && selected.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_selection_and_its_complement_are_everything_once(
        chosen in prop::collection::btree_set(0_usize..20, 0..20),
    ) {
        let selection = Selection::only(chosen.clone());
        let rest = selection.complement(20);
        let mut all = [selection.indices(20), rest.indices(20)].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..20).collect::<Vec<_>>());
        prop_assert_eq!(rest.complement(20), selection);
    }

    #[test]
    fn only_sorts_and_drops_repetitions(indices in prop::collection::vec(0_usize..9, 1..30)) {
        let Selection::Only(sorted) = Selection::only(indices.clone()) else { panic!("not All") };
        prop_assert!(sorted.is_sorted_by(|a, b| a < b));
        prop_assert!(indices.iter().all(|index| sorted.contains(index)));
    }

    #[test]
    fn a_locus_survives_json(architecture in architectures(), decisions in Tape::any()) {
        let locus = Tape::new(decisions).locus(&architecture, 5);
        let text = serde_json::to_string(&locus).expect("plain data");
        prop_assert_eq!(serde_json::from_str::<Locus>(&text).expect("what was written"), locus);
    }
}

#[test]
fn the_complement_of_everything_is_nothing_and_nothing_is_refused() {
    assert_eq!(Selection::All.complement(3), Selection::Only(vec![]));
    let locus = Locus { positions: Selection::All.complement(3), ..at(C::Z) };
    assert_snapshot!(message(locus.check(&gpt2(), 3)), @"nothing is selected on axis 'position' of 'z@3': name at least one index");
}

#[test]
fn heads_are_blocks_of_columns_and_rows_of_scores() {
    let z = at(C::Z).heads([1, 3]).positions([0, 2]).extent(&gpt2(), 4);
    assert_eq!((z.rows, z.columns), (vec![0, 2], Selection::only([3, 4, 5, 9, 10, 11])));
    let scores =
        at(C::Scores).heads([1, 3]).positions([0, 2]).src_positions([1]).extent(&gpt2(), 4);
    assert_eq!((scores.rows, scores.columns), (vec![4, 6, 12, 14], Selection::only([1])));
    let result = at(C::Result).heads([1]).extent(&gpt2(), 1);
    assert_eq!(result.columns, Selection::only(12..24));
}

#[test]
fn an_axis_listed_whole_is_the_same_extent_as_all_of_it() {
    for (all, listed, columns) in [
        (at(C::K), at(C::K).heads(0..2).positions(0..4), 6),
        (at(C::Q), at(C::Q).heads(0..4).positions(0..4), 12),
        (at(C::MlpPost), at(C::MlpPost).neurons(0..20), 20),
        (at(C::Scores), at(C::Scores).heads(0..4).src_positions(0..4), 4),
    ] {
        let [all, listed] = [all, listed].map(|locus| locus.extent(&llama(), 4));
        assert_eq!(all.rows, listed.rows);
        assert_eq!(all.columns.indices(columns), listed.columns.indices(columns));
    }
}

#[test]
fn messages_name_the_axis_and_the_site() {
    let wrong = |locus: Locus| message(locus.check(&llama(), 5));
    assert_snapshot!(wrong(at(C::MlpOut).positions([2, 5])), @"position 5 of 'mlp_out@3' doesn't exist: the axis has 5 (0 to 4)");
    assert_snapshot!(wrong(at(C::Z).heads([4])), @"head 4 of 'z@3' doesn't exist: the axis has 4 (0 to 3)");
    assert_snapshot!(wrong(at(C::K).heads([2])), @"kv_head 2 of 'k@3' doesn't exist: the axis has 2 (0 to 1)");
    assert_snapshot!(wrong(at(C::Pattern).src_positions([9])), @"src_position 9 of 'pattern@3' doesn't exist: the axis has 5 (0 to 4)");
    assert_snapshot!(wrong(at(C::MlpPost).neurons([20])), @"neuron 20 of 'mlp_post@3' doesn't exist: the axis has 20 (0 to 19)");
    assert_snapshot!(wrong(at(C::Z).heads([])), @"nothing is selected on axis 'head' of 'z@3': name at least one index");
    assert_snapshot!(wrong(Locus { heads: Selection::Only(vec![2, 1]), ..at(C::Z) }), @"the indices on axis 'head' of 'z@3' must rise and stand once each");
    assert_snapshot!(wrong(Locus { positions: Selection::Only(vec![1, 1]), ..at(C::Z) }), @"the indices on axis 'position' of 'z@3' must rise and stand once each");
    assert_snapshot!(wrong(at(C::ResidPost).heads([0])), @"'resid_post@3' has no axis 'head' to select on");
    assert_snapshot!(wrong(at(C::Z).src_positions([0])), @"'z@3' has no axis 'src_position' to select on");
    assert_snapshot!(wrong(at(C::MlpOut).neurons([0])), @"'mlp_out@3' has no axis 'neuron' to select on");
    assert_snapshot!(wrong(Locus::at(Site::in_layer(C::Z, 12))), @"'z@12' doesn't exist: the model has layers 0 to 11");
    assert_snapshot!(wrong(Locus::at(Site::outside(C::Z))), @"'z' stands in every layer: say which one, as in 'z@0'");
}

#[test]
fn a_locus_is_printed_with_what_narrows_it() {
    assert_snapshot!(at(C::MlpOut), @"mlp_out@3");
    assert_snapshot!(at(C::Z).heads([6, 2]).positions([14]), @"z@3[position 14, head 2,6]");
    assert_snapshot!(at(C::Pattern).heads([0]).positions([4]).src_positions([1, 2]), @"pattern@3[position 4, head 0, src_position 1,2]");
    assert_snapshot!(at(C::MlpPost).neurons([17]), @"mlp_post@3[neuron 17]");
    assert_snapshot!(Locus::at(Site::outside(C::Logits)).positions([4]), @"logits[position 4]");
}

#[test]
fn a_misspelt_field_is_no_silent_selection_of_everything() {
    let text = r#"{"site": {"layer": 3, "component": "z"}, "head": {"Only": [1]}}"#;
    let error = serde_json::from_str::<Locus>(text).expect_err("'head' is no field").to_string();
    assert_snapshot!(error, @"unknown field `head`, expected one of `site`, `positions`, `heads`, `src_positions`, `neurons` at line 1 column 47");
}
