//! Averages over cases: what a dataset says, cell by cell.
//!
//! Cells are grouped by everything that is a coordinate of their grid. Positions are one only
//! where all prompts have the same number of tokens; otherwise cells are grouped by the role of
//! their token, as ROME's paper averages, and a case with several tokens of a role counts once,
//! with their mean. A severed path starts at the subject's last token wherever that is, so its
//! cells are always grouped by role.

use std::collections::BTreeMap;

use tracewright_ir::Role;

use crate::average::{Average, Group};
use crate::bootstrap::Resamples;
use crate::case::CaseRecord;
use crate::rome::severed;
use crate::statistics::{Fraction, MeanOfRatios, RatioOfMeans, Summary};
use crate::{Interval, Row};

/// The averages over cases of these rows, groups in the order in which they first occur; none for
/// fewer than two cases.
///
/// Cases that failed or are answered wrongly are left out, and cells without a value (where no
/// path leads from a sender to a receiver) are too.
pub fn averages<'a>(cases: &[CaseRecord], rows: impl IntoIterator<Item = &'a Row>) -> Vec<Average> {
    let Some(mut groups) = Groups::new(cases) else { return Vec::new() };
    rows.into_iter().for_each(|row| groups.take(row));
    groups.averages()
}

/// The cells of each group, taken row by row.
///
/// What is held is four numbers for each group and case, not the rows.
pub(crate) struct Groups<'a> {
    cases: &'a [CaseRecord],
    /// The cases that are averaged.
    by_name: BTreeMap<&'a str, usize>,
    /// Whether all cases have the same number of tokens.
    aligned: bool,
    by_key: BTreeMap<Group, usize>,
    groups: Vec<(Group, Vec<CaseSums>)>,
}

impl<'a> Groups<'a> {
    /// For the rows of these cases; `None` for fewer than two that can be averaged.
    pub(crate) fn new(cases: &'a [CaseRecord]) -> Option<Self> {
        let averaged = |case: &CaseRecord| case.failure.is_none() && case.correct_prediction;
        let averaged = || cases.iter().enumerate().filter(move |(_, case)| averaged(case));
        let by_name: BTreeMap<_, _> =
            averaged().map(|(index, case)| (case.name.as_str(), index)).collect();
        let mut lengths = averaged().map(|(_, case)| case.tokens.len());
        let first = lengths.next();
        let aligned = lengths.all(|length| Some(length) == first);
        let (by_key, groups) = Default::default();
        (by_name.len() > 1).then_some(Self { cases, by_name, aligned, by_key, groups })
    }

    /// Adds a cell.
    pub(crate) fn take(&mut self, row: &Row) {
        let (Some(&case), Some(value)) = (self.by_name.get(row.case.as_str()), row.value) else {
            return;
        };
        let (key, roles) = self.key(row, &self.cases[case]);
        let index = *self.by_key.entry(key).or_insert_with_key(|key| {
            let group =
                Group { role: roles.own.clone(), src_role: roles.src.clone(), ..key.clone() };
            self.groups.push((group, Vec::new()));
            self.groups.len() - 1
        });
        let (group, cases) = &mut self.groups[index];
        forget_unless_equal(&mut group.role, &roles.own);
        forget_unless_equal(&mut group.src_role, &roles.src);
        sums_of(cases, case).add(value, row);
    }

    /// What the row is grouped by, and the roles of its tokens, which may be part of it.
    fn key(&self, row: &Row, case: &CaseRecord) -> (Group, Roles) {
        let subject = case.subject_range.as_ref();
        let src = row.src_position.zip(subject).map(|(position, subject)| {
            Role::of(position as usize, subject, case.tokens.len()).name().to_owned()
        });
        let roles = Roles { own: row.role.clone(), src };
        let mut key = Group {
            corruption: row.corruption.clone(),
            kind: row.kind.clone(),
            site: row.site.clone(),
            layer: row.layer,
            head: row.head,
            kv_head: row.kv_head,
            neuron: row.neuron,
            sender: row.sender.clone(),
            receiver: row.receiver.clone(),
            metric_position: row.metric_position,
            metric: row.metric.clone(),
            ..Group::default()
        };
        if self.aligned && row.kind.as_deref().and_then(severed).is_none() {
            (key.position, key.src_position) = (row.position, row.src_position);
        } else {
            (key.role, key.src_role) = (roles.own.clone(), roles.src.clone());
        }
        (key, roles)
    }

    /// The averages, in the order in which their first cells were taken.
    pub(crate) fn averages(&self) -> Vec<Average> {
        // By the number of cases, so that each number's draws are made once.
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|&index| self.groups[index].1.len());
        let mut resamples = Resamples::of(0);
        let mut done = Vec::with_capacity(order.len());
        for index in order {
            let (group, cases) = &self.groups[index];
            if resamples.cases() != cases.len() {
                resamples = Resamples::of(cases.len());
            }
            done.extend(average(group, cases, &resamples).map(|average| (index, average)));
        }
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, average)| average).collect()
    }
}

/// The roles of the tokens at a cell's two positions.
struct Roles {
    own: Option<String>,
    src: Option<String>,
}

fn forget_unless_equal(common: &mut Option<String>, other: &Option<String>) {
    if common != other {
        *common = None;
    }
}

/// One case's cells in a group.
#[derive(Clone, Copy, Debug)]
struct CaseSums {
    case: usize,
    cells: f64,
    value: f64,
    clean: f64,
    corrupted: f64,
}

impl CaseSums {
    fn add(&mut self, value: f64, row: &Row) {
        self.cells += 1.0;
        self.value += value;
        // A missing number leaves the case without one.
        self.clean += row.clean.unwrap_or(f64::NAN);
        self.corrupted += row.corrupted.unwrap_or(f64::NAN);
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.cells
    }

    fn fraction(&self, metric: &str) -> Fraction {
        let (value, clean, corrupted) =
            (self.mean(self.value), self.mean(self.clean), self.mean(self.corrupted));
        match is_distance(metric) {
            true => Fraction { numerator: corrupted - value, denominator: corrupted },
            false => Fraction { numerator: value - corrupted, denominator: clean - corrupted },
        }
    }
}

/// The sums of a case, in the order of the cases. Rows come nearly in that order, so a new case
/// goes nearly always to the end.
fn sums_of(cases: &mut Vec<CaseSums>, case: usize) -> &mut CaseSums {
    let place = cases.binary_search_by_key(&case, |sums| sums.case).unwrap_or_else(|place| {
        let new = CaseSums { case, cells: 0.0, value: 0.0, clean: 0.0, corrupted: 0.0 };
        cases.insert(place, new);
        place
    });
    &mut cases[place]
}

fn average(group: &Group, cases: &[CaseSums], resamples: &Resamples) -> Option<Average> {
    let of = |sum: fn(&CaseSums) -> f64| -> Vec<f64> {
        cases.iter().map(|case| case.mean(sum(case))).collect()
    };
    let mean = |sum| {
        let mean = Summary::without_interval(&of(sum))?.mean;
        mean.is_finite().then_some(mean)
    };
    let summary = Summary::with(&of(|case| case.value), resamples)?;
    let fractions: Vec<_> = cases.iter().map(|case| case.fraction(&group.metric)).collect();
    let recovery = RatioOfMeans::with(&fractions, resamples);
    let (low, high) = ends(summary.interval);
    let (recovery_low, recovery_high) = ends(recovery.ok().and_then(|ratio| ratio.interval));
    let ratios = MeanOfRatios::of(&fractions);
    Some(Average {
        group: group.clone(),
        value: summary.mean,
        std: summary.std,
        stderr: summary.stderr,
        low,
        high,
        clean: mean(|case| case.clean),
        corrupted: mean(|case| case.corrupted),
        recovery: recovery.ok().map(|ratio| ratio.ratio),
        recovery_low,
        recovery_high,
        reason: recovery.err().map(|undefined| undefined.to_string()),
        mean_of_ratios: ratios.map(|ratios| ratios.mean),
        ratios: ratios.map_or(0, |ratios| ratios.n as u32),
        n: summary.n as u32,
    })
}

fn ends(interval: Option<Interval>) -> (Option<f64>, Option<f64>) {
    (interval.map(|interval| interval.low), interval.map(|interval| interval.high))
}

/// Whether 0 is the clean run's value and larger is farther from it.
///
/// [`tracewright_ir::Metric::is_distance`] knows it of a metric with its tokens and runs; a row
/// has nothing but the name, so here it goes by that, and a test holds the two to each other. A
/// distance of the caller's own isn't known by its name; where it is 0 for the clean run itself,
/// the other formula comes to the same.
fn is_distance(metric: &str) -> bool {
    matches!(metric, "kl" | "l2" | "mse" | "cosine")
}

#[cfg(test)]
mod tests {
    use tracewright_ir::{Metric, RunId};

    use super::*;

    #[test]
    fn a_name_is_a_distance_where_the_metric_is() {
        let (answer, clean) = (0, RunId(0));
        let (answers, distractors) = (vec![0], vec![1]);
        for metric in [
            Metric::Prob { answer },
            Metric::Logprob { answer },
            Metric::Logit { answer },
            Metric::LogitDiff { answers, distractors },
            Metric::Kl { clean },
            Metric::Rank { answer },
            Metric::TopK { answer, k: 5 },
            Metric::Entropy,
            Metric::L2 { clean },
            Metric::Mse { clean },
            Metric::Cosine { clean },
        ] {
            assert_eq!(is_distance(metric.name()), metric.is_distance(), "{}", metric.name());
        }
    }
}
