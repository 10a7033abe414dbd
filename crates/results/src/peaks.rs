//! Where each case has its strongest effect.
//!
//! A peak is the cell with the largest `effect`: how far the patch moved its base towards its
//! source. Denoising that is the largest recovery. Noising, the largest recovery is a patch that
//! breaks nothing, and the largest effect the one that breaks most. Cells without an effect (a
//! zero ablation has no source) come after those that have one, by how far the value is from its
//! base's in either direction, and cells without a base after these, by their value. A patch that
//! moved nothing is no peak. Of equal cells the first counts.
//!
//! There is a peak for each role of a token, because one over all tokens says little of a residual
//! stream: restoring its last token at the last layer always brings everything back.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Row;
use crate::averages::{Averaged, averaged};
use crate::case::CaseRecord;

/// The peak of a case at the tokens of a role, in a component and under a metric.
///
/// The fields are the columns of `peaks.parquet`, in this order and with these names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// The cell, with its layer, position, token, head and so on.
    #[serde(flatten)]
    pub cell: Row,
    /// 0 for the strongest of the case's peaks under the metric, 1 for the next, and so on: in
    /// which component and at which token the case has its strongest effect.
    pub rank: u32,
    /// The same among the case's peaks in this component: 0 for its strongest at any token.
    pub rank_in_component: u32,
}

/// The peaks of each case: one for each corruption, metric and position of the metric, for each
/// component (kind, site and receiver), and for each role of a token; in the order of the cases
/// and of these.
///
/// Cases that failed or are answered wrongly have none.
pub fn peaks<'a>(cases: &[CaseRecord], rows: impl IntoIterator<Item = &'a Row>) -> Vec<Peak> {
    let mut highest = Highest::new(cases);
    rows.into_iter().for_each(|row| highest.take(row));
    highest.peaks()
}

/// The highest cells so far.
pub(crate) struct Highest<'a> {
    by_name: Averaged<'a>,
    /// By case.
    cells: BTreeMap<usize, BTreeMap<Place, Row>>,
}

/// What a case has one peak in; last the token's role.
type Place = (Measured, Component, Option<String>);

/// What numbers have in common that can be compared: corruption, metric and its position.
pub(crate) type Measured = (Option<String>, String, Option<u32>);
/// Kind, site and receiver.
pub(crate) type Component = (Option<String>, String, Option<String>);

pub(crate) fn measured(row: &Row) -> Measured {
    (row.corruption.clone(), row.metric.clone(), row.metric_position)
}

pub(crate) fn component(row: &Row) -> Component {
    (row.kind.clone(), row.site.clone(), row.receiver.clone())
}

impl<'a> Highest<'a> {
    pub(crate) fn new(cases: &'a [CaseRecord]) -> Self {
        Self { by_name: averaged(cases), cells: BTreeMap::new() }
    }

    /// Looks at a cell.
    pub(crate) fn take(&mut self, row: &Row) {
        let (Some(&case), Some(height)) = (self.by_name.get(row.case.as_str()), Height::of(row))
        else {
            return;
        };
        let key = (measured(row), component(row), row.role.clone());
        let highest = self.cells.entry(case).or_default().entry(key).or_insert_with(|| row.clone());
        if Height::of(highest).is_some_and(|highest| height > highest) {
            *highest = row.clone();
        }
    }

    /// The peaks of all cells that were looked at.
    pub(crate) fn peaks(&self) -> Vec<Peak> {
        self.cells.values().flat_map(|cells| ranked(&cells.values().collect::<Vec<_>>())).collect()
    }
}

/// A case's peaks in their order, each with its ranks.
fn ranked(cells: &[&Row]) -> Vec<Peak> {
    let mut order: Vec<usize> = (0..cells.len()).collect();
    // Stable, so of equal ones the first is before.
    order.sort_by(|&a, &b| {
        let order = Height::of(cells[b]).partial_cmp(&Height::of(cells[a]));
        order.unwrap_or(Ordering::Equal)
    });
    let rank = |place: usize, among: &dyn Fn(&Row) -> bool| {
        let before = order.iter().take_while(|&&other| other != place);
        before.filter(|&&other| among(cells[other])).count() as u32
    };
    let peak = |(place, &cell): (usize, &&Row)| {
        let (measured_here, component_here) = (measured(cell), component(cell));
        let comparable = |other: &Row| measured(other) == measured_here;
        let same = |other: &Row| comparable(other) && component(other) == component_here;
        let (rank, rank_in_component) = (rank(place, &comparable), rank(place, &same));
        Peak { cell: cell.clone(), rank, rank_in_component }
    };
    cells.iter().enumerate().map(peak).collect()
}

/// How high a cell is: what it is judged by, better criteria last, and that.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Height {
    Value(f64),
    Distance(f64),
    Effect(f64),
}

impl Height {
    /// `None` without a finite value, and for a patch that moved nothing.
    fn of(row: &Row) -> Option<Self> {
        let value = row.value.filter(|value| value.is_finite())?;
        match (row.effect, row.base) {
            (Some(effect), _) => (effect != 0.0).then_some(Self::Effect(effect)),
            (None, Some(base)) => (value != base).then(|| Self::Distance((value - base).abs())),
            (None, None) => Some(Self::Value(value)),
        }
    }
}
