//! `docs/from-other-tools.md`: every command of its tables, run.

mod common;

use std::fs;
use std::path::Path;

use common::Place;
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
    /// The command without the program's name, as words; none where there is none here.
    ours: Option<Vec<String>>,
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
    let sections = page.lines().filter_map(|line| line.strip_prefix("## "));
    let tables: Vec<&str> = sections.filter(|section| !lines(&page, section).is_empty()).collect();
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
            wrong.push(format!("{}: {rows:?} rows, not {:?}", command.join(" "), line.rows));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a command that ends well; how many rows it has written, if it writes a table.
fn rows_of(place: &Place, command: &[String], writes: bool) -> Option<usize> {
    let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
    if writes {
        args.extend(["--out", "out"]);
    }
    // An answer that neither run says is warned of, and may be meant.
    place.warned(&args);
    let table = place.path("out/cells.parquet");
    writes.then(|| read_table(&table).expect("a table").0.len())
}

/// A folder with the files that the page's commands read.
fn with_files(page: &str) -> Place {
    let place = Place::new();
    for (name, content) in files(page) {
        place.write(name, content);
    }
    let even = |at: usize| 2.0 * at as f32 / (D_MODEL - 1) as f32 - 1.0;
    let v: Vec<f32> = (0..D_MODEL).map(even).collect();
    let e: Vec<f32> = (0..D_MODEL).map(|at| if at == 7 { 1.0 } else { 0.0 }).collect();
    let arrays = [("v", Array::vector(v)), ("e", Array::vector(e))];
    write_npz(&place.path("steer.npz"), &arrays).expect("room for a file");
    place
}

/// The blocks of the page that have a file's name, as in "```toml batch.toml".
fn files(page: &str) -> Vec<(&str, String)> {
    let mut files = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let content: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((_, name)) = fence.split_once(' ') {
            files.push((name, content.join("\n") + "\n"));
        }
    }
    files
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/from-other-tools.md");
    fs::read_to_string(path).expect("the page")
}

/// The lines of a section's table, its head aside.
fn lines(page: &str, section: &str) -> Vec<Line> {
    let heading = format!("## {section}");
    let below = page.lines().skip_while(|line| *line != heading).skip(1);
    let of_section = below.take_while(|line| !line.starts_with("## "));
    of_section.filter(|line| line.starts_with('|')).skip(2).map(line_of).collect()
}

fn line_of(line: &str) -> Line {
    let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    let cells: Vec<&str> = inner.unwrap_or(line).split('|').map(str::trim).collect();
    let [theirs, ours, rows, _] = cells[..] else { panic!("not four cells: {line}") };
    let command = ours.strip_prefix("`tracewright ").and_then(|ours| ours.strip_suffix('`'));
    assert!(command.is_some() || ours == NOT_HERE, "neither a command nor '{NOT_HERE}': {line}");
    let rows = match rows {
        NO_TABLE => None,
        rows => Some(rows.parse().expect(line)),
    };
    Line { theirs: theirs.to_owned(), ours: command.map(words), rows }
}

/// A command's words, as a shell with double quotes splits them.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('"').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}
