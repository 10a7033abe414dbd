//! Which colours figures have, and which way their heatmaps lie.

use std::str::FromStr;

use crate::colormap::{Colormap, Rgb};
use crate::error::ReportError;

/// The colours of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colors {
    /// Those of the published figures.
    #[default]
    Paper,
    /// Colours that people with a deficiency of colour vision can tell apart too. A map with a sign stays red
    /// and blue, which they can.
    Safe,
}

impl Colors {
    const ALL: [(&str, Self); 2] = [("paper", Self::Paper), ("safe", Self::Safe)];

    /// What stands for one of the papers' maps.
    pub(crate) fn map(self, map: Colormap) -> Colormap {
        match self {
            Self::Safe if !map.is_diverging() => Colormap::Cividis,
            _ => map,
        }
    }

    /// What stands for one of the papers' palettes.
    pub(crate) fn palette(self, palette: Palette) -> Palette {
        match self {
            Self::Safe => Palette::OkabeIto,
            Self::Paper => palette,
        }
    }
}

impl FromStr for Colors {
    type Err = ReportError;

    fn from_str(word: &str) -> Result<Self, ReportError> {
        of_name(word, "colours", &Self::ALL)
    }
}

/// The value that a word stands for.
pub(crate) fn of_name<T: Copy>(
    given: &str,
    what: &'static str,
    known: &[(&str, T)],
) -> Result<T, ReportError> {
    let found = known.iter().find(|(name, _)| *name == given);
    found.map(|(_, value)| *value).ok_or_else(|| ReportError::NoSuch {
        what,
        given: given.to_owned(),
        known: known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
    })
}

/// How a figure is drawn: its colours, and which way its heatmaps lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The colours.
    pub colors: Colors,
    /// Layers down and tokens across, not the other way.
    pub transposed: bool,
}

/// The colours of lines and bars, which differ in kind and not in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// ColorBrewer's Dark2, in which neighbours differ most.
    #[default]
    Dark2,
    /// Those of ROME's bars: a whole state, without its attention, without its MLPs.
    Rome,
    /// By M. Okabe and K. Ito (2008), made for every kind of colour vision; without black and yellow.
    OkabeIto,
}

impl Palette {
    /// The colour of a line or bar by its place among them.
    pub(crate) fn color(self, index: usize) -> Rgb {
        let colors: &[Rgb] = match self {
            Self::Dark2 => &DARK2,
            Self::Rome => &ROME,
            Self::OkabeIto => &OKABE_ITO,
        };
        colors[index % colors.len()]
    }
}

const DARK2: [Rgb; 8] = [
    (117, 112, 179),
    (217, 95, 2),
    (27, 158, 119),
    (231, 41, 138),
    (102, 166, 30),
    (230, 171, 2),
    (166, 118, 29),
    (102, 102, 102),
];

const ROME: [Rgb; 3] = [(0x72, 0x61, 0xab), (0xf3, 0x20, 0x1b), (0x20, 0xb0, 0x20)];

const OKABE_ITO: [Rgb; 6] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233)];
