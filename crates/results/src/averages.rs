//! Averages over cases: what a dataset says, cell by cell.
//!
//! Cells are grouped by everything that is a coordinate of their grid. Positions are one only
//! where all prompts have the same number of tokens; otherwise cells are grouped by the role of
//! their token, as ROME's paper averages, and a case with several tokens of a role counts once,
//! with their mean. A severed path starts at the subject's last token wherever that is, so its
//! cells are always grouped by role.

use std::collections::BTreeMap;

use tracewright_ir::Role;

use crate::Row;
use crate::average::{Average, Group};
use crate::bootstrap::{Resamples, ends, resampled};
use crate::case::CaseRecord;
use crate::rome::severed;
use crate::statistics::{MeanOfRatios, RatioOfMeans, Summary};
use crate::sums::{CaseSums, mean_of, noise_stderr, sums_of};

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

/// The cases that statistics are over, by name, with their places in the list.
pub(crate) type Averaged<'a> = BTreeMap<&'a str, usize>;

pub(crate) fn averaged(cases: &[CaseRecord]) -> Averaged<'_> {
    let cases = cases.iter().enumerate().filter(|(_, case)| is_averaged(case));
    cases.map(|(index, case)| (case.name.as_str(), index)).collect()
}

/// Whether all cases that are averaged have the same number of tokens.
pub(crate) fn is_aligned(cases: &[CaseRecord]) -> bool {
    let mut lengths = cases.iter().filter(|case| is_averaged(case)).map(|case| case.tokens.len());
    let first = lengths.next();
    lengths.all(|length| Some(length) == first)
}

/// True for a case that didn't fail and is answered rightly.
pub(crate) fn is_averaged(case: &CaseRecord) -> bool {
    case.failure.is_none() && case.correct_prediction
}

/// The cells of each group, taken row by row.
///
/// What is held is a few numbers for each group and case, not the rows.
pub(crate) struct Groups<'a> {
    cases: &'a [CaseRecord],
    /// The cases that are averaged.
    by_name: Averaged<'a>,
    /// Whether all cases have the same number of tokens.
    aligned: bool,
    by_key: BTreeMap<Group, usize>,
    groups: Vec<(Group, Vec<CaseSums>)>,
}

impl<'a> Groups<'a> {
    /// For the rows of these cases; `None` for fewer than two that can be averaged.
    pub(crate) fn new(cases: &'a [CaseRecord]) -> Option<Self> {
        let (by_name, aligned) = (averaged(cases), is_aligned(cases));
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
        let src = src_role(row, case).map(str::to_owned);
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
        let cases = |(_, cases): &(Group, Vec<CaseSums>)| cases.len();
        resampled(&self.groups, cases, |(group, cases), resamples| average(group, cases, resamples))
    }
}

/// The role of the token at the key's position.
pub(crate) fn src_role(row: &Row, case: &CaseRecord) -> Option<&'static str> {
    let (position, subject) = row.src_position.zip(case.subject_range.as_ref())?;
    Some(Role::of(position as usize, subject, case.tokens.len()).name())
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

fn average(group: &Group, cases: &[CaseSums], resamples: &Resamples) -> Option<Average> {
    let summary = Summary::with(&mean_of(cases, |case| case.value), resamples)?;
    let mean = |sum: fn(&CaseSums) -> f64| Summary::finite_mean(&mean_of(cases, sum));
    let fractions: Vec<_> = cases.iter().map(|case| case.recovery(&group.metric)).collect();
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
        noise_stderr: noise_stderr(cases),
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
