//! A patched pair in words.

use tracewright_ir::Direction;
use tracewright_results::{Baseline, PairGrid, PairRecord};

use crate::label::quoted;
use crate::pair::PairReport;
use crate::ticks;

/// From this share of the difference on, a patch is said to carry it.
const HALF: f64 = 0.5;

/// Says in two or three sentences what patching a pair found, under its first metric: what the two
/// runs say, where the residual stream carries the difference, and which modules matter most.
///
/// The residual stream is described from both ends: early layers at the subject trivially carry
/// everything (nothing has been computed from it yet), and so do late ones at the last token (their
/// state is nearly the output). What says something is where the one ends and the other begins.
pub(crate) fn summary(record: &PairRecord, report: &PairReport) -> String {
    let Some(baseline) = record.baselines.first() else { return String::new() };
    let grids: Vec<Findings<'_>> = record
        .grids
        .iter()
        .filter(|grid| grid.metric == baseline.metric)
        .map(|grid| Findings { grid, record, report })
        .collect();
    let mut sentences = vec![baselines(record, baseline)];
    let nothing = grids.iter().all(|grid| grid.strongest().is_none());
    if nothing || !report.differs(&baseline.metric) {
        sentences.push("There is no noticeable difference that a patch could recover.".to_owned());
        return sentences.join(" ");
    }
    let (streams, modules): (Vec<_>, Vec<_>) =
        grids.iter().partition(|grid| grid.grid.site.starts_with("resid"));
    for part in [streams, modules] {
        let clauses: Vec<String> = part.into_iter().map(Findings::clause).collect();
        if !clauses.is_empty() {
            sentences.push(format!("{} {}.", report.words().0, clauses.join("; ")));
        }
    }
    sentences.join(" ")
}

fn baselines(record: &PairRecord, baseline: &Baseline) -> String {
    let PairRecord { clean, corrupted, .. } = record;
    let says = match clean.prediction.id == corrupted.prediction.id {
        true => format!("Both runs say {}", quoted(&clean.prediction.text)),
        false => format!(
            "The clean run says {} and the corrupted one {}",
            quoted(&clean.prediction.text),
            quoted(&corrupted.prediction.text)
        ),
    };
    let metric = match baseline.metric.as_str() {
        "kl" => "KL from the clean run".to_owned(),
        "logit-diff" => format!(
            "the logit difference of {} and {}",
            quoted(&record.answer.text),
            quoted(&record.distractor.text)
        ),
        "prob" => format!("the probability of {}", quoted(&record.answer.text)),
        other => format!("the {other} of {}", quoted(&record.answer.text)),
    };
    let (high, low) = (ticks::number(baseline.clean), ticks::number(baseline.corrupted));
    format!("{says}; {metric} is {high} in the first and {low} in the second.")
}

/// One site's grid under the first metric.
struct Findings<'a> {
    grid: &'a PairGrid,
    record: &'a PairRecord,
    report: &'a PairReport,
}

impl Findings<'_> {
    /// How far the cell's patch moves its run towards the other one.
    fn moved(&self, row: usize, column: usize) -> Option<f64> {
        Some(self.report.moved(self.grid.recovery.get(row)?.get(column).copied().flatten()?))
    }

    fn columns(&self) -> usize {
        self.grid.recovery.first().map_or(0, Vec::len)
    }

    /// The cell that moves its run most, of equal ones the first: row, column and how far.
    fn strongest(&self) -> Option<(usize, usize, f64)> {
        let cells = (0..self.grid.recovery.len())
            .flat_map(|row| (0..self.columns()).map(move |column| (row, column)));
        let known = cells.filter_map(|(row, column)| Some((row, column, self.moved(row, column)?)));
        known.reduce(|best, next| if next.2 > best.2 { next } else { best })
    }

    /// What follows the word for what is copied.
    fn clause(&self) -> String {
        self.both_ends().unwrap_or_else(|| self.most())
    }

    fn verb(&self) -> &'static str {
        match self.record.direction {
            Direction::Denoise => "brings back",
            Direction::Noise => "takes away",
        }
    }

    /// The strongest cell.
    fn most(&self) -> String {
        let (verb, site) = (self.verb(), &self.grid.site);
        let Some((row, column, moved)) = self.strongest() else {
            return format!("{site} has nothing to recover");
        };
        let layer = match self.report.has("layer") {
            true => format!("layer {column}"),
            false => "all layers together".to_owned(),
        };
        let place = match self.report.has("position") {
            true => self.token(self.record.positions.get(row).copied().unwrap_or_default()),
            false => self.report.together(),
        };
        let percent = 100.0 * moved;
        format!("{site} {verb} most in {layer} at {place}: {percent:.0}%")
    }

    /// Where a residual stream carries the difference, at the subject and at the end.
    fn both_ends(&self) -> Option<String> {
        let last = self.record.clean.tokens.len().checked_sub(1)?;
        let subject = self.record.subject_range.end.checked_sub(1)?;
        let row = |position| self.record.positions.iter().position(|p| *p == position);
        let stream = self.grid.site.starts_with("resid");
        let both = self.report.has("layer") && self.report.has("position");
        if !(stream && both && subject < last) {
            return None;
        }
        let (subject_row, last_row) = (row(subject)?, row(last)?);
        let carries = |row: usize| {
            (0..self.columns()).map(move |layer| self.moved(row, layer).is_some_and(|m| m >= HALF))
        };
        let until = carries(subject_row).take_while(|carries| *carries).count();
        let from = self.columns() - carries(last_row).rev().take_while(|carries| *carries).count();
        let early = match until {
            0 => "in no early layer".to_owned(),
            all if all == self.columns() => "in every layer".to_owned(),
            until => format!("up to layer {}", until - 1),
        };
        let late = match from {
            0 => "in every layer".to_owned(),
            none if none == self.columns() => "in no late layer".to_owned(),
            from => format!("from layer {from} on"),
        };
        Some(format!(
            "{} {} at least half of that difference at the subject's last token ({}) {early}, and at the last token ({}) {late}",
            self.grid.site,
            self.verb(),
            self.token(subject),
            self.token(last),
        ))
    }

    fn token(&self, position: usize) -> String {
        quoted(self.report.tokens().get(position).map_or("", String::as_str))
    }
}
