//! Everything that is printed goes through here.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use tracewright_models::hub::Download;
use tracewright_report::{ColorDepth, visible};
use unicode_width::UnicodeWidthStr;

use crate::args::OutputArgs;
use crate::error::Failure;

pub(crate) struct Console {
    json: bool,
    quiet: bool,
}

impl Console {
    pub(crate) fn new(output: &OutputArgs) -> Self {
        Self { json: output.json, quiet: output.quiet }
    }

    /// The answer for a person; left out where JSON is asked for.
    pub(crate) fn answer(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { Ok(writeln!(io::stdout(), "{text}")?) }
    }

    /// What explains the answer; left out with --quiet as well.
    pub(crate) fn explain(&self, text: &str) -> Result<(), Failure> {
        if self.quiet { Ok(()) } else { self.answer(text) }
    }

    /// The answer for a program.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Failure> {
        if self.json { Ok(writeln!(io::stdout(), "{value:#}")?) } else { Ok(()) }
    }

    pub(crate) fn warn(&self, text: &str) {
        // A message that can't be shown is no reason to stop.
        let _ = writeln!(io::stderr(), "warning: {}", tame(text));
    }

    pub(crate) fn error(&self, error: &Failure) {
        let _ = writeln!(io::stderr(), "error: {}", tame(&error.to_string()));
    }

    /// Whether a program reads the answer.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// How far something is, for a log file.
    pub(crate) fn progress(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{}", tame(text));
        }
    }

    /// A bar on standard error for files that are downloaded; nothing where nobody watches.
    pub(crate) fn download(&self) -> DownloadBar {
        let target =
            if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = "{msg} {bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        DownloadBar(bar)
    }

    /// Columns of the terminal.
    pub(crate) fn columns(&self) -> usize {
        const WITHOUT_TERMINAL: usize = 100;
        terminal_size::terminal_size().map_or(WITHOUT_TERMINAL, |(width, _)| width.0.into())
    }

    /// The colours that standard output can show; see <https://no-color.org>.
    pub(crate) fn colors(&self) -> ColorDepth {
        let var = |name| std::env::var(name).unwrap_or_default();
        if !io::stdout().is_terminal() || !var("NO_COLOR").is_empty() || var("TERM") == "dumb" {
            ColorDepth::None
        } else if matches!(var("COLORTERM").as_str(), "truecolor" | "24bit") {
            ColorDepth::True
        } else {
            ColorDepth::Ansi256
        }
    }
}

/// How far a download is.
pub(crate) struct DownloadBar(ProgressBar);

impl DownloadBar {
    pub(crate) fn show(&self, download: &Download<'_>) {
        let Download { file, done, size, number, files } = download;
        self.0.set_message(format!("{number}/{files} {}", tame(file)));
        self.0.set_length(*size);
        self.0.set_position(*done);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// What a panic says, in one line.
pub(crate) fn panicked(text: &str) {
    let text = text.replace('\n', " ");
    let _ = writeln!(io::stderr(), "internal error: {}", tame(&text));
}

/// A message without what would act on a terminal: prompts and names in it are other people's.
fn tame(text: &str) -> String {
    let line = |line| if str::is_empty(line) { String::new() } else { visible(line) };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A table with aligned columns, two spaces between them.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    // What a terminal gives it: wide characters two columns, combining ones none.
    let width = |text: &str| text.width();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| {
            rows.iter().filter_map(|row| row.get(c)).map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded = cells.map(|(cell, w)| format!("{cell}{}", " ".repeat(w - width(cell))));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `1 token`, `2,000 tokens`
pub(crate) fn count(number: usize, what: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {what}{end}", grouped(number as u64))
}

/// `9,450,665`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_beside_wide_and_combining_characters() {
        let rows = [["字", "1"], ["e\u{301}", "2"], ["🙂🙂", "3"]];
        let rows: Vec<Vec<String>> = rows.map(|row| row.map(str::to_owned).to_vec()).to_vec();
        let table = table(&rows);
        let starts: Vec<usize> = table.lines().map(|line| line.width()).collect();
        assert_eq!(starts, [7, 7, 7], "{table}");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let grouped = [0, 999, 1_000, 43_211, 9_450_665].map(grouped);
        assert_eq!(grouped, ["0", "999", "1,000", "43,211", "9,450,665"]);
    }
}
