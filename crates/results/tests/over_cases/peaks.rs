//! Each case's peak, and how peaks spread.

use tracewright_results::{CaseRecord, Peak, Row, peak_spreads, peaks};

use crate::{case, cell};

fn only(peaks: Vec<Peak>) -> (Option<u32>, Option<u32>) {
    assert_eq!(peaks.len(), 1, "{peaks:?}");
    (peaks[0].cell.layer, peaks[0].cell.position)
}

fn mlp(row: Row) -> Row {
    Row { kind: Some("mlp".into()), site: "mlp_out".into(), ..row }
}

#[test]
fn the_peak_is_the_cell_with_the_largest_effect() {
    let case = case("a", 4, 1..3);
    let values = [0.2, 0.7, 0.4, f64::NAN];
    let cells = values.into_iter().zip(0..).map(|(value, layer)| cell(&case, layer, 2, value));
    let rows: Vec<_> = cells.collect();
    let found = peaks(&[case], &rows);
    assert_eq!(found[0].cell, rows[1]);
    assert_eq!(only(found), (Some(1), Some(2)));
}

#[test]
fn noising_the_peak_is_where_most_is_broken() {
    let case = case("a", 4, 1..3);
    let noised = |layer, value| Row {
        base: Some(1.0),
        source: Some(0.0),
        effect: Some(1.0 - value),
        ..cell(&case, layer, 2, value)
    };
    let rows = [noised(0, 1.0), noised(1, 0.2), noised(2, 0.6)];
    assert_eq!(only(peaks(std::slice::from_ref(&case), &rows)).0, Some(1));
}

#[test]
fn without_a_source_the_peak_is_farthest_from_the_base_either_way() {
    let case = case("a", 4, 1..3);
    let ablated = |layer, value| Row {
        source: None,
        effect: None,
        recovery: None,
        base: Some(0.5),
        ..cell(&case, layer, 2, value)
    };
    let rows = [ablated(0, 0.6), ablated(1, 0.1), ablated(2, 0.8)];
    assert_eq!(only(peaks(std::slice::from_ref(&case), &rows)).0, Some(1));
    let rows = rows.map(|row| Row { base: None, ..row });
    assert_eq!(only(peaks(std::slice::from_ref(&case), &rows)).0, Some(2));
}

#[test]
fn of_equal_cells_the_first_is_the_peak() {
    let case = case("a", 4, 1..3);
    let rows = [0, 1, 2].map(|layer| cell(&case, layer, 2, 0.5));
    assert_eq!(only(peaks(&[case], &rows)).0, Some(0));
}

#[test]
fn a_patch_that_moved_nothing_is_no_peak() {
    let case = case("a", 4, 1..3);
    let nothing = cell(&case, 0, 0, 0.0);
    let ablated = Row { effect: None, base: Some(0.0), ..nothing.clone() };
    assert_eq!(peaks(std::slice::from_ref(&case), &[nothing, ablated]), []);
    let backwards = cell(&case, 0, 0, -0.25);
    assert_eq!(peaks(&[case], &[backwards]).len(), 1);
}

#[test]
fn each_component_and_metric_has_its_peak_and_they_are_ranked() {
    let case = case("a", 4, 1..3);
    let kl = |row: Row| Row { metric: "kl".into(), ..row };
    let rows = [
        cell(&case, 0, 1, 0.3),
        mlp(cell(&case, 1, 1, 0.8)),
        kl(cell(&case, 2, 1, 0.1)),
        kl(mlp(cell(&case, 3, 1, 0.05))),
    ];
    let found = peaks(&[case], &rows);
    let shown: Vec<_> = found
        .iter()
        .map(|peak| {
            (peak.cell.metric.as_str(), peak.cell.site.as_str(), peak.cell.layer, peak.rank)
        })
        .collect();
    let expected = [
        ("kl", "resid_post", Some(2), 0),
        ("kl", "mlp_out", Some(3), 1),
        ("prob", "resid_post", Some(0), 1),
        ("prob", "mlp_out", Some(1), 0),
    ];
    assert_eq!(shown, expected);
    assert!(found.iter().all(|peak| peak.rank_in_component == 0));
}

#[test]
fn each_role_has_its_peak_too() {
    let case = case("a", 6, 1..3);
    let rows = [
        cell(&case, 0, 2, 0.3),
        cell(&case, 3, 2, 0.4),
        cell(&case, 5, 5, 1.0),
        mlp(cell(&case, 1, 2, 0.6)),
    ];
    let found = peaks(&[case], &rows);
    let shown: Vec<_> = found
        .iter()
        .map(|peak| {
            let cell = &peak.cell;
            let role = cell.role.as_deref().unwrap();
            (cell.site.as_str(), role, cell.layer, peak.rank, peak.rank_in_component)
        })
        .collect();
    let expected = [
        ("resid_post", "last", Some(5), 0, 0),
        ("resid_post", "last_subject", Some(3), 2, 1),
        ("mlp_out", "last_subject", Some(1), 1, 0),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn peaks_spread_over_layers_and_roles() {
    let cases = ["a", "b", "c", "d"].map(|name| case(name, 4, 1..3));
    let mut rows = Vec::new();
    for (case, (layer, position)) in cases.iter().zip([(1, 2), (1, 2), (4, 3), (2, 2)]) {
        rows.push(cell(case, 0, 1, 0.1));
        rows.push(cell(case, layer, position, 0.6));
    }
    rows.push(mlp(cell(&cases[0], 5, 1, 0.9)));
    let spreads = peak_spreads(&peaks(&cases, &rows));
    let shown: Vec<_> = spreads
        .iter()
        .map(|spread| (spread.site.as_str(), spread.role.as_deref(), spread.n, spread.strongest))
        .collect();
    let expected = [
        ("resid_post", None, 4, 3),
        ("resid_post", Some("first_subject"), 4, 0),
        ("resid_post", Some("last_subject"), 3, 2),
        ("resid_post", Some("last"), 1, 1),
        ("mlp_out", None, 1, 1),
        ("mlp_out", Some("first_subject"), 1, 1),
    ];
    assert_eq!(shown, expected);
    let hidden = &spreads[0];
    assert_eq!((hidden.layer_mean, hidden.layer_median), (Some(2.0), Some(1.5)));
    assert_eq!(hidden.layer_std, Some(2.0_f64.sqrt()));
    assert_eq!(hidden.layers, [(1, 2), (2, 1), (4, 1)].into());
    assert_eq!(hidden.roles, [("last".to_owned(), 1), ("last_subject".to_owned(), 3)].into());
    let last_subject = &spreads[2];
    assert_eq!(last_subject.layers, [(1, 2), (2, 1)].into());
    let mlp = &spreads[4];
    assert_eq!((mlp.layer_mean, mlp.layer_std, mlp.layer_median), (Some(5.0), None, Some(5.0)));
}

#[test]
fn cases_that_do_not_count_have_no_peak() {
    let wrong = CaseRecord { correct_prediction: false, ..case("a", 4, 1..3) };
    let rows = [cell(&wrong, 0, 1, 0.5)];
    assert_eq!(peaks(&[wrong], &rows), []);
}
