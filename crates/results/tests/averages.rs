//! Averages over cases, from rows made by hand.

use tracewright_ir::{Role, Tokens};
use tracewright_results::{Average, CaseRecord, Row, averages};

/// A case of so many tokens, the second and third of which are its subject.
fn case(name: &str, tokens: usize) -> CaseRecord {
    let texts = vec![String::new(); tokens];
    CaseRecord {
        name: name.into(),
        subject_range: Some(1..3),
        tokens: Tokens { ids: vec![0; tokens], texts, offsets: vec![0..0; tokens] },
        correct_prediction: true,
        ..CaseRecord::default()
    }
}

/// A cell at a position of such a case.
fn cell(case: &CaseRecord, position: usize, [value, clean, corrupted]: [f64; 3]) -> Row {
    let subject = case.subject_range.clone().unwrap();
    Row {
        case: case.name.clone(),
        kind: Some("hidden".into()),
        site: "resid_post".into(),
        layer: Some(0),
        position: Some(position as u32),
        role: Some(Role::of(position, &subject, case.tokens.len()).name().into()),
        metric: "prob".into(),
        value: Some(value),
        clean: Some(clean),
        corrupted: Some(corrupted),
        ..Row::default()
    }
}

fn only(averages: Vec<Average>) -> Average {
    assert_eq!(averages.len(), 1, "{averages:?}");
    averages.into_iter().next().unwrap()
}

/// Each group's place and number of cases.
fn places(averages: &[Average]) -> Vec<String> {
    let text = |Average { group, n, .. }: &Average| {
        let position = group.position.map(|position| position.to_string());
        let src_position = group.src_position.map(|position| format!("reads {position}"));
        let src_role = group.src_role.as_ref().map(|role| format!("reads {role}"));
        let parts = [position, group.role.clone(), src_position, src_role, Some(format!("× {n}"))];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    averages.iter().map(text).collect()
}

#[test]
fn the_numbers_are_what_is_computed_by_hand() {
    let cases = [case("a", 4), case("b", 4)];
    let rows = [cell(&cases[0], 1, [0.5, 0.75, 0.25]), cell(&cases[1], 1, [1.0, 1.0, 0.0])];
    let average = only(averages(&cases, &rows));
    assert_eq!((average.n, average.value), (2, 0.75));
    assert!((average.std.unwrap() - 0.125_f64.sqrt()).abs() < 1e-15);
    assert!((average.stderr.unwrap() - 0.25).abs() < 1e-15);
    assert_eq!((average.low, average.high), (Some(0.5), Some(1.0)));
    assert_eq!((average.clean, average.corrupted), (Some(0.875), Some(0.125)));
    // (0.75 − 0.125) / (0.875 − 0.125), not the mean of 0.5 and 1.
    assert_eq!(average.recovery, Some(0.625 / 0.75));
    assert_eq!((average.recovery_low, average.recovery_high), (Some(0.5), Some(1.0)));
    assert_eq!((average.mean_of_ratios, average.ratios), (Some(0.75), 2));
    assert_eq!(average.reason, None);
}

#[test]
fn a_distance_recovers_as_it_goes_to_zero() {
    let cases = [case("a", 4), case("b", 4)];
    let kl = |row: Row| Row { metric: "kl".into(), ..row };
    let rows = [kl(cell(&cases[0], 1, [1.0, 0.0, 4.0])), kl(cell(&cases[1], 1, [1.0, 0.0, 1.0]))];
    let average = only(averages(&cases, &rows));
    assert_eq!(average.recovery, Some(1.0 - 2.0 / 5.0));
    assert_eq!(average.mean_of_ratios, Some(0.375));
}

#[test]
fn runs_that_do_not_differ_have_a_reason_and_no_recovery() {
    let cases = [case("a", 4), case("b", 4)];
    let rows = [cell(&cases[0], 1, [0.5, 0.5, 0.5]), cell(&cases[1], 1, [0.7, 0.3, 0.3])];
    let average = only(averages(&cases, &rows));
    let none = (None, None, None, None);
    let Average { recovery, recovery_low, recovery_high, mean_of_ratios, .. } = average;
    assert_eq!((recovery, recovery_low, recovery_high, mean_of_ratios), none);
    assert_eq!(average.ratios, 0);
    let reason = average.reason.unwrap();
    assert_eq!(reason, "the clean and corrupted runs don't differ on average");
    assert!((average.value - 0.6).abs() < 1e-15, "the mean is there all the same");
}

#[test]
fn prompts_of_one_length_are_averaged_by_position() {
    let mut cases = [case("a", 4), case("b", 4)];
    cases[1].subject_range = Some(1..2);
    let cells = |case| (1..4).map(move |p| cell(case, p, [0.5, 1.0, 0.0]));
    let rows: Vec<_> = cases.iter().flat_map(cells).collect();
    // A role is told where it is that of all cases.
    assert_eq!(places(&averages(&cases, &rows)), ["1 × 2", "2 × 2", "3 last × 2"]);
}

#[test]
fn prompts_of_several_lengths_are_averaged_by_role_and_each_counts_once() {
    let cases = [case("a", 5), case("b", 8), case("c", 6)];
    let cells = |case: &CaseRecord| -> Vec<Row> {
        (3..case.tokens.len()).map(|p| cell(case, p, [p as f64, 10.0, 0.0])).collect()
    };
    let rows: Vec<_> = cases.iter().flat_map(cells).collect();
    let found = averages(&cases, &rows);
    assert_eq!(places(&found), ["first_subsequent × 3", "last × 3", "further × 2"]);
    // 4, 5 and 6 of the one case, 4 of the other.
    assert_eq!((found[2].value, found[2].recovery), (4.5, Some(0.45)));
    assert_eq!((found[1].value, found[1].clean), ((4.0 + 7.0 + 5.0) / 3.0, Some(10.0)));
}

#[test]
fn keys_of_patterns_are_averaged_by_role_too() {
    let pattern = |case: &CaseRecord, position, src| Row {
        src_position: Some(src),
        ..cell(case, position, [0.5, 1.0, 0.0])
    };
    let rows = |cases: &[CaseRecord]| -> Vec<Row> {
        let rows = |case: &CaseRecord| [0, 2].map(|src| pattern(case, 3, src));
        cases.iter().flat_map(rows).collect()
    };
    let cases = [case("a", 5), case("b", 6)];
    let expected =
        ["first_subsequent reads before_subject × 2", "first_subsequent reads last_subject × 2"];
    assert_eq!(places(&averages(&cases, &rows(&cases))), expected);
    let cases = [case("a", 5), case("b", 5)];
    let expected = [
        "3 first_subsequent reads 0 reads before_subject × 2",
        "3 first_subsequent reads 2 reads last_subject × 2",
    ];
    assert_eq!(places(&averages(&cases, &rows(&cases))), expected);
}

#[test]
fn severed_paths_are_averaged_over_subjects_wherever_they_end() {
    let mut cases = [case("a", 5), case("b", 5)];
    cases[1].subject_range = Some(0..1);
    let severed = |case: &CaseRecord| Row {
        kind: Some("severed_mlp".into()),
        ..cell(case, case.subject_range.as_ref().unwrap().end - 1, [0.5, 1.0, 0.0])
    };
    let rows: Vec<_> = cases.iter().map(severed).collect();
    assert_eq!(places(&averages(&cases, &rows)), ["last_subject × 2"]);
}

#[test]
fn every_axis_and_metric_has_its_own_averages() {
    let cases = [case("a", 4), case("b", 4)];
    let others: [fn(&mut Row); 10] = [
        |row| row.kind = None,
        |row| row.site = "z".into(),
        |row| row.layer = None,
        |row| row.position = Some(2),
        |row| row.head = Some(1),
        |row| row.kv_head = Some(1),
        |row| row.neuron = Some(1),
        |row| row.sender = Some("z@1.0".into()),
        |row| row.receiver = Some("logits".into()),
        |row| row.metric = "kl".into(),
    ];
    let mut rows = Vec::new();
    for case in &cases {
        rows.push(cell(case, 1, [0.5, 1.0, 0.0]));
        rows.extend(others.iter().map(|other| {
            let mut row = cell(case, 1, [0.5, 1.0, 0.0]);
            other(&mut row);
            row
        }));
    }
    let found = averages(&cases, &rows);
    assert_eq!(found.len(), 1 + others.len());
    assert!(found.iter().all(|average| average.n == 2));
}

#[test]
fn cells_without_a_value_and_cases_that_failed_are_left_out() {
    let mut cases = [case("a", 4), case("b", 4), case("failed", 9), case("wrong", 9)];
    cases[2].failure = Some("its numbers overflowed".into());
    cases[3].correct_prediction = false;
    let mut rows: Vec<_> = cases.iter().map(|case| cell(case, 1, [0.5, 1.0, 0.0])).collect();
    assert_eq!(places(&averages(&cases, &rows)), ["1 first_subject × 2"]);
    rows[0].value = None;
    assert_eq!(places(&averages(&cases, &rows)), ["1 first_subject × 1"]);
    rows[1].value = None;
    assert_eq!(averages(&cases, &rows), []);
}

#[test]
fn a_missing_baseline_leaves_no_recovery_and_says_why() {
    let cases = [case("a", 4), case("b", 4)];
    let mut rows = cases.each_ref().map(|case| cell(case, 1, [0.5, 1.0, 0.0]));
    rows[0].clean = None;
    let average = only(averages(&cases, &rows));
    assert_eq!((average.clean, average.corrupted, average.recovery), (None, Some(0.0), None));
    let reason = average.reason.unwrap();
    assert_eq!(reason, "a value of these runs is missing or isn't a finite number");
}

#[test]
fn one_case_has_no_averages() {
    let cases = [case("a", 4)];
    assert_eq!(averages(&cases, &[cell(&cases[0], 1, [0.5, 1.0, 0.0])]), []);
}

#[test]
fn averages_depend_neither_on_the_moment_nor_on_the_order_of_cases_in_a_pass() {
    let cases: Vec<_> = ["a", "b", "c"].map(|name| case(name, 4)).into();
    let values = [[0.3, 0.9, 0.1], [0.2, 0.7, 0.05], [0.6, 0.8, 0.3]];
    let mut rows: Vec<_> =
        cases.iter().zip(values).map(|(case, values)| cell(case, 1, values)).collect();
    let found = averages(&cases, &rows);
    assert!(found[0].recovery_low < found[0].recovery);
    assert!(found[0].recovery < found[0].recovery_high);
    assert_eq!(averages(&cases, &rows), found);
    rows.reverse();
    assert_eq!(averages(&cases, &rows), found);
}
