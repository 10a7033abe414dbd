//! Curves and bars as plain data: values over layers.

use crate::colors::{Look, Palette};
use crate::series::{Extent, Series};

/// Lines over layers, each within a band where it has intervals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The line above it.
    pub title: String,
    /// The line under the layers.
    pub x_label: String,
    /// One label for each layer.
    pub columns: Vec<String>,
    /// The lines.
    pub lines: Vec<Series>,
    /// What the axis of values holds.
    pub extent: Extent,
    /// The lines' colours.
    pub palette: Palette,
}

/// Bars over layers, side by side at each layer, with their intervals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// The line above it.
    pub title: String,
    /// The line under the layers.
    pub x_label: String,
    /// One label for each layer, or whatever else bars stand at.
    pub columns: Vec<String>,
    /// The bars, one of each series at a layer.
    pub series: Vec<Series>,
    /// The bars' colours.
    pub palette: Palette,
}

impl Curve {
    pub(crate) fn with(mut self, look: Look) -> Self {
        self.palette = look.colors.palette(self.palette);
        self
    }
}

impl Bars {
    pub(crate) fn with(mut self, look: Look) -> Self {
        self.palette = look.colors.palette(self.palette);
        self
    }
}
