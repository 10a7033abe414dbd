//! Loci: sites narrowed to positions, heads and neurons.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::component::Axis;
use crate::error::IrError;
use crate::site::Site;

/// Which indices of an axis are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Selection {
    /// Every index of the axis.
    #[default]
    All,
    /// These, rising and each once (see [`Selection::only`]).
    Only(Vec<usize>),
}

impl Selection {
    /// The given indices, sorted, each once.
    pub fn only(indices: impl IntoIterator<Item = usize>) -> Self {
        let mut indices: Vec<usize> = indices.into_iter().collect();
        indices.sort_unstable();
        indices.dedup();
        Self::Only(indices)
    }

    /// The indices on an axis of length `len`.
    pub fn indices(&self, len: usize) -> Vec<usize> {
        match self {
            Self::All => (0..len).collect(),
            Self::Only(indices) => indices.clone(),
        }
    }

    /// How many indices are meant on an axis of length `len`.
    pub(crate) fn len(&self, len: usize) -> usize {
        match self {
            Self::All => len,
            Self::Only(indices) => indices.len(),
        }
    }

    /// The `which`th index that is meant, of those that there are.
    pub(crate) fn at(&self, which: usize) -> usize {
        match self {
            Self::All => which,
            Self::Only(indices) => indices[which],
        }
    }

    /// The first index that is meant.
    pub(crate) fn first(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Only(indices) => indices.first().copied().unwrap_or(0),
        }
    }

    /// Everything on an axis of length `len` that isn't selected.
    pub fn complement(&self, len: usize) -> Self {
        let selected = self.indices(len);
        Self::Only((0..len).filter(|i| !selected.contains(i)).collect())
    }

    fn check(&self, axis: Axis, len: usize, site: Site) -> Result<(), IrError> {
        let Self::Only(indices) = self else { return Ok(()) };
        let axis = axis.name();
        if indices.is_empty() {
            return Err(IrError::EmptySelection { site, axis });
        }
        if !indices.is_sorted_by(|a, b| a < b) {
            return Err(IrError::UnsortedSelection { site, axis });
        }
        match indices.iter().find(|&&index| index >= len) {
            Some(&index) => Err(IrError::IndexOutOfRange { site, axis, index, len }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only(indices) = self else { return f.write_str("all") };
        let words: Vec<String> = indices.iter().map(usize::to_string).collect();
        f.write_str(&words.join(","))
    }
}

/// A part of one site's value: the places that an intervention changes or a reading gives back.
///
/// ```
/// use tracewright_ir::{Component, Locus, Site};
///
/// let locus = Locus::at(Site::in_layer(Component::Z, 9)).heads([6]).positions([14]);
/// assert_eq!(locus.to_string(), "z@9[position 14, head 6]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locus {
    /// The site.
    pub site: Site,
    /// Positions; destinations for scores and patterns.
    #[serde(default)]
    pub positions: Selection,
    /// Heads: query heads of q, z, result, scores and pattern, key/value heads of k and v.
    #[serde(default)]
    pub heads: Selection,
    /// Key positions of scores and patterns.
    #[serde(default)]
    pub src_positions: Selection,
    /// Neurons of the MLP.
    #[serde(default)]
    pub neurons: Selection,
}

impl Locus {
    /// The whole of a site.
    pub fn at(site: Site) -> Self {
        let [positions, heads, src_positions, neurons] = Default::default();
        Self { site, positions, heads, src_positions, neurons }
    }

    /// At these positions only.
    #[must_use]
    pub fn positions(mut self, positions: impl IntoIterator<Item = usize>) -> Self {
        self.positions = Selection::only(positions);
        self
    }

    /// In these heads only.
    #[must_use]
    pub fn heads(mut self, heads: impl IntoIterator<Item = usize>) -> Self {
        self.heads = Selection::only(heads);
        self
    }

    /// For these key positions only.
    #[must_use]
    pub fn src_positions(mut self, positions: impl IntoIterator<Item = usize>) -> Self {
        self.src_positions = Selection::only(positions);
        self
    }

    /// In these neurons only.
    #[must_use]
    pub fn neurons(mut self, neurons: impl IntoIterator<Item = usize>) -> Self {
        self.neurons = Selection::only(neurons);
        self
    }

    fn selection(&self, axis: Axis) -> &Selection {
        match axis {
            Axis::Position => &self.positions,
            Axis::SrcPosition => &self.src_positions,
            Axis::Head | Axis::KvHead => &self.heads,
            Axis::Neuron => &self.neurons,
            Axis::HeadWidth | Axis::Width | Axis::Vocab | Axis::One => &Selection::All,
        }
    }

    /// The shape of the locus' value in a run of `len` tokens, in the order of the site's axes.
    pub fn shape(&self, architecture: &Architecture, len: usize) -> Vec<usize> {
        let count = |axis: &Axis| {
            let whole = architecture.axis_len(*axis, len);
            match self.selection(*axis) {
                Selection::All => whole,
                Selection::Only(indices) => indices.len(),
            }
        };
        self.site.component.axes().iter().map(count).collect()
    }

    /// The number of values in the locus.
    pub fn count(&self, architecture: &Architecture, len: usize) -> usize {
        self.shape(architecture, len).iter().product()
    }

    /// Where the locus lies in its site's value, seen as a matrix of one run of `len` tokens.
    pub fn extent(&self, architecture: &Architecture, len: usize) -> Extent {
        let component = self.site.component;
        let positions = self.positions.indices(len);
        let axis_len = |axis| architecture.axis_len(axis, len);
        if component.has_sources() {
            let heads = self.heads.indices(architecture.n_heads);
            let rows = heads.iter().flat_map(|head| positions.iter().map(move |p| head * len + p));
            return Extent { rows: rows.collect(), columns: self.src_positions.clone() };
        }
        let columns = match (component.head_axis(), &self.heads, &self.neurons) {
            (Some(_), Selection::Only(heads), _) => {
                let width = component.axes().last().map_or(1, |axis| axis_len(*axis));
                let block = |head: &usize| head * width..(head + 1) * width;
                Selection::Only(heads.iter().flat_map(block).collect())
            }
            (_, _, neurons) => neurons.clone(),
        };
        Extent { rows: positions, columns }
    }

    /// Fails where a run of `len` tokens hasn't got this locus.
    ///
    /// # Errors
    ///
    /// A site that the model hasn't got, an index past the end of its axis, a selection of
    /// nothing, or one on an axis that the site hasn't got.
    pub fn check(&self, architecture: &Architecture, len: usize) -> Result<(), IrError> {
        let site = self.site;
        site.check(architecture)?;
        let axes = site.component.axes();
        for axis in axes {
            self.selection(*axis).check(*axis, architecture.axis_len(*axis, len), site)?;
        }
        let heads = site.component.head_axis().is_some();
        let misplaced = [
            ("head", &self.heads, heads),
            ("src_position", &self.src_positions, site.component.has_sources()),
            ("neuron", &self.neurons, site.component.has_neurons()),
        ];
        match misplaced
            .into_iter()
            .find(|(_, selection, has)| !has && **selection != Selection::All)
        {
            Some((axis, ..)) => Err(IrError::NoSuchAxis { site, axis }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Locus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selections = [
            ("position", &self.positions),
            ("head", &self.heads),
            ("src_position", &self.src_positions),
            ("neuron", &self.neurons),
        ];
        let narrowed = selections.iter().filter(|(_, selection)| **selection != Selection::All);
        let words: Vec<String> = narrowed.map(|(axis, which)| format!("{axis} {which}")).collect();
        match words.as_slice() {
            [] => write!(f, "{}", self.site),
            words => write!(f, "{}[{}]", self.site, words.join(", ")),
        }
    }
}

/// A locus as rows and columns of its site's value.
///
/// A run's value at a site is one matrix: `[positions, heads · width]` with each head a block of
/// columns, or `[heads · positions, src_positions]` for scores and patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Rows, counted within the run.
    pub rows: Vec<usize>,
    /// Columns.
    pub columns: Selection,
}
