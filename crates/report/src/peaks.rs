//! Where a grid of effects is strongest.

use std::ops::Range;

use crate::error::ReportError;
use crate::heatmap::{RomeKind, layers};

/// One kind's grid, with its spread over noise samples.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectGrid {
    /// What was restored.
    pub kind: RomeKind,
    /// The number of layers restored together (1 for hidden states).
    pub window: usize,
    /// The answer's probability after each patch, `[tokens, layers]`; NaN for a failed cell.
    pub values: Vec<f64>,
    /// The standard deviation of each cell over noise samples; `None` for one sample.
    pub std: Option<Vec<f64>>,
    /// The number of noise samples.
    pub samples: u32,
}

impl EffectGrid {
    /// Refuses a grid that isn't tokens × layers, and returns its number of layers.
    pub(crate) fn check(&self, tokens: usize) -> Result<usize, ReportError> {
        let name = format!("grid of {}", self.kind);
        let layers = layers(&name, self.values.len(), tokens)?;
        match &self.std {
            Some(std) if std.len() != self.values.len() => {
                let name = format!("spread of {}", self.kind);
                Err(ReportError::WrongSize { name, given: std.len(), expected: self.values.len() })
            }
            _ => Ok(layers),
        }
    }

    /// The strongest cell among these positions.
    pub(crate) fn peak(&self, positions: Range<usize>, layers: usize, low: f64) -> Option<Peak> {
        let cells = positions.start * layers..positions.end * layers;
        let values = cells.filter_map(|cell| Some((cell, *self.values.get(cell)?)));
        let finite = values.filter(|(_, value)| value.is_finite());
        // Of equal cells the first, so that the sentence doesn't hang on the order of folding.
        let (cell, value) =
            finite.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        Some(Peak {
            position: cell / layers,
            layer: cell % layers,
            effect: value - low,
            std: self.std.as_ref().and_then(|std| std.get(cell).copied()).filter(|s| s.is_finite()),
            samples: self.samples,
        })
    }

    /// The first layer from which on every patch at `position` has at least this effect.
    pub(crate) fn holds_from(
        &self,
        position: usize,
        layers: usize,
        low: f64,
        effect: f64,
    ) -> Option<usize> {
        let row = self.values.get(position * layers..(position + 1) * layers)?;
        let held = row.iter().rev().take_while(|value| **value - low >= effect).count();
        (held > 0).then_some(layers - held)
    }
}

/// The strongest cell of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// Its token's position.
    pub position: usize,
    /// Its layer.
    pub layer: usize,
    /// How much of the answer's probability it restores.
    pub effect: f64,
    /// The standard deviation of the effect over noise samples; none for one sample.
    pub std: Option<f64>,
    /// The number of noise samples.
    pub samples: u32,
}

impl Peak {
    /// True where the mean effect over noise samples is more than two standard errors from zero;
    /// one sample can't tell.
    pub(crate) fn is_clear(&self) -> bool {
        let error = self.std.map(|std| std / f64::from(self.samples).sqrt());
        error.is_none_or(|error| self.effect > 2.0 * error)
    }
}
