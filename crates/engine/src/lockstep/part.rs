//! Which numbers of a row a locus means.
//!
//! A pass has a row for each position of a run. A row of scores or of a pattern holds the cells of all
//! heads, as many for each as the longest prompt of the pass has tokens.

use tracewright_ir::{Architecture, Locus};

/// The numbers of one row that belong to a locus.
pub(crate) struct Part {
    /// Where they stand in the row.
    pub(crate) columns: Vec<usize>,
    /// Where they stand in the locus' value, in C order.
    pub(crate) places: Vec<usize>,
}

impl Part {
    /// What a locus means of the row of its `index`th position, in a run of `len` tokens; the model is
    /// that of the pass's scope.
    pub(crate) fn of(locus: &Locus, architecture: &Architecture, len: usize, index: usize) -> Self {
        if !locus.site.component.has_sources() {
            // Apart from cells, columns don't depend on the length of the run.
            let columns = locus.extent(architecture, 1).columns;
            let width = tracewright_ir::plan::width(architecture, locus.site.component);
            let columns = columns.indices(width);
            let first = index * columns.len();
            return Self { places: (first..first + columns.len()).collect(), columns };
        }
        let heads = locus.heads.indices(architecture.n_heads);
        let keys = locus.src_positions.indices(len);
        let positions = locus.positions.indices(len).len();
        let (mut columns, mut places) = (Vec::new(), Vec::new());
        for (at, head) in heads.iter().enumerate() {
            let first = (at * positions + index) * keys.len();
            columns.extend(keys.iter().map(|key| head * architecture.context + key));
            places.extend(first..first + keys.len());
        }
        Self { columns, places }
    }

    /// Drops the numbers that aren't to be touched; `kept` has as many as there are.
    pub(crate) fn retain(&mut self, kept: &[bool]) {
        for list in [&mut self.columns, &mut self.places] {
            let mut kept = kept.iter();
            list.retain(|_| kept.next().copied().unwrap_or(false));
        }
    }
}
