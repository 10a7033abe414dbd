//! Values that are read at another place than the one where they are computed.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Tensor;
use tracewright_ir::plan::width;
use tracewright_ir::{Architecture, Component, Site};
use tracewright_models::{Decoder, Rows};

use crate::error::EngineError;

/// The rows of a segment that somebody reads, by stage.
pub(crate) struct Kept(BTreeMap<Component, Store>);

struct Store {
    /// The rows that are kept, rising; each stands at its place in this list.
    rows: Vec<u32>,
    values: Rows,
}

impl Kept {
    /// Room for these values, of a model as the pass computes it.
    pub(crate) fn new(
        decoder: &Decoder,
        architecture: &Architecture,
        which: &BTreeSet<(Component, u32)>,
    ) -> Self {
        let mut rows: BTreeMap<Component, Vec<u32>> = BTreeMap::new();
        for (component, row) in which {
            rows.entry(*component).or_default().push(*row);
        }
        let store = |(component, rows): (Component, Vec<u32>)| {
            let mut values = Rows::new(decoder, width(architecture, component));
            values.resize(rows.len());
            (component, Store { rows, values })
        };
        Self(rows.into_iter().map(store).collect())
    }

    /// Keeps those of these rows that somebody reads.
    pub(crate) fn keep(
        &mut self,
        component: Component,
        rows: &[u32],
        value: &Tensor<2>,
        decoder: &Decoder,
    ) {
        let Some(store) = self.0.get_mut(&component) else { return };
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (index, row) in rows.iter().enumerate() {
            if let Ok(place) = store.rows.binary_search(row) {
                from.push(index);
                to.push(place as u32);
            }
        }
        if !from.is_empty() {
            store.values.write(&to, decoder.select_rows(value.clone(), &from));
        }
    }

    /// Reads kept rows: `[rows.len(), width]`.
    pub(crate) fn take(
        &self,
        component: Component,
        rows: &[u32],
    ) -> Result<Tensor<2>, EngineError> {
        let site = Site::outside(component);
        let missing = || EngineError::NotKept { site };
        let store = self.0.get(&component).ok_or_else(missing)?;
        let place = |row: &u32| store.rows.binary_search(row).map(|at| at as u32);
        let places: Vec<u32> =
            rows.iter().map(place).collect::<Result<_, _>>().map_err(|_| missing())?;
        Ok(store.values.take(&places))
    }
}
