//! What is printed.

use std::fmt::Write;

use super::{Compared, Figure, Range, Report, Timing};

const HEADS: [&str; 11] = [
    "comparison",
    "ours, s",
    "theirs, s",
    "ratio",
    "min … max",
    "to reach",
    "",
    "of peak",
    "apart",
    "others",
    "cells timed",
];

/// Cores that others may take on a quiet machine.
const QUIET: f64 = 0.1;
const BUSY: &str = "Other processes were at work, which slows PyTorch down more than us: measure again \
    on a quiet machine.";

/// The machine, the peak, and a line for each comparison: medians, unless it says otherwise.
///
/// `others` are the cores that other processes kept busy meanwhile.
///
/// `apart` is how far the sides' values differ, as a fraction of their range. Times of some cells
/// that stand for all are multiplied, and the line says so. What is reached of the peak is meant of
/// the matrix product's speed before and after that comparison.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let machine = &report.machine;
    let versions: Vec<_> = machine.versions.iter().map(|(name, v)| format!("{name} {v}")).collect();
    let [burn, torch] = [report.peak.burn, report.peak.torch].map(speed);
    // Writing to a string can't fail.
    let _ = writeln!(text, "{}, {} threads, f32", machine.processor, machine.threads);
    let _ = writeln!(text, "{}", versions.join(", "));
    let _ = writeln!(text, "matrix product 512×768×3072: Burn {burn}, PyTorch {torch}\n");
    let rows: Vec<_> = report.comparisons.iter().map(row).collect();
    text.push_str(&aligned(&rows));
    if report.comparisons.iter().any(|compared| compared.others > Some(QUIET)) {
        let _ = writeln!(text, "\n{BUSY}");
    }
    for Compared { name, error, .. } in &report.comparisons {
        if let Some(error) = error {
            let _ = writeln!(text, "\n{name} failed: {error}");
        }
    }
    text
}

fn speed(Range { min, median, max }: Range) -> String {
    format!("{median:.0} GFLOP/s ({min:.0} … {max:.0})")
}

fn row(compared: &Compared) -> [String; 11] {
    let mut row = <[String; 11]>::default();
    row[0].clone_from(&compared.name);
    let Some(timing) = &compared.timing else {
        row[6] = "FAILED".to_owned();
        return row;
    };
    let Range { min, median, max } = timing.ratio;
    let (to_reach, verdict) = verdict(timing);
    let Timing { cells, timed, operations, .. } = *timing;
    let multiplied = if timed < cells { format!(" of {cells}, multiplied") } else { String::new() };
    row[1] = seconds(timing.ours.median);
    row[2] = seconds(timing.theirs.median);
    row[3] = format!("{median:.2} ×");
    row[4] = format!("{min:.2} … {max:.2}");
    row[5] = to_reach;
    row[6] = verdict.to_owned();
    row[7] = format!("{:.0} %", 100.0 * operations / timing.ours.median / (compared.peak * 1e9));
    row[8] = format!("{:.0e}", timing.difference);
    row[9] = compared.others.map(|cores| format!("{cores:.2}")).unwrap_or_default();
    row[10] = format!("{timed}{multiplied}");
    row
}

fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.3}") } else { format!("{seconds:.1}") }
}

/// What is to be reached, and whether it is.
fn verdict(timing: &Timing) -> (String, &'static str) {
    match timing.figure {
        Figure::Ratio { at_least, goal } => {
            let verdict = match timing.ratio.median {
                ratio if ratio >= goal => "goal",
                ratio if ratio >= at_least => "ok",
                _ => "missed",
            };
            (format!("{at_least} / {goal} ×"), verdict)
        }
        Figure::Seconds(most) => {
            (format!("≤ {most} s"), if timing.ours.median <= most { "ok" } else { "missed" })
        }
        Figure::None => (String::new(), ""),
    }
}

/// Rows under the heads, in columns: numbers to the right, words to the left.
fn aligned(rows: &[[String; 11]]) -> String {
    let rows: Vec<_> = [HEADS.map(str::to_owned)].into_iter().chain(rows.iter().cloned()).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            let _ = match column {
                0 | 6 | 10 => write!(line, "{cell:width$}  "),
                _ => write!(line, "{cell:>width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Machine, Peak};

    fn range(median: f64) -> Range {
        Range { min: median / 2.0, median, max: median * 2.0 }
    }

    #[test]
    fn multiplied_times_and_missed_figures_are_named() {
        let timing = Timing {
            ours: range(2.0),
            theirs: range(9.0),
            ratio: range(4.5),
            cells: 432,
            timed: 36,
            difference: 1e-6,
            operations: 1e11,
            figure: Figure::Ratio { at_least: 5.0, goal: 6.0 },
        };
        let failed = Compared {
            name: "broken".to_owned(),
            peak: 100.0,
            timing: None,
            others: None,
            error: Some("no answer".to_owned()),
        };
        let good = Compared {
            name: "rome".to_owned(),
            peak: 100.0,
            timing: Some(timing),
            others: Some(0.5),
            error: None,
        };
        let peak = Peak { burn: range(100.0), torch: range(200.0) };
        let versions = [("burn".to_owned(), "0".to_owned())].into();
        let machine = Machine { versions, ..Machine::default() };
        let report = Report { machine, peak, comparisons: vec![good, failed] };
        let text = table(&report);
        assert!(!report.is_whole());
        assert_eq!(
            text.split_once("\n\n").unwrap().1,
            "comparison  ours, s  theirs, s   ratio    min … max  to reach          of peak  apart  others  cells timed\n\
             rome          2.000      9.000  4.50 ×  2.25 … 9.00   5 / 6 ×  missed     50 %   1e-6    0.50  36 of 432, multiplied\n\
             broken                                                         FAILED\n\
             \nOther processes were at work, which slows PyTorch down more than us: measure again on a quiet machine.\n\
             \nbroken failed: no answer\n"
        );
    }
}
