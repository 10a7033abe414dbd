//! Two runs compared.

use tracewright_results::{CaseRecord, PairedDifference, Results, Row, compare, grid_columns};

use crate::{case, cell, close, results, statistics};

const LAYER: [&str; 1] = ["layer"];

fn cases() -> [CaseRecord; 3] {
    ["a", "b", "c"].map(|name| case(name, 4, 1..3))
}

/// Runs of three cases with two cells at layer 0 and one at layer 1.
fn run(values: [[f64; 3]; 3]) -> Results {
    let cases = cases();
    let cells = |(case, values): (&CaseRecord, [f64; 3])| {
        let [first, second, third] = values;
        [cell(case, 0, 1, first), cell(case, 0, 2, second), cell(case, 1, 1, third)]
    };
    let rows: Vec<Row> = cases.iter().zip(values).flat_map(cells).collect();
    results(cases, rows)
}

fn first() -> Results {
    run([[0.1, 0.3, 0.5], [0.2, 0.6, 0.4], [0.9, 0.5, 0.7]])
}

fn second() -> Results {
    run([[0.2, 0.5, 0.6], [0.1, 0.8, 0.5], [0.8, 0.7, 0.8]])
}

fn message(a: &Results, b: &Results) -> String {
    compare(a, b, &LAYER).unwrap_err().to_string()
}

#[test]
fn the_difference_is_over_cases_in_pairs() {
    let found = compare(&first(), &second(), &LAYER).unwrap();
    assert_eq!(found.columns, ["layer", "metric"]);
    let numbers = &found.groups[0].numbers;
    // The cases' means are 0.2, 0.4, 0.7 in the one and 0.35, 0.45, 0.75 in the other.
    let [mean, std, stderr] = statistics(&[0.15, 0.05, 0.05]);
    close(numbers.difference.unwrap(), mean);
    close(numbers.std.unwrap(), std);
    close(numbers.stderr.unwrap(), stderr);
    close(numbers.a.unwrap(), 1.3 / 3.0);
    close(numbers.b.unwrap(), 1.55 / 3.0);
    // One of 27 resamples has the first case alone, eight have it not at all.
    close(numbers.low.unwrap(), 0.05);
    close(numbers.high.unwrap(), 0.15);
    assert_eq!((numbers.n, numbers.cells, numbers.only_a, numbers.only_b), (3, 6, 0, 0));
    // All cases differ by as much, so however they are drawn the difference is the same.
    let numbers = &found.groups[1].numbers;
    close(numbers.low.unwrap(), 0.1);
    close(numbers.high.unwrap(), 0.1);
}

#[test]
fn cells_are_paired_by_what_they_are_and_not_by_their_order() {
    let mut other = second();
    other.rows.reverse();
    other.cases.reverse();
    assert_eq!(
        compare(&first(), &other, &LAYER).unwrap(),
        compare(&first(), &second(), &LAYER).unwrap()
    );
}

#[test]
fn cells_without_a_partner_are_counted_and_not_compared() {
    let (mut a, mut b) = (first(), second());
    a.rows.remove(0);
    b.rows.retain(|row| row.layer == Some(0));
    b.rows[5].value = None;
    b.rows[4].token = Some(" other".into());
    let found = compare(&a, &b, &LAYER).unwrap();
    let [first, second] = &found.groups[..] else { panic!("two layers") };
    let counts = |found: &PairedDifference| (found.n, found.cells, found.only_a, found.only_b);
    // The pairs that are left: the second cell of the first case, both of the second one.
    assert_eq!(counts(&first.numbers), (2, 3, 2, 2));
    close(first.numbers.difference.unwrap(), (0.2 + 0.05) / 2.0);
    assert_eq!(counts(&second.numbers), (0, 0, 3, 0));
    assert_eq!(second.numbers.difference, None);
}

#[test]
fn the_groups_of_the_grid_are_its_cells() {
    let a = first();
    let found = compare(&a, &second(), &grid_columns(&a)).unwrap();
    assert_eq!(found.columns, ["kind", "site", "layer", "position", "metric"]);
    let counts: Vec<_> = found.groups.iter().map(|group| group.numbers.n).collect();
    assert_eq!(counts, [3, 3, 3]);
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let found = compare(&first(), &first(), &LAYER).unwrap();
    for group in &found.groups {
        let PairedDifference { difference, std, low, high, .. } = group.numbers;
        assert_eq!([difference, std, low, high], [Some(0.0); 4]);
    }
}

#[test]
fn runs_with_nothing_in_common_are_told_what_differs() {
    let change = |change: fn(&mut Row)| {
        let mut other = second();
        other.rows.iter_mut().for_each(change);
        message(&first(), &other)
    };
    insta::assert_snapshot!(change(|row| row.metric = "kl".into()), @"the two runs have no cell in common, so there is nothing to compare: metric is 'prob' in the first and 'kl' in the second; give two runs of the same cases on the same grid");
    insta::assert_snapshot!(change(|row| (row.kind, row.site) = (None, "z".into())), @"the two runs have no cell in common, so there is nothing to compare: kind is 'hidden' in the first and nothing in the second; site is 'resid_post' in the first and 'z' in the second; give two runs of the same cases on the same grid");
    let mut other = second();
    other.cases.iter_mut().for_each(|case| case.prompt.push('!'));
    insta::assert_snapshot!(message(&first(), &other), @"the two runs have no cell in common, so there is nothing to compare: prompt is 'prompt a', 'prompt b', 'prompt c' in the first and 'prompt a!', 'prompt b!', 'prompt c!' in the second; give two runs of the same cases on the same grid");
    other.cases.iter_mut().for_each(|case| case.correct_prediction = false);
    insta::assert_snapshot!(message(&first(), &other), @"the two runs have no cell in common, so there is nothing to compare: the second has no cells of cases that count; give two runs of the same cases on the same grid");
    let mut other = second();
    let layers = [Some(1), Some(1), Some(0)].into_iter().cycle();
    other.rows.iter_mut().zip(layers).for_each(|(row, layer)| row.layer = layer);
    let mut one = first();
    one.rows.retain(|row| row.position == Some(2) || row.layer == Some(1));
    other.rows.retain(|row| row.position == Some(2) || row.layer == Some(0));
    insta::assert_snapshot!(message(&one, &other), @"the two runs have no cell in common, so there is nothing to compare: each column has something in common, but no cell agrees in all; give two runs of the same cases on the same grid");
}

#[test]
fn a_column_that_is_not_known_is_an_error() {
    let error = compare(&first(), &second(), &["rolle"]).unwrap_err();
    assert!(error.to_string().contains("no column 'rolle' to group by; the nearest are role,"));
}

#[test]
fn a_comparison_is_written_whole_and_alike_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name| {
        let path = folder.path().join(name);
        compare(&first(), &second(), &LAYER).unwrap().write(&path).unwrap();
        std::fs::read(path).unwrap()
    };
    assert_eq!(write("a.parquet"), write("b.parquet"));
}
