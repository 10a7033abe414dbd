//! The prompts of the source documents, on the built-in model: runs the commands of `docs/prompts.md`
//! and holds its tables to what comes out.
//!
//! Cells are parted by ` | `. A row of the first table has six: document, prompts, tokens (`10 / 9`, of
//! several cases parted by commas), command, outcome, stand-in. A command is in backticks. An outcome is
//! `ran`, `aligned` or `degenerate` in backticks, a colon, and [`found`] of each case, parted by `and`; a
//! remark in brackets may follow. A stand-in is a command, a colon, its tokens and [`found`] of its
//! case, or a dash. A row of the second table has four: figure, command, file, remark.
#![cfg(unix)]

mod common;

use common::Place;
use common::page::Page;
use serde_json::Value;

/// How far a number of the document may be from what is found, both being rounded to a hundredth.
const APART: f64 = 0.015;

/// A row of the table of prompts.
struct Row {
    document: String,
    tokens: String,
    command: String,
    outcome: String,
    told: String,
    /// Its command, and what is told of it.
    stand_in: Option<(String, String)>,
}

impl Row {
    fn new(cells: &[String]) -> Self {
        let [document, _, tokens, command, outcome, stand_in] = cells else {
            panic!("these aren't six cells: {cells:?}")
        };
        let (outcome, told) = code(outcome);
        Self {
            document: document.clone(),
            tokens: tokens.clone(),
            command: code(command).0,
            outcome,
            told,
            stand_in: (stand_in != "–").then(|| code(stand_in)),
        }
    }

    /// The cases of its command, which are as the row tells.
    fn cases(&self) -> Vec<Value> {
        let cases = run(&Place::new(), &self.command);
        assert_eq!(self.tokens, joined(&cases, tokens, ", "), "{}", self.command);
        let found = joined(&cases, found, " and ");
        assert!(tells(&self.told, &found), "{}\n{}\n{found}", self.command, self.told);
        cases
    }
}

fn rows() -> Vec<Row> {
    table("Prompts").iter().map(|cells| Row::new(cells)).collect()
}

fn rows_that(outcome: &str) -> Vec<Row> {
    rows().into_iter().filter(|row| row.outcome == outcome).collect()
}

fn table(heading: &str) -> Vec<Vec<String>> {
    Page::read("prompts.md").table(heading)
}

/// What stands in a cell's backticks, and what follows them after a colon.
fn code(cell: &str) -> (String, String) {
    let parts = cell.strip_prefix('`').and_then(|cell| cell.split_once('`'));
    let (code, after) = parts.unwrap_or_else(|| panic!("no backticks around {cell}"));
    (code.to_owned(), after.trim_start_matches(": ").to_owned())
}

/// The cases that a command of the document prints.
fn run(place: &Place, command: &str) -> Vec<Value> {
    let script = format!("tracewright {command} --out out --quiet --json");
    let output = place.bash(&script).output().expect("Bash");
    assert!(output.status.success(), "{command}\n{}", place.text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    list(&document["cases"]).to_vec()
}

/// One text about all cases.
fn joined(cases: &[Value], about: impl Fn(&Value) -> String, between: &str) -> String {
    cases.iter().map(about).collect::<Vec<_>>().join(between)
}

/// How many tokens a case's prompts have: `10 / 9`, or of a trace `12`.
fn tokens(case: &Value) -> String {
    let count = |prompt: &Value| list(&prompt["tokens"]["ids"]).len();
    match &case["pair"] {
        Value::Null => count(case).to_string(),
        pair => format!("{} / {}", count(&pair["clean"]), count(&pair["corrupted"])),
    }
}

/// What a case's runs say, the first metric of both, and each site's strongest cell; of a trace the
/// answer and its two probabilities.
fn found(case: &Value) -> String {
    let pair = &case["pair"];
    if pair.is_null() {
        let (high, low) = (number(&case["high_score"]), number(&case["low_score"]));
        return format!("“{}”; p {high:.2} / {low:.2}", text(&case["answer"]));
    }
    let says = |run: &str| text(&pair[run]["prediction"]["text"]);
    let baseline = &pair["baselines"][0];
    let metric = text(&baseline["metric"]);
    let (clean, corrupted) = (number(&baseline["clean"]), number(&baseline["corrupted"]));
    let cells = joined(list(&pair["grids"]), |grid| strongest(pair, grid), ", ");
    format!(
        "“{}” / “{}”; {metric} {clean:.2} / {corrupted:.2}; {cells}",
        says("clean"),
        says("corrupted")
    )
}

/// The cell whose patch moves its run most, in hundredths, but for the last token's; the first of equal ones.
fn strongest(pair: &Value, grid: &Value) -> String {
    let last = list(&pair["clean"]["tokens"]["ids"]).len() - 1;
    let noising = pair["direction"] == "noise";
    let mut best: Option<(f64, (usize, usize))> = None;
    for (row, recoveries) in list(&grid["recovery"]).iter().enumerate() {
        if on(&grid["rows"], row) == Some(("position", last)) {
            continue;
        }
        for (column, recovery) in list(recoveries).iter().enumerate() {
            // Aligned prompts have positions without a counterpart.
            let Some(recovery) = recovery.as_f64() else { continue };
            let moved = if noising { 1.0 - recovery } else { recovery };
            let moved = (100.0 * moved).round() / 100.0;
            if best.is_none_or(|(most, _)| moved > most) {
                best = Some((moved, (row, column)));
            }
        }
    }
    let (moved, at) = best.expect("a cell");
    let site = text(&grid["site"]);
    match place(pair, grid, at) {
        place if place.is_empty() => format!("{site} {moved:.2}"),
        place => format!("{site} {moved:.2} at {place}"),
    }
}

/// Where a cell is: `“France” (3), layer 0`.
fn place(pair: &Value, grid: &Value, (row, column): (usize, usize)) -> String {
    let axes = [on(&grid["rows"], row), on(&grid["columns"], column)];
    let words = axes.into_iter().flatten().map(|(axis, index)| match axis {
        "position" => format!("“{}” ({index})", text(&pair["clean"]["tokens"]["texts"][index])),
        _ => format!("{axis} {index}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// An axis, and the index that is the `nth` on it.
fn on(axis: &Value, nth: usize) -> Option<(&str, usize)> {
    let index = axis["indices"][nth].as_u64()?;
    Some((axis["axis"].as_str()?, usize::try_from(index).expect("an index")))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text").trim()
}

/// Whether a cell begins with what was found.
fn tells(told: &str, found: &str) -> bool {
    let mut told = told.split_whitespace();
    found.split_whitespace().all(|found| told.next().is_some_and(|told| is_alike(told, found)))
}

/// Whether two words are the same or hardly different numbers.
fn is_alike(told: &str, found: &str) -> bool {
    let number = |word: &str| word.trim_end_matches([',', ';']).parse::<f64>().ok();
    match (number(told), number(found)) {
        (Some(told), Some(found)) => (told - found).abs() < APART,
        _ => told == found,
    }
}

/// Whether the clean run says the answer that is measured.
fn knows_the_answer(pair: &Value) -> bool {
    pair["answer"]["id"] == pair["clean"]["prediction"]["id"]
}

#[test]
fn every_document_has_prompts_there_and_every_row_an_outcome() {
    let rows = rows();
    for document in ["(000)", "(001)", "(002)", "(003)", "(004)", "known_1000.json"] {
        assert!(rows.iter().any(|row| row.document.contains(document)), "{document}");
    }
    for row in &rows {
        let outcomes = ["ran", "aligned", "degenerate"];
        assert!(outcomes.contains(&row.outcome.as_str()), "{}: {}", row.command, row.outcome);
        assert!(row.outcome != "degenerate" || row.stand_in.is_some(), "{}", row.command);
    }
}

#[test]
fn prompts_that_ran_have_as_many_tokens_and_different_answers() {
    for row in rows_that("ran") {
        for case in row.cases() {
            let pair = &case["pair"];
            if pair.is_null() {
                assert_eq!(case["correct_prediction"], true, "{}", row.command);
                continue;
            }
            assert_eq!(pair["align"], Value::Null, "{}", row.command);
            assert_eq!(case["same_prediction"], false, "{}", row.command);
            assert!(knows_the_answer(pair), "{}", row.command);
        }
    }
}

#[test]
fn prompts_that_are_aligned_differ_in_length_and_have_different_answers() {
    for row in rows_that("aligned") {
        for case in row.cases() {
            assert!(!case["pair"]["align"].is_null(), "{}", row.command);
            assert_eq!(case["same_prediction"], false, "{}", row.command);
            assert!(knows_the_answer(&case["pair"]), "{}", row.command);
        }
    }
}

#[test]
fn degenerate_prompts_have_one_answer_or_not_the_right_one() {
    for row in rows_that("degenerate") {
        for case in row.cases() {
            let same = case["same_prediction"] == true;
            assert!(same || !knows_the_answer(&case["pair"]), "{}", row.command);
        }
    }
}

#[test]
fn stand_ins_have_as_many_tokens_and_two_answers_that_the_model_knows() {
    for (command, told) in rows().into_iter().filter_map(|row| row.stand_in) {
        let case = run(&Place::new(), &command).swap_remove(0);
        let pair = &case["pair"];
        assert_eq!(pair["align"], Value::Null, "{command}");
        assert_eq!(case["same_prediction"], false, "{command}");
        assert_eq!(pair["answer"]["given"], true, "{command}");
        assert!(knows_the_answer(pair), "{command}");
        assert_eq!(pair["distractor"]["id"], pair["corrupted"]["prediction"]["id"], "{command}");
        let found = format!("{} tokens; {}", tokens(&case), found(&case));
        assert!(tells(&told, &found), "{command}\n{told}\n{found}");
    }
}

#[test]
fn the_documents_figures_are_drawn() {
    for cells in table("Figures") {
        let [_, command, file, _] = cells.as_slice() else {
            panic!("these aren't four cells: {cells:?}")
        };
        let place = Place::new();
        run(&place, &code(command).0);
        let file = code(file).0;
        assert!(place.path("out").join(&file).exists(), "{command}: {file}");
    }
}
