//! Two tokenisations, one under the other.

/// A line of tokens is broken before this column.
const WIDTH: usize = 96;

/// The tokens of the clean and the corrupted prompt in columns, with bars between them.
pub(super) fn aligned(clean: &[String], corrupted: &[String]) -> String {
    let shown = |texts: &[String], index: usize| {
        texts.get(index).map_or(String::new(), |text| text.escape_debug().to_string())
    };
    let (mut lines, mut upper, mut lower) = (Vec::new(), String::new(), String::new());
    for index in 0..clean.len().max(corrupted.len()) {
        let (above, below) = (shown(clean, index), shown(corrupted, index));
        let width = above.chars().count().max(below.chars().count());
        if !upper.is_empty() && upper.chars().count() + width > WIDTH {
            lines.push((std::mem::take(&mut upper), std::mem::take(&mut lower)));
        }
        upper.push_str(&format!("|{above:width$}"));
        lower.push_str(&format!("|{below:width$}"));
    }
    lines.push((upper, lower));
    let both =
        |(upper, lower): &(String, String)| format!("  clean     {upper}|\n  corrupted {lower}|");
    lines.iter().map(both).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn tokens_stand_under_one_another() {
        let shown = aligned(&texts(&["The", " Sp", "ace", "\n"]), &texts(&["The", " Eiffel"]));
        insta::assert_snapshot!(shown, @r"
          clean     |The| Sp    |ace|\n|
          corrupted |The| Eiffel|   |  |
        ");
    }

    #[test]
    fn long_prompts_are_broken_into_several_lines() {
        let shown = aligned(&texts(&[" token"; 20]), &texts(&[" word"; 3]));
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 12 + WIDTH + 8), "{shown}");
    }
}
