//! A pair of a results folder as figures and words.

use tracewright_ir::{Component, Direction};
use tracewright_results::{Baseline, GridAxis, PairGrid, PairPrompt, PairRecord};

use crate::error::ReportError;
use crate::heatmap::row;
use crate::label::{quoted, token_labels, visible};
use crate::pair_summary::summary;
use crate::summary::{LEAST_EFFECT, falls};

/// What can be shown of a patched pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairReport {
    record: PairRecord,
    /// Each position's token, the clean and the corrupted one where they differ.
    tokens: Vec<String>,
}

impl PairReport {
    /// Takes a pair's record.
    ///
    /// # Errors
    ///
    /// Grids that aren't as large as their axes.
    pub fn new(record: PairRecord) -> Result<Self, ReportError> {
        let labels = |prompt: &PairPrompt| token_labels(&prompt.tokens, &prompt.prompt);
        let clean = labels(&record.clean);
        // Of prompts of different lengths positions are the clean one's.
        let others = if record.align.is_none() { labels(&record.corrupted) } else { clean.clone() };
        let tokens = clean.iter().zip(&others).map(|(a, b)| token(a, b)).collect();
        let report = Self { tokens, record };
        report.record.grids.iter().try_for_each(|grid| report.check(grid))?;
        Ok(report)
    }

    fn check(&self, grid: &PairGrid) -> Result<(), ReportError> {
        let len = |axis: &Option<GridAxis>| axis.as_ref().map_or(1, |axis| axis.indices.len());
        let (rows, columns) = (len(&grid.rows), len(&grid.columns));
        let given = grid.recovery.iter().map(Vec::len).sum();
        let (expected, tokens) = (rows * columns, self.tokens.len());
        let outside = [&grid.rows, &grid.columns].into_iter().flatten().any(|axis| {
            axis.axis.ends_with("position") && axis.indices.iter().any(|index| *index >= tokens)
        });
        let even = grid.recovery.iter().all(|row| row.len() == columns);
        match expected == 0 || given != expected || outside || !even {
            true => Err(ReportError::WrongSize { name: grid.site.clone(), given, expected }),
            false => Ok(()),
        }
    }

    /// What the pair shows, in two or three sentences.
    pub fn summary(&self) -> String {
        summary(&self.record, self)
    }

    /// What was measured and where, for a person who gave only the prompts.
    pub fn setting(&self) -> String {
        let record = &self.record;
        let from = |given: bool, run: &str| match given {
            true => "as given".to_owned(),
            false => format!("what the {run} run says"),
        };
        let range = record.subject_range.clone();
        let tokens = match range.len() {
            1 => format!("token {}", range.start),
            _ => format!("tokens {} to {}", range.start, range.end.saturating_sub(1)),
        };
        let found = if record.subject_given { "as given" } else { "where the prompts differ" };
        if self.is_ablation() {
            let answer = visible(&record.answer.text);
            return format!("answer '{answer}' ({})", from(record.answer.given, "clean"));
        }
        let corruption = record.corruption.as_ref();
        let corruption = corruption.map_or(String::new(), |words| format!("; corrupted: {words}"));
        let align = match &record.align {
            Some(align) => format!(
                "; {} and {} tokens, which correspond by {align}",
                record.clean.tokens.len(),
                record.corrupted.tokens.len()
            ),
            None => String::new(),
        };
        format!(
            "answer '{}' ({}), distractor '{}' ({}); subject '{}' ({tokens}, {found}){corruption}{align}",
            visible(&record.answer.text),
            from(record.answer.given, "clean"),
            visible(&record.distractor.text),
            from(record.distractor.given, "corrupted"),
            self.text(range),
        )
    }

    /// True where there is no corrupted run, so that cells are shown by how far they are from the clean one.
    pub(crate) fn is_ablation(&self) -> bool {
        let record = &self.record;
        !self.is_between_others()
            && record.corruption.is_none()
            && record.clean.prompt == record.corrupted.prompt
    }

    /// True where a named run is patched or read: recovery compares with runs that have no part in it.
    pub(crate) fn is_between_others(&self) -> bool {
        self.record.base.is_some() || self.record.source.is_some()
    }

    /// What is shown of a cell: how far its patch moves its run towards the other one, or from the clean run.
    pub(crate) fn cell(&self, grid: &PairGrid, row: usize, column: usize) -> Option<f64> {
        if self.is_between_others() {
            return grid.effect.get(row)?.get(column).copied().flatten();
        }
        if !self.is_ablation() {
            let recovery = grid.recovery.get(row)?.get(column).copied().flatten()?;
            return Some(self.moved(recovery));
        }
        let value = grid.values.get(row)?.get(column).copied().flatten()?;
        let baselines = &self.record.baselines;
        let clean = baselines.iter().find(|baseline| baseline.metric == grid.metric)?.clean;
        Some(value - clean)
    }

    /// All cells of a grid, row by row.
    pub(crate) fn cells(&self, grid: &PairGrid) -> Vec<Option<f64>> {
        let row = |(row, values): (usize, &Vec<Option<f64>>)| {
            (0..values.len()).map(|column| self.cell(grid, row, column)).collect::<Vec<_>>()
        };
        grid.values.iter().enumerate().flat_map(row).collect()
    }

    /// True where the prompts' difference doesn't change what the model says.
    pub fn same_prediction(&self) -> bool {
        self.record.clean.prediction.id == self.record.corrupted.prediction.id
            && !self.is_ablation()
    }

    /// The answer that was given, where the clean run says another one.
    pub fn unexpected(&self) -> Option<(&str, &str)> {
        let PairRecord { answer, others, clean, .. } = &self.record;
        let expected = answer.id == clean.prediction.id
            || others[0].iter().any(|other| other.id == clean.prediction.id);
        (answer.given && !expected).then_some((&answer.text, &clean.prediction.text))
    }

    /// True where a metric is so different in the two runs that a share of the difference means
    /// something.
    pub(crate) fn differs(&self, metric: &str) -> bool {
        if self.is_ablation() || self.is_between_others() {
            return true;
        }
        let noticeably = |baseline: &Baseline| match (metric, baseline.clean, baseline.corrupted) {
            ("prob", clean, corrupted) => falls(clean, corrupted) || falls(corrupted, clean),
            (_, clean, corrupted) => (clean - corrupted).abs() >= LEAST_EFFECT,
        };
        let baselines = &self.record.baselines;
        baselines.iter().find(|baseline| baseline.metric == metric).is_some_and(noticeably)
    }

    /// How far a patch with this recovery moves its run towards the other one.
    pub(crate) fn moved(&self, recovery: f64) -> f64 {
        match self.record.direction {
            Direction::Denoise => recovery,
            Direction::Noise => 1.0 - recovery,
        }
    }

    /// What [`PairReport::moved`] is called: at a colour bar, and of a metric.
    pub(crate) fn quantity(&self, metric: &str) -> (&'static str, String) {
        if self.is_ablation() {
            return ("patched − clean", format!("{metric}, patched − clean"));
        }
        if self.is_between_others() {
            return ("effect", format!("effect on {metric}"));
        }
        match self.record.direction {
            Direction::Denoise => ("recovery", format!("recovery of {metric}")),
            Direction::Noise => {
                ("1 − recovery", format!("effect destroyed (1 − recovery of {metric})"))
            }
        }
    }

    /// The record that is shown.
    pub fn record(&self) -> &PairRecord {
        &self.record
    }

    /// Each position's token, the clean and the corrupted one where they differ.
    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Whether a grid's site was patched in all layers at the same time.
    pub(crate) fn layers_together(&self, grid: &PairGrid) -> bool {
        let component = Component::from_name(&grid.site);
        let by_layer = self.record.per.iter().any(|per| per == "layer");
        !by_layer && component.is_some_and(Component::in_layers)
    }

    /// An index of an axis as a row or a column is labelled: positions by their tokens.
    pub(crate) fn label(&self, axis: &str, index: usize) -> String {
        match axis {
            "position" | "src_position" => {
                let token = self.tokens.get(index).map_or("", String::as_str);
                row(token, self.record.subject_range.contains(&index))
            }
            _ => index.to_string(),
        }
    }

    /// Indices of axes within a sentence: `in layer 3, head 5 at “ France”`.
    pub(crate) fn places(&self, at: &[(&str, usize)]) -> String {
        let token = |index: usize| quoted(self.tokens.get(index).map_or("", String::as_str));
        let mut words = Vec::new();
        for axis in ["layer", "head", "kv_head", "neuron", "position", "src_position"] {
            let word = if axis == "kv_head" { "key/value head" } else { axis };
            for (_, index) in at.iter().filter(|(given, _)| *given == axis) {
                words.push(match axis {
                    "position" => format!(" at {}", token(*index)),
                    "src_position" => format!(" with the key at {}", token(*index)),
                    _ if words.is_empty() => format!(" in {word} {index}"),
                    _ => format!(", {word} {index}"),
                });
            }
        }
        words.concat()
    }

    /// What is done with some activations, as a title.
    pub(crate) fn deed(&self, what: &str) -> String {
        let (copied, into) = self.words();
        match self.record.change.as_str() {
            "copy" => format!("{copied} {what} copied into the {into} run{}", self.readers()),
            change => format!("{what} of the {into} run: {change}"),
        }
    }

    /// What is copied, and into which run.
    pub(crate) fn words(&self) -> (String, String) {
        let (copied, into) = match self.record.direction {
            _ if self.is_ablation() => ("Clean", "clean"),
            Direction::Denoise => ("Clean", "corrupted"),
            Direction::Noise => ("Corrupted", "clean"),
        };
        let PairRecord { source, base, .. } = &self.record;
        let copied = source.as_ref().map_or(copied.to_owned(), |run| format!("Run '{run}':"));
        (copied, base.as_ref().map_or(into.to_owned(), |run| format!("'{run}'")))
    }

    /// What is patched in words: a site, with its window.
    pub(crate) fn patched(&self, site: &str) -> String {
        match self.record.window {
            0 | 1 => site.to_owned(),
            layers => format!("{site} in windows of {layers} layers"),
        }
    }

    /// Who alone reads what is copied.
    pub(crate) fn readers(&self) -> String {
        match self.record.receivers.as_slice() {
            [] => String::new(),
            receivers => {
                let held = if self.record.freeze_mlp { " (MLPs held)" } else { "" };
                let groups = if self.record.by_group { " (whole groups of heads)" } else { "" };
                format!(", read by {} alone{groups}{held}", receivers.join(", "))
            }
        }
    }

    /// The positions that are patched together.
    pub(crate) fn together(&self) -> String {
        let positions = &self.record.positions;
        match positions.len() == self.tokens.len() {
            true => "all positions".to_owned(),
            false => format!("“{}”", self.text(positions.iter().copied())),
        }
    }

    /// The positions that are patched together, where they aren't all of them, within a title.
    pub(crate) fn at_positions(&self) -> String {
        let one_by_one = self.record.per.iter().any(|per| per == "position");
        match one_by_one || self.record.positions.len() == self.tokens.len() {
            true => String::new(),
            false => format!(" at {}", self.together()),
        }
    }

    /// What stands at some positions, in the clean prompt and, where it differs, in the corrupted one.
    fn text(&self, positions: impl Iterator<Item = usize> + Clone) -> String {
        let of = |prompt: &PairPrompt| -> String {
            let texts = positions.clone().filter_map(|at| prompt.tokens.texts.get(at));
            texts.map(String::as_str).collect::<String>().trim().to_owned()
        };
        match self.record.align {
            Some(_) => visible(&of(&self.record.clean)),
            None => token(&of(&self.record.clean), &of(&self.record.corrupted)),
        }
    }
}

/// A text as both prompts have it: ` France → Poland`.
fn token(clean: &str, corrupted: &str) -> String {
    match clean == corrupted {
        true => visible(clean),
        false => format!("{} → {}", visible(clean), visible(corrupted.trim_start_matches(' '))),
    }
}
