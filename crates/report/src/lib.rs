//! Figures, terminal heatmaps and summaries of what a trace found.
//!
//! Everything here is a function from plain data to text or bytes. Four things this crate never
//! does:
//!
//! - it never runs a model, and it reads no file: its input is grids of numbers and tokens;
//! - it never prints and never looks at the environment: the program asks for a width and a
//!   [`ColorDepth`] and prints what it gets;
//! - it never uses a font of the system: DejaVu Sans is part of it, so text is measured and drawn
//!   alike everywhere;
//! - it never draws twice differently: the same input gives the same bytes.
//!
//! A figure goes through three steps, each plain data: a [`Heatmap`] (what is said), a scene
//! (rectangles and texts with their places), and a backend of Plotters (pixels or SVG). Tokens are
//! other people's text: [`visible`] stands between them and every output.
//!
//! ```
//! use tracewright_report::{ColorDepth, Heatmap, RomeGrid, RomeKind};
//! use tracewright_report::{draw_png, draw_svg, draw_terminal, heading};
//!
//! let tokens = ["SN", "CF", " is", " in"].map(str::to_owned);
//! let heatmap = Heatmap::rome(&RomeGrid {
//!     kind: RomeKind::Mlp,
//!     values: &[0.2, 0.3, 0.7, 0.4, 0.2, 0.2, 0.2, 0.5], // [tokens, layers]
//!     low_score: 0.2,
//!     tokens: &tokens,
//!     subject: 0..2,
//!     answer: " Paris",
//!     window: 1,
//!     model: "GPT-2",
//! })?;
//! let heading = heading(&tokens.concat(), " Paris");
//! let png: Vec<u8> = draw_png(&[heatmap.clone()], &heading)?;
//! assert!(png.starts_with(b"\x89PNG"));
//! let svg: String = draw_svg(&[heatmap.clone()], &heading)?;
//! assert!(svg.contains("SNCF is in → Paris"));
//! let text: String = draw_terminal(&heatmap, 80, ColorDepth::None)?;
//! assert!(text.contains("CF* ███"));
//! # Ok::<(), tracewright_report::ReportError>(())
//! ```

mod average_curves;
mod average_figures;
mod average_heatmaps;
mod axes;
mod case;
mod cell_labels;
mod cividis;
mod colormap;
mod colors;
mod comparison;
mod curve;
mod curve_panel;
mod drawing;
mod error;
mod figure;
mod font;
mod grids;
mod heatmap;
mod label;
mod layout;
mod pair;
mod pair_figures;
mod pair_summary;
mod panel;
mod peaks;
mod regions;
mod rome_figures;
mod scene;
mod series;
mod summary;
mod terminal;
mod ticks;

pub use average_figures::average_figures;
pub use case::CaseReport;
pub use colormap::{Colormap, Rgb};
pub use colors::{Colors, Look, Palette};
pub use comparison::comparison_figures;
pub use curve::{Bars, Curve};
pub use drawing::{Figure, Format};
pub use error::ReportError;
pub use figure::{Plot, draw_png, draw_svg, heading};
pub use heatmap::{Heatmap, RomeGrid, RomeKind};
pub use label::visible;
pub use pair::PairReport;
pub use pair_figures::Style;
pub use peaks::{EffectGrid, Peak};
pub use regions::{Region, regions};
pub use rome_figures::{Traces, rome_figures};
pub use series::{Extent, Series};
pub use summary::{Severed, TraceResult, summary};
pub use terminal::{ColorDepth, draw_terminal};
