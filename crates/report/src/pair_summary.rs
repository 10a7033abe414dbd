//! A patched pair in words.

use tracewright_ir::Direction;
use tracewright_results::{Baseline, GridAxis, PairGrid, PairPrompt, PairRecord};

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
    let mut sentences = vec![baselines(record, baseline, report)];
    if grids.is_empty() {
        return sentences.join(" ");
    }
    let nothing = grids.iter().all(|grid| grid.strongest().is_none());
    if nothing || !report.differs(&baseline.metric) {
        sentences.push("There is no noticeable difference that a patch could recover.".to_owned());
        return sentences.join(" ");
    }
    // Of a site with several grids the one with the strongest cell.
    let strength = |grid: &Findings<'_>| grid.strongest().map_or(f64::NEG_INFINITY, |cell| cell.2);
    let mut strongest: Vec<&Findings<'_>> = Vec::new();
    for grid in &grids {
        match strongest.iter_mut().find(|other| other.grid.site == grid.grid.site) {
            Some(other) if strength(grid) > strength(other) => *other = grid,
            Some(_) => {}
            None => strongest.push(grid),
        }
    }
    let (streams, modules): (Vec<&Findings<'_>>, Vec<_>) =
        strongest.into_iter().partition(|grid| grid.grid.site.starts_with("resid"));
    for part in [streams, modules] {
        let clauses: Vec<String> = part.into_iter().map(Findings::clause).collect();
        if !clauses.is_empty() {
            let (copied, into) = report.words();
            let clauses = clauses.join("; ");
            sentences.push(match record.change.as_str() {
                "copy" => format!("{copied} {clauses}{}.", report.readers()),
                change => format!("With {change} in the {into} run, {clauses}."),
            });
        }
    }
    sentences.join(" ")
}

fn baselines(record: &PairRecord, baseline: &Baseline, report: &PairReport) -> String {
    let PairRecord { clean, corrupted, .. } = record;
    let says = match report.is_ablation() {
        true => format!("The clean run says {}", quoted(&clean.prediction.text)),
        false => said(clean, corrupted),
    };
    let metric = metric_in_words(record, baseline);
    let number = |value: f64| match baseline.metric.as_str() {
        "rank" => format!("{value:.0}"),
        _ => ticks::number(value),
    };
    let (high, low) = (number(baseline.clean), number(baseline.corrupted));
    match report.is_ablation() {
        true => format!("{says}; {metric} is {high}."),
        false => format!("{says}; {metric} is {high} in the first and {low} in the second."),
    }
}

fn said(clean: &PairPrompt, corrupted: &PairPrompt) -> String {
    match clean.prediction.id == corrupted.prediction.id {
        true => format!("Both runs say {}", quoted(&clean.prediction.text)),
        false => format!(
            "The clean run says {} and the corrupted one {}",
            quoted(&clean.prediction.text),
            quoted(&corrupted.prediction.text)
        ),
    }
}

fn metric_in_words(record: &PairRecord, baseline: &Baseline) -> String {
    match baseline.metric.as_str() {
        "kl" => "KL from the clean run".to_owned(),
        "logit-diff" => format!(
            "the logit difference of {} and {}",
            quoted(&record.answer.text),
            quoted(&record.distractor.text)
        ),
        "prob" => format!("the probability of {}", quoted(&record.answer.text)),
        "logprob" => format!("the log-probability of {}", quoted(&record.answer.text)),
        "rank" => format!("the rank of {} (0 is the likeliest)", quoted(&record.answer.text)),
        "entropy" => "the entropy".to_owned(),
        "l2" | "mse" | "cosine" => {
            format!("the logits' distance from the clean run's ({})", baseline.metric)
        }
        other => format!("the {other} of {}", quoted(&record.answer.text)),
    }
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
        let shown = self.report.cell(self.grid, row, column)?;
        // An ablation may move its metric either way.
        Some(if self.report.is_ablation() { shown.abs() } else { shown })
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
            _ if self.report.is_ablation() => "moves the metric",
            _ if self.report.is_between_others() => "moves the patched run towards the other one",
            Direction::Denoise => "brings back",
            Direction::Noise => "takes away",
        }
    }

    /// The strongest cell.
    fn most(&self) -> String {
        let (verb, site) = (self.verb(), self.report.patched(&self.grid.site));
        let Some((row, column, moved)) = self.strongest() else {
            if !self.record.receivers.is_empty() {
                return format!("{site} has no path to them");
            }
            return format!("{site} has nothing to recover");
        };
        if let Some(everywhere) = self.everywhere() {
            return everywhere;
        }
        let index = |axis: &'_ Option<GridAxis>, at: usize| {
            let axis = axis.as_ref()?;
            Some((axis.axis.clone(), *axis.indices.get(at)?))
        };
        let cell = [index(&self.grid.columns, column), index(&self.grid.rows, row)];
        let fixed = self.grid.at.iter().map(|(axis, index)| (axis.clone(), *index));
        let at: Vec<(String, usize)> = cell.into_iter().flatten().chain(fixed).collect();
        let at: Vec<(&str, usize)> =
            at.iter().map(|(axis, index)| (axis.as_str(), *index)).collect();
        let together = match self.report.layers_together(self.grid) {
            true => " in all layers together",
            false => "",
        };
        let anywhere = match at.iter().any(|(axis, _)| *axis == "position") {
            true => String::new(),
            false => format!(" at {}", self.report.together()),
        };
        let percent = match 100.0 * moved {
            _ if self.report.is_ablation() => {
                let shown = self.report.cell(self.grid, row, column).unwrap_or(moved);
                return format!(
                    "{site} {verb} most{together}{}{anywhere}: by {}",
                    self.report.places(&at),
                    ticks::number(shown)
                );
            }
            // A single path carries little, and how little is what is asked.
            little if little < 1.0 && !self.record.receivers.is_empty() => ticks::number(little),
            little if little < 1.0 => "less than 1".to_owned(),
            percent => format!("{percent:.0}"),
        };
        format!("{site} {verb} most{together}{}{anywhere}: {percent}%", self.report.places(&at))
    }

    /// What is said where no layer is more than any other.
    fn everywhere(&self) -> Option<String> {
        const SAME: f64 = 5e-3;
        let layers = self.grid.columns.as_ref().filter(|axis| axis.axis == "layer")?;
        let alone = self.grid.rows.is_none() && layers.indices.len() > 1;
        let (first, ablation) = (self.moved(0, 0)?, self.report.is_ablation());
        let same = |column| self.moved(0, column).is_some_and(|moved| (moved - first).abs() < SAME);
        let all = alone && !ablation && (0..self.columns()).all(same);
        let (verb, site) = (self.verb(), self.report.patched(&self.grid.site));
        let (percent, at) = (100.0 * first, self.report.together());
        all.then(|| format!("{site} {verb} {percent:.0}% in every layer at {at}"))
    }

    /// Where a residual stream carries the difference, at the subject and at the end.
    fn both_ends(&self) -> Option<String> {
        let last = self.record.clean.tokens.len().checked_sub(1)?;
        let subject = self.record.subject_range.end.checked_sub(1)?;
        let axis = |axis: &'_ Option<GridAxis>, name: &str| {
            axis.as_ref().filter(|axis| axis.axis == name).map(|axis| axis.indices.clone())
        };
        let positions = axis(&self.grid.rows, "position")?;
        let row = |position| positions.iter().position(|p| *p == position);
        let stream = self.grid.site.starts_with("resid") && !self.report.is_between_others();
        let both = axis(&self.grid.columns, "layer").is_some_and(|layers| layers.len() > 1);
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
