//! A figure as a person files it: its parts, its name, its formats.

use std::str::FromStr;

use crate::colors::{Look, of_name};
use crate::curve::{Bars, Curve};
use crate::error::ReportError;
use crate::figure::{Plot, draw_png, draw_svg};
use crate::heatmap::Heatmap;

/// What a figure is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Pixels, about 200 in an inch.
    Png,
    /// Vectors, with texts as texts.
    Svg,
}

impl Format {
    const ALL: [(&str, Self); 2] = [("png", Self::Png), ("svg", Self::Svg)];

    /// What files of this format end in.
    pub fn extension(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| *name)
    }
}

impl FromStr for Format {
    type Err = ReportError;

    fn from_str(word: &str) -> Result<Self, ReportError> {
        of_name(word, "figures as", &Self::ALL)
    }
}

/// Heatmaps, then curves, then bars, side by side under a heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// What its file's name is or ends in.
    pub name: String,
    /// The lines above; may be empty.
    pub heading: String,
    /// Its heatmaps.
    pub heatmaps: Vec<Heatmap>,
    /// Its curves.
    pub curves: Vec<Curve>,
    /// Its bars.
    pub bars: Vec<Bars>,
}

impl Figure {
    /// True where there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.plots().next().is_none()
    }

    /// Its name after a case's, if it has one of its own.
    pub fn named(&self, case: &str) -> String {
        match self.name.as_str() {
            "" => case.to_owned(),
            name => format!("{case}_{name}"),
        }
    }

    fn plots(&self) -> impl Iterator<Item = Plot<'_>> {
        let heatmaps = self.heatmaps.iter().map(Plot::from);
        let curves = self.curves.iter().map(Plot::from);
        heatmaps.chain(curves).chain(self.bars.iter().map(Plot::from))
    }

    /// The same in other colours, or lying the other way.
    pub fn with(self, look: Look) -> Self {
        Self {
            heatmaps: self.heatmaps.into_iter().map(|map| map.with(look)).collect(),
            curves: self.curves.into_iter().map(|curve| curve.with(look)).collect(),
            bars: self.bars.into_iter().map(|bars| bars.with(look)).collect(),
            ..self
        }
    }

    /// The bytes of its file.
    ///
    /// # Errors
    ///
    /// A figure of nothing, parts that don't fit their axes, more pixels than can be drawn.
    pub fn draw(&self, format: Format) -> Result<Vec<u8>, ReportError> {
        match format {
            Format::Png => self.png(),
            Format::Svg => self.svg().map(String::into_bytes),
        }
    }

    /// The figure's PNG.
    ///
    /// # Errors
    ///
    /// As [`Figure::draw`].
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        draw_png(self.plots(), &self.heading)
    }

    /// The figure's SVG document.
    ///
    /// # Errors
    ///
    /// As [`Figure::draw`].
    pub fn svg(&self) -> Result<String, ReportError> {
        draw_svg(self.plots(), &self.heading)
    }
}
