//! ROME's averages.

use std::ops::Range;

use tracewright_results::{
    BestLayer, CaseRecord, KindGrid, RomeAverage, RomeSummary, Row, rome_averages, severed_averages,
};

use crate::{case, cell, close, statistics};

const LAYERS: usize = 2;

/// A subject of one token, one of two with its prompt's last token right after it, one that ends
/// its prompt, and one of four tokens.
fn cases() -> Vec<CaseRecord> {
    let grid = |kind: &str| KindGrid {
        kind: kind.into(),
        site: "resid_post".into(),
        metric: "prob".into(),
        layers: LAYERS,
    };
    let of = |(index, (tokens, subject)): (usize, (usize, Range<usize>))| CaseRecord {
        high_score: 0.75 + index as f64 / 16.0,
        low_score: index as f64 / 16.0,
        grids: vec![grid("hidden"), grid("severed_mlp")],
        ..case(&index.to_string(), tokens, subject)
    };
    [(5, 0..1), (4, 1..3), (3, 1..3), (8, 1..5)].into_iter().enumerate().map(of).collect()
}

/// A number that tells its place and is one of the f32s.
fn score(case: usize, token: usize, layer: usize) -> f64 {
    (case * 64 + token * 8 + (LAYERS - layer) * (token + 1)) as f64 / 1024.0
}

fn rows(cases: &[CaseRecord]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        for token in 0..case.tokens.len() {
            rows.extend(
                (0..LAYERS)
                    .map(|layer| cell(case, layer as u32, token, score(index, token, layer))),
            );
        }
        // Neither another metric nor a severed path is among the scores.
        let place = cell(case, 0, case.subject_range.clone().unwrap().end - 1, 9.0);
        rows.push(Row { metric: "kl".into(), ..place.clone() });
        rows.push(Row { kind: Some("severed_mlp".into()), ..place });
    }
    rows
}

fn at<'a>(averages: &'a [RomeAverage], role: &str, layer: usize) -> &'a RomeAverage {
    let found = averages.iter().find(|a| a.role == role && a.layer == layer as u32);
    found.unwrap_or_else(|| panic!("{role} at layer {layer}"))
}

#[test]
fn each_class_pools_the_tokens_that_the_notebook_pools() {
    let cases = cases();
    let found = rome_averages(&cases, &rows(&cases));
    // Case and token, as `read_knowlege` adds them.
    let pooled: [(&str, &[(usize, usize)]); 6] = [
        ("first_subject", &[(0, 0), (1, 1), (2, 1), (3, 1)]),
        ("middle_subject", &[(3, 2), (3, 3)]),
        ("last_subject", &[(0, 0), (1, 2), (2, 2), (3, 4)]),
        ("first_subsequent", &[(0, 1), (1, 3), (3, 5)]),
        ("further", &[(0, 2), (0, 3), (3, 6)]),
        ("last", &[(0, 4), (1, 3), (2, 2), (3, 7)]),
    ];
    let order: Vec<_> = found.iter().map(|a| (a.role.as_str(), a.layer)).collect();
    assert_eq!(order, pooled.map(|(role, _)| [(role, 0), (role, 1)]).concat());
    for (role, tokens) in pooled {
        for layer in 0..LAYERS {
            let average = at(&found, role, layer);
            let scores: Vec<f64> = tokens.iter().map(|&(c, t)| score(c, t, layer)).collect();
            let [mean, std, stderr] = statistics(&scores);
            close(average.value, mean);
            close(average.std.unwrap(), std);
            close(average.stderr.unwrap(), stderr);
            close(average.effect, mean - 1.5 / 16.0);
            assert_eq!(average.n as usize, tokens.len(), "{role}");
        }
    }
    let with = |role| at(&found, role, 0).cases;
    let roles = pooled.map(|(role, _)| with(role));
    assert_eq!(roles, [4, 1, 4, 3, 2, 4]);
}

#[test]
fn an_interval_draws_a_case_with_all_its_tokens() {
    let cases = cases();
    let found = rome_averages(&cases, &rows(&cases));
    // A quarter of the resamples has the first case's two tokens alone, a quarter the other's one.
    let further = at(&found, "further", 0);
    let low = (score(0, 2, 0) + score(0, 3, 0)) / 2.0;
    assert_eq!((further.low, further.high), (Some(low), Some(score(3, 6, 0))));
    let middle = at(&found, "middle_subject", 0);
    assert_eq!((middle.low, middle.high, middle.n), (None, None, 2), "of one case");
    let last = at(&found, "last", 1);
    assert!(last.low.unwrap() < last.value && last.value < last.high.unwrap());
}

#[test]
fn a_summary_has_what_the_notebook_prints() {
    let cases = cases();
    let found = rome_averages(&cases, &rows(&cases));
    let [summary] = &RomeSummary::of(&found)[..] else { panic!("one kind") };
    assert_eq!((summary.clean, summary.corrupted), (0.84375, 0.09375));
    assert_eq!((summary.kind.as_str(), summary.total_effect), ("hidden", 0.75));
    // Scores fall with the layer.
    let best = |role| Some(BestLayer { layer: 0, effect: at(&found, role, 0).effect });
    assert_eq!((summary.last_subject, summary.last), (best("last_subject"), best("last")));
}

#[test]
fn cases_that_failed_are_wrong_or_lack_a_cell_are_left_out() {
    let mut cases = cases();
    let all = rows(&cases);
    let n = |cases: &[CaseRecord], rows: &[Row]| -> Vec<u32> {
        let found = rome_averages(cases, rows);
        found.iter().filter(|a| a.role == "last").map(|a| a.n).collect()
    };
    assert_eq!(n(&cases, &all), [4, 4]);
    assert_eq!(n(&cases, &all[1..]), [3, 3]);
    cases[1].correct_prediction = false;
    assert_eq!(n(&cases, &all), [3, 3]);
    cases[2].failure = Some("its numbers overflowed".into());
    assert_eq!(n(&cases, &all), [2, 2]);
    assert_eq!(n(&cases, &all[1..]), [0; 0], "one case is no average");
}

#[test]
fn the_order_of_the_cells_does_not_show() {
    let cases = cases();
    let mut rows = rows(&cases);
    let found = rome_averages(&cases, &rows);
    rows.reverse();
    assert_eq!(rome_averages(&cases, &rows), found);
}

#[test]
fn severed_paths_have_the_effect_of_the_last_subject_token_alone() {
    let cases = cases();
    let mut rows = rows(&cases);
    rows.retain(|row| row.kind.as_deref() == Some("hidden"));
    for (index, case) in cases.iter().enumerate() {
        let last = case.subject_range.clone().unwrap().end - 1;
        for layer in 0..LAYERS {
            let cell = cell(case, layer as u32, last, score(index, last, layer));
            rows.push(Row { kind: Some("severed_mlp".into()), ..cell });
        }
    }
    let found = severed_averages(&cases, &rows);
    // With the same scores they have the average of the same token with nothing severed.
    let whole = rome_averages(&cases, &rows);
    let same = |layer| RomeAverage {
        kind: "severed_mlp".into(),
        ..at(&whole, "last_subject", layer).clone()
    };
    assert_eq!(found, [same(0), same(1)]);
    assert!(found[0].effect_low.unwrap() < found[0].effect);
}
