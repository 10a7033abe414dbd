//! How far a sweep is, on standard error.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracewright_sweep::Standing;

use crate::console::{Console, grouped};

/// How often a line goes to a log file.
const EVERY: Duration = Duration::from_secs(30);

/// A bar in a terminal, and a line now and then in a log file.
pub(crate) struct Progress<'a> {
    console: &'a Console,
    bar: ProgressBar,
    started: Instant,
    told: Instant,
    stopping: bool,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(console: &'a Console) -> Self {
        let target = match console.is_quiet() {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let now = Instant::now();
        Self { console, bar, started: now, told: now, stopping: false }
    }

    pub(crate) fn show(&mut self, standing: Standing<'_>) {
        let now = Instant::now();
        let text = text(&standing, now - self.started);
        self.bar.set_length(standing.planned);
        self.bar.set_position(standing.flops);
        self.bar.set_message(text.clone());
        // A terminal has the bar.
        if self.bar.is_hidden() && now - self.told >= EVERY {
            self.told = now;
            self.console.progress(&text);
        }
    }

    /// Tells once that somebody has asked to stop.
    pub(crate) fn stopping(&mut self) {
        if !std::mem::replace(&mut self.stopping, true) {
            let text =
                "stopping when what is under way is done; press Ctrl-C again to stop at once";
            self.bar.suspend(|| self.console.progress(text));
        }
    }

    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// `12 of 300 cases, 4 % of 33 TFLOP, 152 GFLOP/s, 3 min left (case 29)`
fn text(standing: &Standing<'_>, elapsed: Duration) -> String {
    let Standing { case, cases, of_cases, flops, earlier, planned } = *standing;
    let percent = 100.0 * flops as f64 / planned.max(1) as f64;
    let rate = flops.saturating_sub(earlier) as f64 / elapsed.as_secs_f64().max(1e-3);
    let mut text = match of_cases {
        0 | 1 => format!("{percent:.0} %"),
        _ => format!(
            "{} of {} cases, {percent:.0} % of {}",
            grouped(cases as u64),
            grouped(of_cases as u64),
            operations(planned as f64)
        ),
    };
    if rate > 0.0 {
        let left = planned.saturating_sub(flops) as f64 / rate;
        text += &format!(", {}/s, {} left", operations(rate), duration(left));
    }
    format!("{text} (case {case})")
}

/// `132 TFLOP`, `9.4 GFLOP`
fn operations(flops: f64) -> String {
    let units = [(1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP")];
    let (unit, name) = units.into_iter().find(|(unit, _)| flops >= *unit).unwrap_or(units[3]);
    let number = flops / unit;
    match number {
        ..10.0 => format!("{number:.1} {name}"),
        _ => format!("{number:.0} {name}"),
    }
}

/// `40 s`, `12 min`, `3 h 05 min`
fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0 | 1 => format!("{seconds:.0} s"),
        2..120 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_starts_did_is_not_in_the_rate() {
        let standing = Standing {
            case: "29",
            cases: 12,
            of_cases: 1_209,
            flops: 5_000_000_000_000,
            earlier: 3_000_000_000_000,
            planned: 132_000_000_000_000,
        };
        let shown = text(&standing, Duration::from_secs(16));
        let expected = "12 of 1,209 cases, 4 % of 132 TFLOP, 125 GFLOP/s, 17 min left (case 29)";
        assert_eq!(shown, expected);
    }

    #[test]
    fn nothing_is_said_of_a_rate_before_there_is_one() {
        let standing =
            Standing { case: "0", cases: 0, of_cases: 1, flops: 0, earlier: 0, planned: 0 };
        assert_eq!(text(&standing, Duration::ZERO), "0 % (case 0)");
    }

    #[test]
    fn long_times_are_told_in_hours() {
        assert_eq!([40.0, 100.0, 7_500.0].map(duration), ["40 s", "2 min", "2 h 05 min"]);
    }
}
