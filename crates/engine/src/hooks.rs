//! One batch's interventions and readers, as a visitor of its forward pass.

use std::collections::{BTreeSet, HashMap};

use burn::tensor::{Tensor, TensorData};
use tracewright_ir::{
    Call, Component, Extent, Intervention, Locus, Operation, Request, RunId, Site, Source, State,
};
use tracewright_models::{Batch, Decoder, Visitor};

use crate::error::EngineError;
use crate::extensions::{Extensions, Values};
use crate::finite::{Place, is_sound};
use crate::patch;
use crate::schedule::{Wanted, source_locus};

/// The values that are kept for readers, `[rows, columns]` of their extents.
pub(crate) type Kept = HashMap<(RunId, Locus, State), Tensor<2>>;

/// What every batch of a request has in common.
pub(crate) struct Shared<'a> {
    pub(crate) decoder: &'a Decoder,
    pub(crate) request: &'a Request,
    pub(crate) extensions: &'a Extensions,
    /// What is to be kept of each run.
    pub(crate) wanted: Wanted,
    /// The places that any run's intervention or reader looks at: the same for all batches, so
    /// that every run takes the same path through the arithmetic.
    pub(crate) places: BTreeSet<Site>,
    /// Whether the first number that isn't finite is looked for.
    pub(crate) watched: bool,
}

/// The interventions and readers of one batch.
pub(crate) struct Hooks<'a> {
    shared: &'a Shared<'a>,
    /// What earlier batches have kept.
    earlier: &'a Kept,
    len: usize,
    /// The interventions of each run, those of its bases first.
    changes: Vec<(RunId, Vec<&'a Intervention>)>,
    pub(crate) kept: Kept,
    /// The first number that isn't finite.
    pub(crate) found: Option<Place>,
}

impl<'a> Hooks<'a> {
    pub(crate) fn new(
        shared: &'a Shared<'a>,
        earlier: &'a Kept,
        runs: &[RunId],
        len: usize,
    ) -> Self {
        let changes = runs.iter().map(|run| (*run, shared.request.interventions(*run))).collect();
        Self { shared, earlier, len, changes, kept: HashMap::new(), found: None }
    }

    /// Looks for a number that isn't finite.
    fn watch(&mut self, site: Site, value: &Tensor<2>) -> Result<(), EngineError> {
        let [rows, width] = value.dims();
        let values = value.clone().try_into_vec_as::<f32>().map_err(EngineError::device)?;
        let Some(at) = values.iter().position(|value| !is_sound(site, *value)) else {
            return Ok(());
        };
        let of_run = rows / self.changes.len();
        let (row, run) = (at / width % of_run, self.changes[at / width / of_run].0);
        // Scores and patterns have their heads one after the other.
        self.found = Some(Place { run, site, position: row % self.len });
        Ok(())
    }

    fn extent(&self, locus: &Locus) -> Extent {
        locus.extent(self.shared.decoder.architecture(), self.len)
    }

    /// Keeps what others read of `run` at this place in this state.
    fn keep(&mut self, run: RunId, place: Site, state: State, value: &Tensor<2>, first_row: usize) {
        let shared = self.shared;
        for (locus, wanted_state) in shared.wanted.get(&run).into_iter().flatten() {
            if locus.site.place() == place && *wanted_state == state {
                let taken = patch::take(shared.decoder, value, &self.extent(locus), first_row);
                self.kept.insert((run, locus.clone(), state), taken);
            }
        }
    }

    fn change(
        &self,
        intervention: &Intervention,
        value: Tensor<2>,
        first_row: usize,
    ) -> Result<Tensor<2>, EngineError> {
        let decoder = self.shared.decoder;
        let extent = self.extent(&intervention.locus);
        let current = patch::take(decoder, &value, &extent, first_row);
        let read = |source: &Source| {
            let locus = source_locus(source, intervention);
            let key = (source.run, locus.clone(), source.state);
            let missing = EngineError::NotKept { site: locus.site };
            self.earlier.get(&key).cloned().ok_or(missing)
        };
        let part = match &intervention.operation {
            Operation::Call(call) => self.call(call, &intervention.locus, current, read)?,
            operation => patch::operate(operation, current, read)?,
        };
        Ok(patch::put(decoder, value, &extent, first_row, part))
    }

    fn call(
        &self,
        call: &Call,
        locus: &Locus,
        current: Tensor<2>,
        read: impl Fn(&Source) -> Result<Tensor<2>, EngineError>,
    ) -> Result<Tensor<2>, EngineError> {
        let architecture = self.shared.decoder.architecture();
        let (device, dims) = (current.device(), current.dims());
        let host = |value: Tensor<2>| value.try_into_vec_as::<f32>().map_err(EngineError::device);
        let own = (locus.shape(architecture, self.len), host(current)?);
        let mut reads = Vec::new();
        for source in &call.reads {
            let len = self.shared.request.tokens(source.run)?.len();
            let shape = source.locus.as_ref().unwrap_or(locus).shape(architecture, len);
            reads.push((shape, host(read(source)?)?));
        }
        fn view((shape, numbers): &(Vec<usize>, Vec<f32>)) -> Values<'_> {
            Values { shape, numbers }
        }
        let reads: Vec<Values<'_>> = reads.iter().map(view).collect();
        let made = self.shared.extensions.call(&call.name, view(&own), &reads)?;
        Ok(Tensor::from_data(TensorData::new(made, dims), &device))
    }
}

impl Visitor for Hooks<'_> {
    type Error = EngineError;

    fn wants(&self, site: Site) -> bool {
        self.shared.places.contains(&site)
    }

    fn visit(&mut self, site: Site, mut value: Tensor<2>) -> Result<Tensor<2>, EngineError> {
        let rows_of_run = value.dims()[0] / self.changes.len();
        for index in 0..self.changes.len() {
            let first_row = index * rows_of_run;
            let run = self.changes[index].0;
            self.keep(run, site, State::Computed, &value, first_row);
            for change in 0..self.changes[index].1.len() {
                let intervention = self.changes[index].1[change];
                if intervention.locus.site.place() == site {
                    value = self.change(intervention, value, first_row)?;
                }
            }
        }
        if site.component.has_sources() {
            // Cells of keys that a position doesn't see don't exist: what was written there isn't left.
            let batch = Batch { sequences: self.changes.len(), len: self.len };
            let masked = if site.component == Component::Scores { f32::NEG_INFINITY } else { 0.0 };
            let layer = site.layer.unwrap_or_default();
            value = self.shared.decoder.mask_unseen(layer, batch, value, masked);
        }
        for index in 0..self.changes.len() {
            let run = self.changes[index].0;
            self.keep(run, site, State::Left, &value, index * rows_of_run);
        }
        if self.shared.watched && self.found.is_none() {
            self.watch(site, &value)?;
        }
        Ok(value)
    }
}
