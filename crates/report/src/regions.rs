//! Early, middle and late layers.

use std::ops::Range;

use crate::ticks;

/// A third of the layers, and what their patches move on average.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// `early`, `middle` or `late`.
    pub name: &'static str,
    /// Its layers, half open.
    pub layers: Range<usize>,
    /// The mean over its layers; null where none has a value.
    pub mean: Option<f64>,
}

/// The thirds of a curve by layer; the last one is larger where it can't be parted evenly. None for fewer
/// than three layers.
pub fn regions(values: &[Option<f64>]) -> Vec<Region> {
    const NAMES: [&str; 3] = ["early", "middle", "late"];
    if values.len() < NAMES.len() {
        return Vec::new();
    }
    let third = values.len() / NAMES.len();
    let region = |(part, name): (usize, &'static str)| {
        let end = if part + 1 == NAMES.len() { values.len() } else { (part + 1) * third };
        let layers = part * third..end;
        let known: Vec<f64> = values[layers.clone()].iter().flatten().copied().collect();
        let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        Region { name, layers, mean }
    };
    NAMES.into_iter().enumerate().map(region).collect()
}

impl Region {
    /// `early (0–3)`
    pub(crate) fn titled(&self) -> String {
        format!("{} ({}–{})", self.name, self.layers.start, self.layers.end - 1)
    }

    /// `early (0–3) 0.95`
    pub(crate) fn words(&self) -> String {
        let mean = self.mean.map_or("–".to_owned(), ticks::hundredths);
        format!("{} {mean}", self.titled())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_parted_in_thirds() {
        let parts = |len: usize| -> Vec<String> {
            let values: Vec<Option<f64>> = (0..len).map(|layer| Some(layer as f64)).collect();
            regions(&values).iter().map(Region::words).collect()
        };
        assert_eq!(parts(12), ["early (0–3) 1.50", "middle (4–7) 5.50", "late (8–11) 9.50"]);
        assert_eq!(parts(4), ["early (0–0) 0", "middle (1–1) 1.00", "late (2–3) 2.50"]);
        assert!(parts(2).is_empty());
        assert_eq!(regions(&[None, Some(1.0), None])[0].mean, None);
    }
}
