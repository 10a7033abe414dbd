//! A heatmap as plain data: everything a figure says, before anything is drawn.

use std::fmt;
use std::ops::Range;

use crate::colormap::{Colormap, Rgb};
use crate::colors::Look;
use crate::error::ReportError;
use crate::label::visible;

/// What a cell without a value is drawn in.
pub(crate) const MISSING: Rgb = (217, 217, 217);

/// What ROME's causal tracing restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RomeKind {
    /// The hidden state after a layer.
    Hidden,
    /// MLP outputs in a window of layers.
    Mlp,
    /// Attention outputs in a window of layers.
    Attn,
}

impl RomeKind {
    /// The kind that cells call so; none for a severed path.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            "hidden" => Some(Self::Hidden),
            "mlp" => Some(Self::Mlp),
            "attn" => Some(Self::Attn),
            _ => None,
        }
    }

    /// The colour map of ROME's figure for this kind.
    pub fn colormap(self) -> Colormap {
        match self {
            Self::Hidden => Colormap::Purples,
            Self::Mlp => Colormap::Greens,
            Self::Attn => Colormap::Reds,
        }
    }
}

impl fmt::Display for RomeKind {
    /// The word for this kind in ROME's titles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hidden => "state",
            Self::Mlp => "MLP",
            Self::Attn => "Attn",
        })
    }
}

/// One grid of causal tracing, as a results folder holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct RomeGrid<'a> {
    /// What was restored.
    pub kind: RomeKind,
    /// The answer's probability after each patch, `[tokens, layers]`; NaN for a failed cell.
    pub values: &'a [f64],
    /// The answer's probability without a patch.
    pub low_score: f64,
    /// The prompt's tokens, each decoded by itself.
    pub tokens: &'a [String],
    /// The subject's tokens, which get a star.
    pub subject: Range<usize>,
    /// The answer whose probability it is.
    pub answer: &'a str,
    /// The number of layers restored together (ignored for hidden states).
    pub window: usize,
    /// The model's name, for the axis of hidden states.
    pub model: &'a str,
}

/// A heatmap of tokens (down) and layers (across).
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// The line above it.
    pub title: String,
    /// The line under the layers.
    pub x_label: String,
    /// The words at the colour bar.
    pub colorbar_label: String,
    /// One label for each token, the first at the top; a subject token's ends in `*`.
    pub rows: Vec<String>,
    /// One label for each layer.
    pub columns: Vec<String>,
    /// The cells, row after row; `None` for one without a value.
    pub values: Vec<Option<f64>>,
    /// The value of the map's first colour.
    pub low: f64,
    /// The value of the map's last colour.
    pub high: f64,
    /// The colours.
    pub colormap: Colormap,
    /// Whether a figure writes each cell's value into it, where there is room.
    pub numbers: bool,
}

impl Heatmap {
    /// ROME's heatmap of one grid, with the titles, colours and scale of its published figures.
    pub fn rome(grid: &RomeGrid<'_>) -> Result<Self, ReportError> {
        let title = format!("Impact of restoring {} after corrupted input", grid.kind);
        let layers = layers(&title, grid.values.len(), grid.tokens.len())?;
        let values: Vec<Option<f64>> =
            grid.values.iter().map(|v| v.is_finite().then_some(*v)).collect();
        // Never below the low end: a field that is flat or lower is drawn in one colour.
        let high = values.iter().flatten().fold(grid.low_score, |high, v| high.max(*v));
        let rows = grid.tokens.iter().enumerate();
        Ok(Self {
            title,
            x_label: x_label(grid.kind, grid.window, grid.model),
            colorbar_label: format!("p({})", visible(grid.answer.trim())),
            rows: rows.map(|(i, token)| row(token, grid.subject.contains(&i))).collect(),
            columns: (0..layers).map(|layer| layer.to_string()).collect(),
            values,
            low: grid.low_score,
            high,
            colormap: grid.kind.colormap(),
            numbers: false,
        })
    }

    /// The same with rows and columns exchanged: layers down and tokens across.
    pub fn transposed(self) -> Self {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        let cells = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
        let values = cells.map(|(row, column)| self.value(row, column)).collect();
        let x_label = match self.x_label.is_empty() {
            true => String::new(),
            false => format!("down: {}", self.x_label),
        };
        Self { rows: self.columns, columns: self.rows, values, x_label, ..self }
    }

    /// The same in other colours, or lying the other way.
    pub(crate) fn with(mut self, look: Look) -> Self {
        self.colormap = look.colors.map(self.colormap);
        if look.transposed { self.transposed() } else { self }
    }

    /// Refuses a heatmap without cells, or with more or fewer values than cells.
    pub(crate) fn check(&self) -> Result<(), ReportError> {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        if rows == 0 || columns == 0 {
            return Err(ReportError::Empty { title: self.title.clone(), rows, columns });
        }
        if self.values.len() != rows * columns {
            return Err(ReportError::WrongSize {
                name: self.title.clone(),
                given: self.values.len(),
                expected: rows * columns,
            });
        }
        Ok(())
    }

    /// The value of a cell, where there is one.
    pub(crate) fn value(&self, row: usize, column: usize) -> Option<f64> {
        let cell = row * self.columns.len() + column;
        self.values.get(cell).copied().flatten().filter(|v| v.is_finite())
    }

    /// How far between low and high a value is; 0 where the scale has no extent.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        let fraction = (value - self.low) / (self.high - self.low);
        if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The colour of a cell's value.
    pub(crate) fn color(&self, value: Option<f64>) -> Rgb {
        value.map_or(MISSING, |v| self.colormap.rgb(self.fraction(v)))
    }
}

/// The number of layers of a grid, which must be the same for each token.
pub(crate) fn layers(name: &str, given: usize, tokens: usize) -> Result<usize, ReportError> {
    if tokens == 0 || given == 0 {
        let title = name.to_owned();
        return Err(ReportError::Empty { title, rows: tokens, columns: 0 });
    }
    let layers = given.div_ceil(tokens);
    if given != tokens * layers {
        let name = name.to_owned();
        return Err(ReportError::WrongSize { name, given, expected: tokens * layers });
    }
    Ok(layers)
}

/// The label of a token, with a star for the subject's.
pub(crate) fn row(token: &str, subject: bool) -> String {
    let star = if subject { "*" } else { "" };
    format!("{}{star}", visible(token))
}

/// The line under the layers.
pub(crate) fn x_label(kind: RomeKind, window: usize, model: &str) -> String {
    match (kind, window) {
        (RomeKind::Hidden, _) => format!("single restored layer within {}", visible(model)),
        (kind, 0 | 1) => format!("single restored {kind} layer"),
        (kind, window) => format!("center of interval of {window} restored {kind} layers"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|t| (*t).to_owned()).collect()
    }

    fn grid<'a>(kind: RomeKind, values: &'a [f64], tokens: &'a [String]) -> RomeGrid<'a> {
        RomeGrid {
            kind,
            values,
            low_score: 0.1,
            tokens,
            subject: 0..2,
            answer: " Paris",
            window: 10,
            model: "GPT",
        }
    }

    #[test]
    fn a_heatmap_says_what_romes_figure_says() {
        let tokens = strings(&["SN", "CF", " is\n"]);
        let values = [0.1, 0.2, 0.3, f64::NAN, 0.05, 0.6];
        let map = Heatmap::rome(&grid(RomeKind::Mlp, &values, &tokens)).expect("a heatmap");
        insta::assert_debug_snapshot!(map, @r#"
        Heatmap {
            title: "Impact of restoring MLP after corrupted input",
            x_label: "center of interval of 10 restored MLP layers",
            colorbar_label: "p(Paris)",
            rows: [
                "SN*",
                "CF*",
                " is⏎",
            ],
            columns: [
                "0",
                "1",
            ],
            values: [
                Some(
                    0.1,
                ),
                Some(
                    0.2,
                ),
                Some(
                    0.3,
                ),
                None,
                Some(
                    0.05,
                ),
                Some(
                    0.6,
                ),
            ],
            low: 0.1,
            high: 0.6,
            colormap: Greens,
            numbers: false,
        }
        "#);
    }

    #[test]
    fn the_axis_names_the_real_window() {
        let tokens = strings(&["a", "b"]);
        let label = |kind, window| {
            let grid = RomeGrid { window, ..grid(kind, &[0.0, 1.0], &tokens) };
            Heatmap::rome(&grid).expect("a heatmap").x_label
        };
        assert_eq!(label(RomeKind::Hidden, 10), "single restored layer within GPT");
        assert_eq!(label(RomeKind::Mlp, 1), "single restored MLP layer");
        assert_eq!(label(RomeKind::Attn, 5), "center of interval of 5 restored Attn layers");
    }

    #[test]
    fn a_flat_field_and_a_field_of_nan_have_one_colour() {
        let tokens = strings(&["a"]);
        for values in [[0.1, 0.1], [f64::NAN, f64::NAN], [0.0, -1.0]] {
            let map = Heatmap::rome(&grid(RomeKind::Attn, &values, &tokens)).expect("a heatmap");
            assert_eq!(map.high, map.low);
            assert_eq!(map.color(Some(0.1)), Colormap::Reds.rgb(0.0));
            assert_eq!(map.color(None), MISSING);
        }
    }

    #[test]
    fn a_grid_that_does_not_fit_its_tokens_is_refused() {
        let tokens = strings(&["a", "b"]);
        let error = Heatmap::rome(&grid(RomeKind::Hidden, &[0.0; 3], &tokens)).unwrap_err();
        insta::assert_snapshot!(error, @r#""Impact of restoring state after corrupted input" has 3 values where 4 were expected (tokens × layers)"#);
        let error = Heatmap::rome(&grid(RomeKind::Hidden, &[], &tokens)).unwrap_err();
        insta::assert_snapshot!(error, @r#"the heatmap "Impact of restoring state after corrupted input" is empty: it has 2 tokens and 0 layers"#);
    }
}
