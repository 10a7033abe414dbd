//! Curves as plain data: lines over layers.

use crate::error::ReportError;

/// The curve's range always holds this much, which is what a recovery is expected to be in.
const USUAL: (f64, f64) = (0.0, 1.0);
/// What lies beyond is drawn at the edge: a single wild value must not flatten all others.
const WIDEST: (f64, f64) = (-1.0, 2.0);

/// Blank above and below, as a share of the range.
const ROOM: f64 = 0.05;

/// Lines over layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The line above it.
    pub title: String,
    /// The line under the layers.
    pub x_label: String,
    /// One label for each layer.
    pub columns: Vec<String>,
    /// The lines.
    pub lines: Vec<CurveLine>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveLine {
    /// What it is called in the legend.
    pub name: String,
    /// One value for each layer; `None` for one without.
    pub values: Vec<Option<f64>>,
    /// The layer that is marked.
    pub marked: Option<usize>,
}

impl Curve {
    /// Refuses a curve without layers or lines, and lines of another number of layers.
    pub(crate) fn check(&self) -> Result<(), ReportError> {
        let (rows, columns) = (self.lines.len(), self.columns.len());
        if rows == 0 || columns == 0 {
            return Err(ReportError::Empty { title: self.title.clone(), rows, columns });
        }
        match self.lines.iter().find(|line| line.values.len() != columns) {
            Some(line) => Err(ReportError::WrongSize {
                name: line.name.clone(),
                given: line.values.len(),
                expected: columns,
            }),
            None => Ok(()),
        }
    }

    /// The lowest and the highest value that is drawn, with some room.
    pub(crate) fn range(&self) -> (f64, f64) {
        let values = self.lines.iter().flat_map(|line| &line.values).flatten();
        let finite = values.copied().filter(|value| value.is_finite());
        let (low, high) = finite.fold(USUAL, |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = (low.max(WIDEST.0), high.min(WIDEST.1));
        let room = ROOM * (high - low);
        (low - room, high + room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[f64]) -> Curve {
        let values: Vec<Option<f64>> = values.iter().map(|value| Some(*value)).collect();
        Curve {
            title: "Recovery".to_owned(),
            x_label: String::new(),
            columns: (0..values.len()).map(|layer| layer.to_string()).collect(),
            lines: vec![CurveLine { name: "z".to_owned(), values, marked: None }],
        }
    }

    #[test]
    fn the_range_holds_0_to_1_and_no_wild_value() {
        assert_eq!(curve(&[0.2, 0.4]).range(), (-0.05, 1.05));
        assert_eq!(curve(&[-1.0, 1.0]).range(), (-1.1, 1.1));
        assert_eq!(curve(&[-70.0, 80.0, f64::NAN]).range(), (-1.15, 2.15));
    }

    #[test]
    fn a_line_of_another_length_and_a_curve_of_nothing_are_refused() {
        let mut broken = curve(&[0.5, 0.5]);
        broken.columns.pop();
        assert!(matches!(broken.check(), Err(ReportError::WrongSize { given: 2, .. })));
        assert!(matches!(curve(&[]).check(), Err(ReportError::Empty { .. })));
    }
}
