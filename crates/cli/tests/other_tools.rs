//! `docs/from-other-tools.md`: every command of its tables, run.
#![cfg(unix)]

mod common;

use common::Place;
use common::page::Page;
use tracewright::results::{Array, read_table, write_npz};

/// What stands in a table where there is no command, and where a command writes no table.
const NOT_HERE: &str = "not here";
const NO_TABLE: &str = "–";

/// The width of the built-in model.
const D_MODEL: usize = 192;

/// A line of a table.
struct Line {
    /// What is called in the other tool.
    theirs: String,
    /// The command; none where there is none here.
    ours: Option<String>,
    /// How many rows it writes; none where it writes no table.
    rows: Option<usize>,
}

#[test]
fn what_transformer_lens_does_is_done_here() {
    check("TransformerLens");
}

#[test]
fn what_nnsight_does_is_done_here() {
    check("nnsight");
}

#[test]
fn what_pyvene_does_is_done_here() {
    check("pyvene");
}

#[test]
fn what_mlxterp_does_is_done_here() {
    check("mlxterp");
}

#[test]
fn what_rome_does_is_done_here() {
    check("ROME");
}

#[test]
fn every_table_of_the_page_is_checked() {
    let page = page();
    let tables: Vec<&str> =
        page.headings().filter(|section| !lines(&page, section).is_empty()).collect();
    assert_eq!(tables, ["TransformerLens", "nnsight", "pyvene", "mlxterp", "ROME"]);
}

/// Runs the commands of a section's table, each in a folder of its own, and counts their rows.
fn check(section: &str) {
    let page = page();
    let mut wrong = Vec::new();
    for line in lines(&page, section) {
        let Some(command) = &line.ours else {
            assert_eq!(line.rows, None, "{}: rows of nothing", line.theirs);
            continue;
        };
        let place = with_files(&page);
        let rows = rows_of(&place, command, line.rows.is_some());
        if rows != line.rows {
            wrong.push(format!("{command}: {rows:?} rows, not {:?}", line.rows));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a command that ends well; how many rows it has written, if it writes a table.
fn rows_of(place: &Place, command: &str, writes: bool) -> Option<usize> {
    let script = if writes { format!("{command} --out out") } else { command.to_owned() };
    let output = place.bash(&script).output().expect("Bash");
    assert!(output.status.success(), "{command}\n{}", place.text(&output.stderr));
    let table = place.path("out/cells.parquet");
    writes.then(|| read_table(&table).expect("a table").0.len())
}

/// A folder with the files that the page's commands read.
fn with_files(page: &Page) -> Place {
    let place = page.place();
    let even = |at: usize| 2.0 * at as f32 / (D_MODEL - 1) as f32 - 1.0;
    let v: Vec<f32> = (0..D_MODEL).map(even).collect();
    let e: Vec<f32> = (0..D_MODEL).map(|at| if at == 7 { 1.0 } else { 0.0 }).collect();
    let arrays = [("v", Array::vector(v)), ("e", Array::vector(e))];
    write_npz(&place.path("steer.npz"), &arrays).expect("room for a file");
    place
}

fn page() -> Page {
    Page::read("from-other-tools.md")
}

/// The lines of a section's table, its head aside.
fn lines(page: &Page, section: &str) -> Vec<Line> {
    page.table(section).iter().map(|cells| line_of(cells)).collect()
}

fn line_of(cells: &[String]) -> Line {
    let [theirs, ours, rows, _] = cells else { panic!("not four cells: {cells:?}") };
    let command = ours.strip_prefix('`').and_then(|ours| ours.strip_suffix('`'));
    let command = command.filter(|ours| ours.starts_with("tracewright "));
    assert!(command.is_some() || ours == NOT_HERE, "neither a command nor '{NOT_HERE}': {theirs}");
    let rows = match rows.as_str() {
        NO_TABLE => None,
        rows => Some(rows.parse().expect(theirs)),
    };
    Line { theirs: theirs.clone(), ours: command.map(str::to_owned), rows }
}
