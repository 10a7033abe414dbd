//! A run as the page holds it: what is known of it, its list of cases, and all cases together.

use serde::Serialize;
use serde_json::Value;
use tracewright_ir::Direction;
use tracewright_results::{
    CaseRecord, Key, Results, averages, compare, grid_columns, peak_spreads, peaks, rome_averages,
};

use super::case::{Document, first_shown, mark};
use super::grid::{Grid, grids};
use super::tables::{
    OF_AVERAGES, OF_DIFFERENCES, OF_PEAKS, OF_ROME, of_average, of_differences, of_peaks, of_rome,
};
use crate::cell_labels::Labels;
use crate::error::ReportError;
use crate::label::visible;

/// A results folder as a page is made of it.
#[derive(Clone, Copy, Debug)]
pub struct PageRun<'a> {
    /// What the page calls it: the folder's name.
    pub name: &'a str,
    /// What the folder holds.
    pub results: &'a Results,
    /// What its cases say together, in sentences.
    pub sentences: &'a [String],
}

/// What the page knows of a run before a case is chosen.
#[derive(Debug, Serialize)]
pub(super) struct Outline {
    name: String,
    model: String,
    /// Whether there is something to show of all cases together.
    all: bool,
    /// What was asked, where it ran and what it cost: a name and a text each.
    about: Vec<(&'static str, String)>,
    cases: Vec<ListedCase>,
}

/// Name, prompt, subject, answer, and what is remarkable.
type ListedCase = (String, String, String, String, &'static str);

impl PageRun<'_> {
    pub(super) fn model(&self) -> &str {
        self.results.environment["model"].as_str().unwrap_or("the model")
    }

    pub(super) fn outline(&self, all: bool) -> Outline {
        let Results { request, environment, cost, .. } = self.results;
        let about = [
            ("Request", Some(request)),
            ("Environment", Some(environment)),
            ("Cost", cost.as_ref()),
        ];
        let about = about.into_iter().filter_map(|(name, value)| Some((name, pretty(value?))));
        Outline {
            name: visible(self.name),
            model: visible(self.model()),
            all,
            about: about.collect(),
            cases: self.results.cases.iter().map(listed).collect(),
        }
    }

    /// All cases together; none where there is nothing to average.
    pub(super) fn all_cases(
        &self,
        against: Option<&Self>,
    ) -> Result<Option<Document>, ReportError> {
        let Results { cases, rows, finished, .. } = self.results;
        let classes = rome_averages(cases, rows).iter().map(of_rome).collect();
        let pair = cases.iter().find_map(CaseRecord::pair);
        let shown = pair.as_ref().map_or("value", first_shown);
        let noised = pair.is_some_and(|pair| pair.direction == Direction::Noise);
        let cells = averages(cases, rows);
        let cells = cells.iter().map(|average| of_average(average, noised)).collect();
        let spreads = peak_spreads(&peaks(cases, rows));
        let of_several = spreads.iter().filter(|spread| spread.n > 1);
        let mut all: Vec<Grid> = grids(classes, &OF_ROME, "effect")?;
        all.extend(grids(cells, &OF_AVERAGES, shown)?);
        let last = rows.iter().filter_map(|row| row.layer).max().unwrap_or(0);
        let peaks = of_several.flat_map(|spread| of_peaks(spread, last));
        all.extend(grids(peaks.collect(), &OF_PEAKS, "cases")?);
        if all.is_empty() {
            return Ok(None);
        }
        let mut summary = vec![self.counted()];
        if finished.passes < finished.of {
            // In the first sentence, which is always shown.
            summary[0] += &format!(
                " Unfinished: {} of {} units of work are here, the costliest first, so these cases aren't a fair \
                 sample.",
                finished.passes, finished.of
            );
        }
        summary.extend(self.sentences.iter().map(|sentence| visible(sentence)));
        let differences = against.map_or(Ok(Vec::new()), |against| self.differences(against))?;
        let tokens = self.tokens();
        Ok(Some(Document { summary, grids: all, differences, tokens, ..Document::default() }))
    }

    /// What stands at each position of all cases, where positions are compared.
    fn tokens(&self) -> Vec<String> {
        let labels = Labels::new(&self.results.cases);
        let longest = labels.cases.iter().map(|case| case.tokens.len() as u32).max().unwrap_or(0);
        (0..longest).map(|at| visible(&labels.column("position", &Key::Number(at)))).collect()
    }

    /// How far this run is from the other one, cell by cell of the averages; nothing where they
    /// share no cell.
    fn differences(&self, against: &Self) -> Result<Vec<Grid>, ReportError> {
        let columns = grid_columns(self.results);
        let Ok(groups) = compare(against.results, self.results, &columns) else {
            return Ok(Vec::new());
        };
        grids(of_differences(&groups), &OF_DIFFERENCES, "difference")
    }

    fn counted(&self) -> String {
        let of = |what: &str| self.results.cases.iter().filter(|case| mark(case) == what).count();
        let others =
            [("failed", "failed"), ("other answer", "without the expected answer, left out")];
        let others = others.map(|(mark, words)| match of(mark) {
            0 => String::new(),
            n => format!("; {n} {words}"),
        });
        format!("{} cases{}.", self.results.cases.len(), others.concat())
    }
}

fn listed(case: &CaseRecord) -> ListedCase {
    let text = |text: &str| if text.is_empty() { String::new() } else { visible(text) };
    let subject = case.subject.as_deref().unwrap_or_default();
    (text(&case.name), text(&case.prompt), text(subject), text(case.answer.trim()), mark(case))
}

/// JSON as lines for a person.
fn pretty(value: &Value) -> String {
    format!("{value:#}").lines().map(visible).collect::<Vec<_>>().join("\n")
}
