//! Tokens as text that is safe and visible in a figure, a terminal and a sentence.

use std::fmt::Write;

use tracewright_ir::Tokens;
use unicode_width::UnicodeWidthChar;

/// Labels are at most this long before they are measured: a token can be a whole page.
const LONGEST: usize = 120;

/// `text` with everything in it that can't be seen, or would act instead of being shown.
///
/// A line feed is `⏎` and a tab `↦`; the other control characters, and those that have no width
/// or turn the direction of writing, are escapes such as `\x1b` and `\u{202e}`. So no escape
/// sequence in a prompt reaches the terminal, and every character is legal in SVG.
///
/// ```
/// assert_eq!(tracewright_report::visible(" a\n\x1b[31m"), r" a⏎\x1b[31m");
/// assert_eq!(tracewright_report::visible(""), "∅");
/// assert_eq!(tracewright_report::visible("  "), "␣␣");
/// ```
pub fn visible(text: &str) -> String {
    if text.is_empty() {
        return "∅".to_owned();
    }
    if text.chars().all(|c| c == ' ') {
        return "␣".repeat(text.len());
    }
    let mut shown = String::with_capacity(text.len());
    // Tokens can begin with a combining mark, which would sit on whatever is left of the label.
    if text.chars().next().is_some_and(|c| c.width() == Some(0) && !acts(c)) {
        shown.push('◌');
    }
    for c in text.chars() {
        push_visible(&mut shown, c);
    }
    shown
}

/// What a byte that isn't a character by itself is decoded to.
const PART: char = '\u{fffd}';

/// A prompt's tokens as labels. Tokens that are parts of one character, which all look alike decoded by
/// themselves, are called by the text that they make together, such as `字 1/3`; where it isn't known, by
/// their id.
pub(crate) fn token_labels(tokens: &Tokens, prompt: &str) -> Vec<String> {
    let mut labels = tokens.texts.clone();
    let is_part = |at: &usize| tokens.texts[*at].contains(PART);
    // Another character begins where the one before has ended.
    let begins = |a: &usize, b: &usize| {
        let offsets = tokens.offsets.get(*a).zip(tokens.offsets.get(*b));
        offsets.is_some_and(|(a, b)| b.start >= a.end && prompt.is_char_boundary(b.start))
    };
    let places: Vec<usize> = (0..labels.len()).collect();
    let runs = places.chunk_by(|a, b| is_part(a) && is_part(b) && !begins(a, b));
    for run in runs.filter(|run| is_part(&run[0])) {
        let offsets = || run.iter().filter_map(|at| tokens.offsets.get(*at));
        let covered = offsets().map(|o| o.start).min().zip(offsets().map(|o| o.end).max());
        let text = covered.and_then(|(start, end)| prompt.get(start..end));
        // A prompt may hold the character that stands for a part.
        let text = text.filter(|text| !text.is_empty() && !text.contains(PART));
        for (number, at) in (1..).zip(run) {
            labels[*at] = match (text, tokens.ids.get(*at)) {
                (Some(text), _) => format!("{text} {number}/{}", run.len()),
                (None, Some(id)) => format!("{} <{id}>", tokens.texts[*at]),
                (None, None) => continue,
            };
        }
    }
    labels
}

/// A text in quotation marks, without the spaces around it.
pub(crate) fn quoted(text: &str) -> String {
    // Only a text of nothing but spaces keeps them: there they are all it has.
    let trimmed = text.trim_matches(' ');
    format!("“{}”", visible(if trimmed.is_empty() { text } else { trimmed }))
}

fn push_visible(shown: &mut String, c: char) {
    // Writing to a string can't fail.
    let _ = match c {
        '\n' => shown.write_char('⏎'),
        '\t' => shown.write_char('↦'),
        c if acts(c) && u32::from(c) < 0x100 => write!(shown, "\\x{:02x}", u32::from(c)),
        c if acts(c) => write!(shown, "\\u{{{:x}}}", u32::from(c)),
        c => shown.write_char(c),
    };
}

/// True for characters that do something instead of being something: control characters,
/// joiners, marks of direction, separators of lines, tags, and what XML forbids.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The longest beginning of `label` that fits, with `…` for the rest; the star of a subject's
/// token is kept.
pub(crate) fn shorten(label: &str, fits: impl Fn(&str) -> bool) -> String {
    let short = label.chars().take(LONGEST + 1).count() <= LONGEST;
    if short && fits(label) {
        return label.to_owned();
    }
    let (body, star) = label.strip_suffix('*').map_or((label, ""), |body| (body, "*"));
    let chars: Vec<char> = body.chars().take(LONGEST).collect();
    (0..=chars.len())
        .rev()
        .map(|end| {
            let kept: String = chars[..end].iter().collect();
            format!("{}…{star}", kept.trim_end())
        })
        .find(|candidate| fits(candidate))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_what_is_seen_stays() {
        assert_eq!(visible("\r\u{7f}\u{9b}31m"), r"\x0d\x7f\x9b31m");
        assert_eq!(visible("a\u{200d}b\u{202e}c\u{feff}"), r"a\u{200d}b\u{202e}c\u{feff}");
        assert_eq!(visible("\u{301}a"), "◌\u{301}a");
        assert_eq!(visible(" é 中文 🙂"), " é 中文 🙂");
        assert_eq!(visible("\ta"), "↦a");
    }

    #[test]
    fn parts_of_a_character_are_told_apart() {
        let labels = |texts: &[&str], offsets: &[std::ops::Range<usize>], prompt| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let tokens =
                Tokens { ids: (5..).take(texts.len()).collect(), texts, offsets: offsets.to_vec() };
            token_labels(&tokens, prompt)
        };
        let three = ["a", "�", "�", "�", " b"];
        assert_eq!(
            labels(&three, &[0..1, 1..4, 1..4, 1..4, 4..6], "a字 b"),
            ["a", "字 1/3", "字 2/3", "字 3/3", " b"]
        );
        assert_eq!(labels(&three, &[0..1, 1..2, 2..3, 3..4, 4..6], "a字 b")[2], "字 2/3");
        // Two characters, one after the other.
        let four = labels(&["�"; 4], &[0..2, 0..2, 2..4, 2..4], "éé");
        assert_eq!(four, ["é 1/2", "é 2/2", "é 1/2", "é 2/2"]);
        // Not known where they are, and a prompt with that very character.
        assert_eq!(labels(&three, &[], "a字 b")[1..3], ["� <6>", "� <7>"]);
        assert_eq!(labels(&["�"], &[0..3], "�"), ["� <5>"]);
        assert_eq!(labels(&["a", "b"], &[0..1, 1..2], "ab"), ["a", "b"]);
    }

    #[test]
    fn making_visible_twice_changes_nothing() {
        for text in ["", "   ", "\n\t\r", "\u{301}a", "\u{200d}", "plain"] {
            let once = visible(text);
            assert_eq!(visible(&once), once);
        }
    }

    #[test]
    fn a_shortened_subject_token_keeps_its_star() {
        let fits = |s: &str| s.chars().count() <= 6;
        assert_eq!(shorten("short", fits), "short");
        assert_eq!(shorten("Liechtenstein*", fits), "Liec…*");
        assert_eq!(shorten("in the end", |s| s.len() <= 6), "in…");
        assert_eq!(shorten("x*", |_| false), "");
    }
}
