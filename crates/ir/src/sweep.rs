//! Sweeps: ordered grids of variants.

use serde::{Deserialize, Serialize};

use crate::request::Request;
use crate::run::RunId;

/// A grid of cells over the runs of one request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The runs, metrics and readings.
    pub request: Request,
    /// The runs of the clean prompt that cells are compared with.
    pub clean: Vec<RunId>,
    /// The corrupted runs, one for each noise sample.
    pub corrupted: Vec<RunId>,
    /// The runs that the cells' patches read: the clean ones, or the corrupted ones for noising.
    pub sources: Vec<RunId>,
    /// Whether clean values go into the corrupted runs or the other way round.
    pub direction: Direction,
    /// The cells in the order of their axes, the last one fastest.
    pub cells: Vec<Cell>,
}

/// Which way values are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Clean values go into corrupted runs.
    #[default]
    Denoise,
    /// Corrupted values go into clean runs.
    Noise,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Denoise, Self::Noise];

    /// The word for it in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Denoise => "denoise",
            Self::Noise => "noise",
        }
    }
}

/// One cell of a heatmap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Where in the grid.
    pub at: Coordinates,
    /// Its variants, one for each noise sample.
    pub runs: Vec<RunId>,
}

/// A cell's place on each axis; `None` where the sweep hasn't got the axis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is the axis of its name")]
pub struct Coordinates {
    pub kind: Option<String>,
    /// The site's short name, as asked for.
    pub site: String,
    /// The layer; the centre of a window of layers.
    pub layer: Option<usize>,
    pub position: Option<usize>,
    pub src_position: Option<usize>,
    pub head: Option<usize>,
    pub kv_head: Option<usize>,
    pub neuron: Option<usize>,
    pub sender: Option<String>,
    pub receiver: Option<String>,
}

/// The layers of a window of `width` around `centre`, as ROME's code counts them:
/// `max(0, centre − width // 2) … min(n_layers, centre + ⌈width / 2⌉) − 1`.
///
/// For an even width the window has one layer more below its centre than above; ROME's paper has
/// it the other way round, and the published figures follow the code.
///
/// ```
/// use tracewright_ir::window;
///
/// assert_eq!(window(6, 10, 48), 1..11);
/// assert_eq!(window(0, 10, 48), 0..5);
/// assert_eq!(window(46, 5, 48), 44..48);
/// ```
pub fn window(centre: usize, width: usize, n_layers: usize) -> std::ops::Range<usize> {
    centre.saturating_sub(width / 2)..n_layers.min(centre.saturating_add(width.div_ceil(2)))
}
