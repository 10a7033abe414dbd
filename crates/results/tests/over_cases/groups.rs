//! Means of groups by any columns.

use std::collections::BTreeMap;
use std::fs::File;

use parquet::file::reader::{FileReader, SerializedFileReader};
use tracewright_results::{
    CaseRecord, GroupMean, Grouped, Key, Results, ResultsError, Row, averages, grid_columns,
    group_by,
};

use crate::{case, cell, close, results, statistics};

fn of_dataset(case: CaseRecord, columns: &[(&str, &str)]) -> CaseRecord {
    let columns: BTreeMap<_, _> =
        columns.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
    CaseRecord { columns, ..case }
}

/// Three cases of two relations, with cells at two layers and two positions.
fn by_relation() -> Results {
    let cases = [("a", "P36"), ("b", "P36"), ("c", "P19")]
        .map(|(name, relation)| of_dataset(case(name, 4, 1..3), &[("relation_id", relation)]));
    let values = [[0.1, 0.2, 0.4, 0.7], [0.3, 0.9, 0.5, 0.6], [0.8, 0.15, 0.25, 0.35]];
    let mut rows = Vec::new();
    for (case, values) in cases.iter().zip(values) {
        let places = [(0, 1), (0, 2), (1, 1), (1, 2)];
        rows.extend(places.iter().zip(values).map(|(&(l, p), value)| cell(case, l, p, value)));
    }
    results(cases, rows)
}

fn shown(groups: &Grouped<GroupMean>) -> Vec<String> {
    let key = |key: &Option<Key>| key.as_ref().map_or("-".to_owned(), Key::to_string);
    let group = groups.groups.iter();
    group.map(|group| group.keys.iter().map(key).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_case_counts_once_with_the_mean_of_its_cells() {
    let groups = group_by(&by_relation(), &["relation_id", "layer"]).unwrap();
    assert_eq!(groups.columns, ["relation_id", "layer", "metric"]);
    assert_eq!(shown(&groups), ["P36 0 prob", "P36 1 prob", "P19 0 prob", "P19 1 prob"]);
    let first = &groups.groups[0].numbers;
    let [mean, std, stderr] = statistics(&[0.15, 0.6]);
    close(first.value, mean);
    close(first.std.unwrap(), std);
    close(first.stderr.unwrap(), stderr);
    // Of two cases the interval reaches from one to the other.
    close(first.low.unwrap(), 0.15);
    close(first.high.unwrap(), 0.6);
    assert_eq!((first.n, first.cells), (2, 4));
    let third = &groups.groups[2].numbers;
    close(third.value, 0.475);
    assert_eq!((third.n, third.std, third.low), (1, None, None));
}

#[test]
fn recovery_and_effect_are_those_of_the_means() {
    let mut results = by_relation();
    for (row, corrupted) in results.rows.iter_mut().zip([0.0, 0.5].into_iter().cycle()) {
        row.corrupted = Some(corrupted);
        // Noising: from the clean run to the corrupted one.
        (row.base, row.source) = (row.clean, row.corrupted);
    }
    let groups = group_by(&results, &["layer"]).unwrap();
    let first = &groups.groups[0].numbers;
    let (value, corrupted) = ((0.15 + 0.6 + 0.475) / 3.0, 0.25);
    close(first.corrupted.unwrap(), corrupted);
    close(first.recovery.unwrap(), (value - corrupted) / (1.0 - corrupted));
    close(first.effect.unwrap(), 1.0 - first.recovery.unwrap());
    close(first.effect_low.unwrap(), 1.0 - first.recovery_high.unwrap());
}

#[test]
fn what_noise_samples_leave_is_told_apart_from_what_prompts_leave() {
    let cases = [case("a", 4, 1..3), case("b", 4, 1..3)];
    let noisy = |case, layer, value, stderr| Row {
        stderr: Some(stderr),
        n: 10,
        ..cell(case, layer, 1, value)
    };
    let mut rows = vec![
        noisy(&cases[0], 0, 0.2, 0.3),
        noisy(&cases[1], 0, 0.6, 0.5),
        noisy(&cases[1], 1, 0.6, 0.3),
    ];
    let found = averages(&cases, &rows);
    // √(0.09 + 0.25) / 2
    close(found[0].noise_stderr.unwrap(), 0.34_f64.sqrt() / 2.0);
    close(found[0].stderr.unwrap(), 0.2);
    close(found[1].noise_stderr.unwrap(), 0.3);
    // The cells of a case share their noise: (0.5 + 0.3) / 2 for the second.
    let pooled = group_by(&results(cases.clone(), rows.clone()), &["kind"]).unwrap();
    close(pooled.groups[0].numbers.noise_stderr.unwrap(), 0.25);
    rows[0].stderr = None;
    assert_eq!(averages(&cases, &rows)[0].noise_stderr, None);
}

#[test]
fn metrics_and_experiments_are_never_pooled_unasked() {
    let cases = [case("a", 4, 1..3)];
    let row = cell(&cases[0], 0, 1, 0.5);
    let groups = |other: Row| group_by(&results(cases.clone(), [row.clone(), other]), &["layer"]);
    let mlp = Row { kind: Some("mlp".into()), site: "mlp_out".into(), ..row.clone() };
    // The kind tells the sites apart.
    assert_eq!(groups(mlp).unwrap().columns, ["layer", "metric", "kind"]);
    type Change = fn(&mut Row);
    let others: [(&str, Change); 4] = [
        ("corruption", |row| row.corruption = Some("zero".into())),
        ("site", |row| row.site = "z".into()),
        ("receiver", |row| row.receiver = Some("logits".into())),
        ("metric_position", |row| row.metric_position = Some(2)),
    ];
    for (column, change) in others {
        let mut other = row.clone();
        change(&mut other);
        assert_eq!(groups(other).unwrap().columns, ["layer", "metric", column]);
    }
    let metric = groups(Row { metric: "kl".into(), ..row.clone() }).unwrap();
    assert_eq!(shown(&metric), ["0 prob", "0 kl"]);
    let head = groups(Row { head: Some(3), ..row.clone() }).unwrap();
    assert_eq!((head.columns.len(), head.groups.len()), (2, 1), "heads are an axis");
}

#[test]
fn an_unknown_column_is_an_error_that_names_the_nearest() {
    let error = group_by(&by_relation(), &["layers"]).unwrap_err();
    insta::assert_snapshot!(error, @"there is no column 'layers' to group by; the nearest are layer, case, role; known: case, corruption, kind, site, layer, position, src_position, token, role, head, kv_head, neuron, sender, receiver, metric, metric_position, src_role, relation_id");
}

#[test]
fn a_dataset_column_named_like_ours_has_another_name() {
    let named = of_dataset(case("a", 4, 1..3), &[("layer", "x"), ("value", "y")]);
    let rows = [cell(&named, 3, 1, 0.5)];
    let groups = group_by(&results([named], rows), &["layer", "case_layer", "case_value"]).unwrap();
    assert_eq!(shown(&groups), ["3 x y prob"]);
}

#[test]
fn groups_by_the_grid_are_the_averages() {
    let aligned = [case("a", 5, 1..3), case("b", 5, 1..3)];
    let lengths = [case("a", 6, 1..3), case("b", 8, 2..5), case("c", 7, 0..2)];
    for cases in [aligned.to_vec(), lengths.to_vec()] {
        let mut rows = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            for position in 0..case.tokens.len() {
                for src_position in 0..=position {
                    let value = ((index + 2) * (position + 3) * (src_position + 5) % 17) as f64;
                    let mut row = cell(case, 0, position, value / 17.0);
                    row.src_position = Some(src_position as u32);
                    rows.push(row);
                }
            }
        }
        let results = results(cases, rows);
        let groups = group_by(&results, &grid_columns(&results)).unwrap();
        let expected = averages(&results.cases, &results.rows);
        assert_eq!(groups.groups.len(), expected.len());
        for (found, expected) in groups.groups.iter().zip(&expected) {
            let found = &found.numbers;
            assert_eq!(
                (found.value, found.std, found.low, found.high, found.recovery, found.n),
                (
                    expected.value,
                    expected.std,
                    expected.low,
                    expected.high,
                    expected.recovery,
                    expected.n
                )
            );
        }
    }
}

#[test]
fn a_file_of_groups_has_their_columns_first() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name| {
        let path = folder.path().join(name);
        let groups = group_by(&by_relation(), &["layer", "relation_id", "head"]).unwrap();
        groups.write(&path).unwrap();
        std::fs::read(path).unwrap()
    };
    assert_eq!(write("a.parquet"), write("b.parquet"));
    let file = SerializedFileReader::new(File::open(folder.path().join("a.parquet")).unwrap());
    let rows: Vec<_> = file.unwrap().get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    let text = rows[1].to_string();
    assert!(
        text.starts_with(
            r#"{layer: 1, relation_id: "P36", head: null, metric: "prob", value: 0.55"#
        ),
        "{text}"
    );
}

#[test]
fn the_order_of_the_cells_shows_in_the_order_of_the_groups_alone() {
    let mut results = by_relation();
    let found = group_by(&results, &["layer"]).unwrap();
    results.rows.reverse();
    let mut reversed = group_by(&results, &["layer"]).unwrap();
    reversed.groups.reverse();
    assert_eq!(found.columns, reversed.columns);
    for (found, reversed) in found.groups.iter().zip(&reversed.groups) {
        assert_eq!(found.keys, reversed.keys);
        close(found.numbers.value, reversed.numbers.value);
        close(found.numbers.low.unwrap(), reversed.numbers.low.unwrap());
    }
}

#[test]
fn cases_that_do_not_count_are_in_no_group() {
    let mut results = by_relation();
    results.cases[0].failure = Some("its numbers overflowed".into());
    results.cases[1].correct_prediction = false;
    let groups = group_by(&results, &["relation_id"]).unwrap();
    assert_eq!(shown(&groups), ["P19 prob"]);
    assert!(matches!(group_by(&results, &["x"]), Err(ResultsError::NoColumn { .. })));
}
