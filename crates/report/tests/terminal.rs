//! The heatmap for the terminal: alignment, safety and the three depths of colour.

mod common;

use common::{knowledge_0, map};
use proptest::prelude::*;
use tracewright_report::{ColorDepth, draw_terminal};
use unicode_width::UnicodeWidthStr;

const DEPTHS: [ColorDepth; 3] = [ColorDepth::True, ColorDepth::Ansi256, ColorDepth::None];

/// Takes out this crate's own sequences: `ESC [`, digits and semicolons, `m`.
fn without_colors(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some(at) = rest.find("\x1b[") {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let end = after.find(|c: char| !(c.is_ascii_digit() || c == ';')).unwrap_or(after.len());
        assert!(after[end..].starts_with('m'), "an escape sequence of someone else");
        rest = &after[end + 1..];
    }
    plain + rest
}

#[track_caller]
fn check(tokens: &[String], layers: usize, columns: usize) {
    let values: Vec<f64> =
        (0..tokens.len() * layers).map(|i| (i * 37 % 101) as f64 / 101.0).collect();
    let map = map(tokens, &values);
    for depth in DEPTHS {
        let text = draw_terminal(&map, columns, depth).expect("a heatmap");
        let plain = without_colors(&text);
        let widths: Vec<usize> = plain.lines().map(UnicodeWidthStr::width).collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{widths:?}\n{plain}");
        assert!(widths[0] <= columns.max(24), "{} of {columns}\n{plain}", widths[0]);
        assert!(!plain.chars().any(|c| c.is_control() && c != '\n'), "{plain:?}");
        if depth == ColorDepth::None {
            assert!(!text.contains('\x1b'), "{text:?}");
        }
    }
}

#[test]
fn a_real_case_looks_like_its_figure() {
    let map = &knowledge_0()[0];
    let text = draw_terminal(map, 80, ColorDepth::None).expect("a heatmap");
    insta::assert_snapshot!(text.replace(' ', "_"), @"
    Impact_of_restoring_state_after_corrupted_input
    ________V*_____________________________________
    _______in*________________░░░░░░░░░░░░_________
    ______son*_▒▒▒░░░░░░░░░░░░░░░░░░░░░░░░_________
    ________M*_____________________________________
    ______ass*_____________________________________
    _______if*_____________________________________
    ________is_____________________________________
    ___located_____________________________________
    ________in_____________________________________
    _______the_____________________________________
    _continent_____________________________________
    ________of_________________________░░░▓▓▓██████
    ____________0______________5_____________10____
    single_restored_layer_within_facts-6m__________
    p(Antarctica)_0.321____░░░▓▓▓███_0.988_________
    ");
}

#[test]
fn colours_change_only_between_cells_of_different_colour() {
    let tokens = ["a".to_owned()];
    let map = map(&tokens, &[0.0, 0.0, 1.0, f64::NAN]);
    let rows = |depth| {
        let text = draw_terminal(&map, 40, depth).expect("a heatmap");
        text.lines().nth(1).map(|line| line.escape_debug().to_string()).unwrap_or_default()
    };
    insta::assert_snapshot!(rows(ColorDepth::True), @r#"a* \u{1b}[48;2;252;251;253m      \u{1b}[48;2;63;0;125m   \u{1b}[0m···"#);
    insta::assert_snapshot!(rows(ColorDepth::Ansi256), @r#"a* \u{1b}[48;5;231m      \u{1b}[48;5;54m   \u{1b}[0m···"#);
    insta::assert_snapshot!(rows(ColorDepth::None), @"a*       ███···");
}

#[test]
fn an_escape_sequence_in_a_token_does_not_reach_the_terminal() {
    let tokens = ["\x1b]0;title\x07", "\x1b[2J", "\u{9b}31m", "a\rb\u{8}"].map(str::to_owned);
    check(&tokens, 12, 80);
}

#[test]
fn wide_and_zero_width_characters_stay_aligned() {
    let tokens =
        ["中文字", "e\u{301}", "\u{301}", "👩\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "", "لا", "각"];
    check(&tokens.map(str::to_owned), 12, 60);
}

#[test]
fn more_layers_than_columns_share_cells() {
    let tokens = ["a".to_owned(), "b".to_owned()];
    let values: Vec<f64> = (0..200).map(f64::from).collect();
    let text = draw_terminal(&map(&tokens, &values), 60, ColorDepth::None).expect("a heatmap");
    assert!(text.contains("each cell: the highest of 2 layers"), "{text}");
}

proptest! {
    #[test]
    fn lines_are_equally_wide_whatever_the_tokens(
        tokens in prop::collection::vec("\\PC*|.*|[\\x00-\\x1f\\u{300}-\\u{36f}\\u{200b}-\\u{206f}]*", 1..6),
        layers in 1usize..150,
        columns in 0usize..200,
    ) {
        check(&tokens, layers, columns);
    }
}
