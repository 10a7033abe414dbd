//! The pages of `docs/`: what they say to type is run as it stands there, and what they say comes out does.
//!
//! - A page has a folder of its own, in which its "```sh" blocks that call the program are run one after the
//!   other, in Bash. `fixtures` there are this repository's, and blocks with a name ("```toml pairs.toml") are files.
//! - A "```text" block after a "```sh" block is what the latter prints, with its lines broken as one likes. A
//!   line `…` stands for anything; the last digit of a number may differ by one. Where the text begins
//!   with `error:`, the command is refused with these words.
//! - What isn't run, because it needs other weights or a card, stands in a "```sh ignore" block.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;

use common::Place;
use common::page::{Block, Page, docs};

/// One test for each page, so that they run side by side.
macro_rules! pages {
    ($($test:ident: $page:literal,)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(#[test]
        fn $test() {
            check($page);
        })*
    };
}

pages! {
    datasets: "datasets.md",
    interpretation: "interpretation.md",
    sweep_files: "sweep-files.md",
    the_page: "page.md",
    tutorial: "tutorial.md",
    component_comparison: "tasks/component-comparison.md",
    from_neurons_to_circuits: "tasks/from-neurons-to-circuits.md",
    ioi_heads: "tasks/ioi-heads.md",
    residual_heatmap_between_prompts: "tasks/residual-heatmap-between-prompts.md",
    similarity_on_a_large_model: "tasks/similarity-on-a-large-model.md",
}

#[test]
fn every_page_with_commands_is_in_the_table() {
    let mut found = pages_below("");
    found.retain(|page| !commands(&Page::read(page).blocks()).is_empty());
    found.sort_unstable();
    let mut pages = PAGES.to_vec();
    pages.sort_unstable();
    assert_eq!(found, pages);
}

/// The pages in a folder and in those inside it, as paths below `docs`.
fn pages_below(folder: &str) -> Vec<String> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(docs().join(folder)).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        let path = format!("{folder}{name}");
        if docs().join(&path).is_dir() {
            pages.extend(pages_below(&format!("{path}/")));
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
    pages
}

#[test]
fn what_agrees_may_leave_words_out_break_lines_and_round_otherwise() {
    assert!(agrees("a  0.50 (3)\n…\nz", "a 0.51 (3)\nb\nc\nz\n"));
    assert!(agrees("a\nb -0.00", "a b 0.01"));
    assert!(agrees("…", "anything"));
    for printed in ["a 0.52 (3)", "a 0.50 (4)", "a 0.50 (3", "a 0.50 (3) z", "a", ""] {
        assert!(!agrees("a 0.50 (3)", printed), "{printed}");
    }
    assert!(!agrees("a\n…\nz", "a b"));
    assert!(!agrees("layer 2.", "layer 3."));
}

/// The blocks that are run, each with what it is said to print.
fn commands(blocks: &[Block]) -> Vec<(&Block, Option<&str>)> {
    let ours = |block: &Block| {
        block.fence == "sh" && block.content.lines().any(|line| line.starts_with("tracewright "))
    };
    let run = blocks.iter().enumerate().filter(|(_, block)| ours(block));
    let next = |at: usize| blocks.get(at + 1).filter(|next| next.fence == "text");
    run.map(|(at, block)| (block, next(at).map(|next| next.content.as_str()))).collect()
}

/// Runs a page.
fn check(page: &str) {
    let found = Page::read(page);
    let place = found.place();
    for (block, told) in commands(&found.blocks()) {
        let at = format!("docs/{page}, line {}", block.line);
        let output = place.bash(&block.content).output().expect("Bash");
        let (out, err) = (place.text(&output.stdout), place.text(&output.stderr));
        let refused = told.is_some_and(|told| told.starts_with("error:"));
        let expected = if refused { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{at}\n{out}\n{err}");
        let printed = if refused { &err } else { &out };
        if let Some(told) = told {
            assert!(
                agrees(told, printed),
                "{at}: it says\n{told}\nand this was printed:\n{printed}"
            );
        }
        if !refused {
            outputs(&block.content).for_each(|out| has_results(&place, out, &at));
        }
    }
}

/// What commands say to write: the words after `--out`.
fn outputs(script: &str) -> impl Iterator<Item = &str> {
    let mut words = script.split_whitespace();
    std::iter::from_fn(move || {
        words.find(|word| *word == "--out")?;
        words.next()
    })
}

/// A file, or a folder with a table of cells.
fn has_results(place: &Place, out: &str, at: &str) {
    let path = place.path(out);
    let path = if path.is_dir() { path.join("cells.parquet") } else { path };
    assert!(Path::exists(&path), "{at}: no {}", path.display());
}

/// Whether what a page says is what was printed, however its lines are broken.
fn agrees(told: &str, printed: &str) -> bool {
    let told: Vec<Option<&str>> = told.lines().flat_map(words_of_line).collect();
    let printed: Vec<&str> = printed.split_whitespace().collect();
    all_agree(&told, &printed)
}

/// The words of a line; nothing stands for any number of words.
fn words_of_line(line: &str) -> Vec<Option<&str>> {
    match line.trim() {
        "…" => vec![None],
        line => line.split_whitespace().map(Some).collect(),
    }
}

fn all_agree(told: &[Option<&str>], printed: &[&str]) -> bool {
    match (told, printed) {
        ([None, told @ ..], _) => (0..=printed.len()).any(|n| all_agree(told, &printed[n..])),
        ([Some(word), told @ ..], [found, printed @ ..]) => {
            word_agrees(word, found) && all_agree(told, printed)
        }
        ([], []) => true,
        _ => false,
    }
}

/// Whether two words are the same but for numbers that differ by one in the last digit.
fn word_agrees(told: &str, printed: &str) -> bool {
    let (told, printed) = (pieces(told), pieces(printed));
    let alike =
        |(told, printed): (&String, &String)| told == printed || numbers_agree(told, printed);
    told.len() == printed.len() && told.iter().zip(&printed).all(alike)
}

/// A word's numbers, and what is between them.
fn pieces(word: &str) -> Vec<String> {
    let of_number = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let mut pieces: Vec<String> = Vec::new();
    let mut last = None;
    for c in word.chars() {
        match pieces.last_mut() {
            Some(piece) if last == Some(of_number(c)) => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
        last = Some(of_number(c));
    }
    pieces
}

fn numbers_agree(told: &str, printed: &str) -> bool {
    let decimals = told.split_once('.').map_or("", |(_, decimals)| decimals);
    if decimals.is_empty() {
        return false;
    }
    let unit = 0.1_f64.powi(i32::try_from(decimals.len()).expect("a few digits"));
    match (told.parse::<f64>(), printed.parse::<f64>()) {
        (Ok(told), Ok(printed)) => (told - printed).abs() < 1.5 * unit,
        _ => false,
    }
}
