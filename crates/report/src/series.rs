//! Values by layer with their intervals: what curves and bars are made of.

use crate::error::ReportError;

/// A range always holds this much of a recovery, which is what it is expected to be in.
const USUAL: (f64, f64) = (0.0, 1.0);
/// What lies beyond is drawn at the edge: a single wild value must not flatten all others.
const WIDEST: (f64, f64) = (-1.0, 2.0);
/// Blank above and below, as a share of the range.
const ROOM: f64 = 0.05;

/// One value for each layer: a line, or the bars of one colour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What it is called in the legend.
    pub name: String,
    /// One value for each layer; `None` for one without.
    pub values: Vec<Option<f64>>,
    /// Each layer's interval, from its lower end to its upper one; empty where none is known.
    pub intervals: Vec<Option<(f64, f64)>>,
    /// The layer that is marked.
    pub marked: Option<usize>,
    /// Its colour's place in the palette, where it isn't its own place among the others.
    pub color: Option<usize>,
}

/// What an axis of values holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// A recovery: 0 to 1 at least, and what lies beyond −1 and 2 is drawn at the edge.
    #[default]
    Recovery,
    /// Zero, and all values with their intervals.
    All,
}

impl Series {
    /// The interval at a layer, where there is one.
    pub(crate) fn interval(&self, layer: usize) -> Option<(f64, f64)> {
        let (low, high) = self.intervals.get(layer).copied().flatten()?;
        (low.is_finite() && high.is_finite()).then_some((low, high))
    }
}

/// Refuses no layers, no series, and series of another number of layers.
pub(crate) fn check(title: &str, columns: usize, series: &[Series]) -> Result<(), ReportError> {
    if series.is_empty() || columns == 0 {
        return Err(ReportError::Empty { title: title.to_owned(), rows: series.len(), columns });
    }
    let wrong = |given: usize| given != columns;
    let fits = |one: &&Series| {
        wrong(one.values.len()) || (!one.intervals.is_empty() && wrong(one.intervals.len()))
    };
    match series.iter().find(fits) {
        Some(one) => Err(ReportError::WrongSize {
            name: one.name.clone(),
            given: if wrong(one.values.len()) { one.values.len() } else { one.intervals.len() },
            expected: columns,
        }),
        None => Ok(()),
    }
}

/// A range that holds another one and all finite values with their intervals.
fn widened(series: &[Series], usual: (f64, f64)) -> (f64, f64) {
    let values = series.iter().flat_map(|one| &one.values).flatten().copied();
    let ends = series.iter().flat_map(|one| &one.intervals).flatten();
    let all = values.chain(ends.flat_map(|(low, high)| [*low, *high]));
    let finite = all.filter(|value| value.is_finite());
    finite.fold(usual, |(low, high), v| (low.min(v), high.max(v)))
}

/// All values with their intervals, from the lowest to the highest, where some of them are drawn at the edge.
pub(crate) fn clipped(series: &[Series], extent: Extent) -> Option<(f64, f64)> {
    let (low, high) = widened(series, USUAL);
    (extent == Extent::Recovery && (low < WIDEST.0 || high > WIDEST.1)).then_some((low, high))
}

/// The lowest and the highest value that an axis holds, with some room.
pub(crate) fn range(series: &[Series], extent: Extent) -> (f64, f64) {
    let within = |usual: (f64, f64)| widened(series, usual);
    let (low, high) = match extent {
        Extent::Recovery => {
            let (low, high) = within(USUAL);
            (low.max(WIDEST.0), high.min(WIDEST.1))
        }
        Extent::All => match within((0.0, 0.0)) {
            // Nothing but zeros.
            (0.0, 0.0) => USUAL,
            extent => extent,
        },
    };
    let room = ROOM * (high - low);
    // Bars stand on the axis where nothing is below it.
    let below = if extent == Extent::All && low == 0.0 { 0.0 } else { room };
    (low - below, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Vec<Series> {
        let values: Vec<Option<f64>> = values.iter().map(|value| Some(*value)).collect();
        vec![Series { name: "z".to_owned(), values, ..Series::default() }]
    }

    #[test]
    fn the_range_of_a_recovery_holds_0_to_1_and_no_wild_value() {
        let range = |values: &[f64]| range(&series(values), Extent::Recovery);
        assert_eq!(range(&[0.2, 0.4]), (-0.05, 1.05));
        assert_eq!(range(&[-1.0, 1.0]), (-1.1, 1.1));
        assert_eq!(range(&[-70.0, 80.0, f64::NAN]), (-1.15, 2.15));
        let clipped = |values: &[f64]| clipped(&series(values), Extent::Recovery);
        assert_eq!(clipped(&[-70.0, 80.0, f64::NAN]), Some((-70.0, 80.0)));
        assert_eq!(clipped(&[-1.0, 2.0]), None);
    }

    #[test]
    fn the_range_of_values_holds_zero_and_every_interval() {
        let range = |series: &[Series]| range(series, Extent::All);
        assert_eq!(range(&series(&[0.5, 1.0])), (0.0, 1.05));
        assert_eq!(range(&series(&[0.0, 0.0])), (0.0, 1.05));
        let mut with = series(&[0.5, 1.0]);
        with[0].intervals = vec![Some((-1.0, 0.75)), Some((0.5, 3.0))];
        assert_eq!(range(&with), (-1.2, 3.2));
    }

    #[test]
    fn a_series_of_another_length_and_a_chart_of_nothing_are_refused() {
        let check = |columns, series: &[Series]| check("Recovery", columns, series);
        assert!(matches!(
            check(1, &series(&[0.5, 0.5])),
            Err(ReportError::WrongSize { given: 2, .. })
        ));
        assert!(matches!(check(0, &series(&[])), Err(ReportError::Empty { .. })));
        assert!(matches!(check(3, &[]), Err(ReportError::Empty { .. })));
        let mut short = series(&[0.5, 0.5]);
        short[0].intervals = vec![None];
        assert!(matches!(check(2, &short), Err(ReportError::WrongSize { given: 1, .. })));
    }
}
