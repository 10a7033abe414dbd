//! A case's grids as ROME's code writes them.
//!
//! Reference: `experiments/causal_trace.py` and `causal_trace_frozen_mlp_attn.ipynb` of
//! kmeng01/rome. Names, dtypes and order of the arrays are those of its files, so that its
//! notebooks plot ours.

use crate::Row;
use crate::array::Array;
use crate::case::{CaseRecord, KindGrid};
use crate::outputs::digest;

/// The folder of these files in a results folder.
pub(crate) const CASES: &str = "cases";

/// The arrays of one `.npz` file by name, in the order of the file.
pub type NamedArrays = Vec<(&'static str, Array)>;

/// The scores of one grid, filled row by row.
#[derive(Clone, Debug)]
pub struct Scores {
    grid: KindGrid,
    tokens: usize,
    cells: Vec<Option<f32>>,
}

impl Scores {
    /// An empty grid: `[tokens, layers]`, or `[1, layers]` for a severed one.
    pub fn new(case: &CaseRecord, grid: &KindGrid) -> Self {
        let tokens = if severed(&grid.kind).is_some() { 1 } else { case.tokens.len() };
        let cells = vec![None; tokens.saturating_mul(grid.layers)];
        Self { grid: grid.clone(), tokens, cells }
    }

    /// Empty grids for each case, in their order.
    pub(crate) fn of_cases(cases: &[CaseRecord]) -> Vec<Vec<Self>> {
        let grids =
            |case: &CaseRecord| case.grids.iter().map(|grid| Self::new(case, grid)).collect();
        cases.iter().map(grids).collect()
    }

    /// Takes the row's value if it is a cell of this grid; a null is NaN. Whether the row is of
    /// this case is the caller's to know.
    pub fn take(&mut self, row: &Row) {
        let ours = row.kind.as_deref() == Some(self.grid.kind.as_str())
            && row.site == self.grid.site
            && row.metric == self.grid.metric;
        let Some(layer) = row.layer.filter(|_| ours) else { return };
        let token = match (severed(&self.grid.kind), row.position) {
            (Some(_), _) => 0,
            (None, Some(position)) => position as usize,
            (None, None) => return,
        };
        let (layer, layers) = (layer as usize, self.grid.layers);
        if layer < layers && token < self.tokens {
            // ROME's scores are f32, ours are computed in f64.
            self.cells[token * layers + layer] = Some(row.value.map_or(f32::NAN, |v| v as f32));
        }
    }

    /// The cells in the array's order; `None` while one is missing.
    pub(crate) fn numbers(&self) -> Option<Vec<f64>> {
        self.cells.iter().map(|cell| cell.map(f64::from)).collect()
    }

    /// The grid as an array; `None` while a cell is missing, as in a sweep that was stopped.
    pub fn array(&self) -> Option<Array> {
        let cells: Option<Vec<f32>> = self.cells.iter().copied().collect();
        Array::new(&[self.tokens, self.grid.layers], cells?).ok()
    }
}

/// The path of a grid's file below the results folder.
pub fn npz_path(case: &CaseRecord, kind: &str) -> String {
    let name = file_name(&case.name);
    match (kind, severed(kind)) {
        (_, Some(module)) => format!("{CASES}/severed_{module}_{name}.npz"),
        ("hidden", _) => format!("{CASES}/knowledge_{name}.npz"),
        _ => format!("{CASES}/knowledge_{name}_{}.npz", file_name(kind)),
    }
}

/// The arrays of a grid's file, with the names, types and order of those that ROME's code writes:
///
/// | array | type | what it holds |
/// | --- | --- | --- |
/// | `scores` | f32 `[tokens, layers]` | the metric after each patch, averaged over the samples; `[1, layers]` of a severed grid |
/// | `low_score` | f64 | the metric of the corrupted runs |
/// | `high_score` | f32 | the metric of the clean run |
/// | `input_ids` | i64 `[tokens]` | the tokens as fed |
/// | `input_tokens` | text `[tokens]` | each token decoded by itself |
/// | `subject_range` | i64 `[2]` | the subject's first token, and the one after its last; left out where there is no subject |
/// | `answer` | text | the answer's token decoded |
/// | `window` | i64 | layers that are restored together |
/// | `correct_prediction` | bool | whether the model says what is expected |
/// | `kind` | text | `mlp`, `attn`; empty for hidden states and severed grids |
///
/// A case answered wrongly holds `correct_prediction` alone, as ROME's does. There is none (`None`)
/// while a cell of the grid is missing, and for a case that failed.
pub fn npz_arrays(case: &CaseRecord, scores: &Scores) -> Option<NamedArrays> {
    if case.failure.is_some() {
        return None;
    }
    let correct = ("correct_prediction", Array::scalar(case.correct_prediction));
    if !case.correct_prediction {
        return Some(vec![correct]);
    }
    let ids: Vec<i64> = case.tokens.ids.iter().map(|&id| i64::from(id)).collect();
    // ROME calls the whole block's kind None and writes it as an empty string; in its severed
    // files it is empty too.
    let kind = match scores.grid.kind.as_str() {
        "hidden" => "",
        kind if severed(kind).is_some() => "",
        kind => kind,
    };
    let mut arrays = vec![
        ("scores", scores.array()?),
        ("low_score", Array::scalar(case.low_score)),
        ("high_score", Array::scalar(case.high_score as f32)),
        ("input_ids", Array::vector(ids)),
        ("input_tokens", Array::vector(case.tokens.texts.clone())),
    ];
    if let Some(range) = &case.subject_range {
        let range = vec![range.start as i64, range.end as i64];
        arrays.push(("subject_range", Array::vector(range)));
    }
    arrays.extend([
        ("answer", Array::text(&case.answer)),
        ("window", Array::scalar(case.window as i64)),
        correct,
        ("kind", Array::text(kind)),
    ]);
    Some(arrays)
}

/// The module of a severed kind.
pub(crate) fn severed(kind: &str) -> Option<&str> {
    kind.strip_prefix("severed_")
}

/// A case's name as part of a file's name: letters, digits and `-_.@+=,` stay, everything else
/// is percent-encoded, so that two names never meet and none leads out of the folder.
pub fn file_name(name: &str) -> String {
    let mut encoded = String::new();
    for character in name.chars() {
        if character.is_alphanumeric() || "-_.@+=,".contains(character) {
            encoded.push(character);
        } else {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    // A case called `0_mlp` must not meet the MLP grid of the case `0`.
    for suffix in ["_mlp", "_attn"] {
        if let Some(start) = encoded.strip_suffix(suffix) {
            encoded = format!("{start}%5F{}", &suffix[1..]);
        }
    }
    shortened(encoded)
}

/// File systems allow names of 255 bytes; a longer one keeps its start and gets a digest.
fn shortened(name: String) -> String {
    const LONGEST: usize = 160;
    if name.len() <= LONGEST {
        return name;
    }
    let digest = digest(name.as_bytes());
    let start = name.floor_char_boundary(LONGEST - 20);
    format!("{}~{}", &name[..start], &digest[..16])
}
