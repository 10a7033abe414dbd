//! From logits to metrics.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, Transaction};
use tracewright_ir::plan::{Logits, Measured, Pass};
use tracewright_ir::{Component, Metric, Request, Site};
use tracewright_models::Decoder;

use crate::error::EngineError;
use crate::execute::Execution;
use crate::extensions;
use crate::lockstep::walk::{Block, Live};
use crate::predict::{Candidate, top};

const LOGITS: Site = Site::outside(Component::Logits);

/// A metric on a row of logits: the request, the measure, the row and what it is compared with. Runs
/// that have the same row have the same value.
type Read = (usize, usize, Logits);

/// What was found of a measured run: its request, its index there, and a list.
type OfRun<T> = (usize, usize, Vec<T>);

/// The metrics of all runs, and their likeliest tokens.
type Measures = (Vec<OfRun<f64>>, Vec<OfRun<Candidate>>);

/// Rows whose metric is computed together: the request, the measure, what they are compared with.
type Batch = (usize, usize, Option<u32>);

/// The metrics of a pass, filled while logits come by. Logits are kept only where another row has to
/// be waited for.
pub(crate) struct Metrics<'a> {
    requests: &'a [&'a Request],
    execution: &'a Execution,
    pass: &'a Pass,
    /// What is read of each row.
    reads: BTreeMap<u32, Vec<Read>>,
    values: BTreeMap<(usize, usize, u32), f64>,
    /// The rows that the plan holds ([`Pass::held_logits`]), `[1, vocab]`, once they have come by.
    held: BTreeMap<u32, Option<Tensor<2>>>,
    /// The rows of which the likeliest tokens are asked for, and how many; and those found.
    topped: BTreeMap<u32, usize>,
    tops: BTreeMap<u32, Vec<Candidate>>,
    /// What waits for its clean row.
    waiting: Vec<Read>,
}

impl<'a> Metrics<'a> {
    pub(crate) fn new(
        requests: &'a [&'a Request],
        execution: &'a Execution,
        pass: &'a Pass,
    ) -> Self {
        let mut reads: BTreeMap<u32, Vec<Read>> = BTreeMap::new();
        for run in &pass.measured {
            for (measure, logits) in run.rows.iter().enumerate() {
                let of_row = reads.entry(logits.row).or_default();
                let read = (run.request, measure, *logits);
                if !of_row.contains(&read) {
                    of_row.push(read);
                }
            }
        }
        let held = pass.held_logits().into_iter().map(|row| (row, None)).collect();
        let mut topped: BTreeMap<u32, usize> = BTreeMap::new();
        for run in &pass.measured {
            let count = requests[run.request].top_k;
            if let Some(logits) = run.rows.first().filter(|_| count > 0) {
                let most = topped.entry(logits.row).or_default();
                *most = count.max(*most);
            }
        }
        let (values, waiting, tops) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { requests, execution, pass, reads, values, held, waiting, topped, tops }
    }

    /// Reads the metrics of a block's logits, in one transfer from the device. The last of them has the
    /// logits to itself, so that nothing is copied where there is one.
    pub(crate) fn read(
        &mut self,
        decoder: &Decoder,
        block: &Block<'_>,
        logits: Live,
    ) -> Result<(), EngineError> {
        let Some(value) = logits.value else { return Ok(()) };
        for (index, row) in logits.rows.iter().enumerate() {
            if let Some(held) = self.held.get_mut(row) {
                // A copy, not a view, which would hold the whole block.
                *held = Some(decoder.select_rows(value.clone(), &[index]));
            }
        }
        self.find_tops(decoder, &logits.rows, &value)?;
        let mut batches: BTreeMap<Batch, Vec<(usize, u32)>> = BTreeMap::new();
        for (index, row) in logits.rows.iter().enumerate() {
            for read in self.reads.get(row).into_iter().flatten() {
                let (request, measure, Logits { clean, .. }) = *read;
                if clean.is_none_or(|clean| (clean as usize) < block.range.end) {
                    batches.entry((request, measure, clean)).or_default().push((index, *row));
                } else {
                    self.waiting.push(*read);
                }
            }
        }
        let (mut keys, mut transaction) = (Vec::new(), Transaction::default());
        let mut value = Some(value);
        while let (Some(((request, measure, clean), rows)), Some(all)) =
            (batches.pop_first(), value.take())
        {
            let indices: Vec<usize> = rows.iter().map(|(index, _)| *index).collect();
            value = (!batches.is_empty()).then(|| all.clone());
            let values = decoder.select_rows(all, &indices);
            transaction = transaction.register(self.metric(request, measure, values, clean)?);
            keys.push((request, measure, rows));
        }
        if keys.is_empty() {
            return Ok(());
        }
        let columns = transaction.try_execute().map_err(EngineError::device)?;
        for ((request, measure, rows), column) in keys.into_iter().zip(columns) {
            let column = column.try_into_vec_as::<f32>().map_err(EngineError::device)?;
            for ((_, row), value) in rows.into_iter().zip(column) {
                self.values.insert((request, measure, row), f64::from(value));
            }
        }
        Ok(())
    }

    /// The likeliest tokens of those rows of which they are asked for.
    fn find_tops(
        &mut self,
        decoder: &Decoder,
        rows: &[u32],
        logits: &Tensor<2>,
    ) -> Result<(), EngineError> {
        let wanted = rows.iter().enumerate().filter_map(|(index, row)| {
            let count = self.topped.get(row)?;
            Some((index, *row, *count))
        });
        let wanted: Vec<(usize, u32, usize)> = wanted.collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let indices: Vec<usize> = wanted.iter().map(|(index, ..)| *index).collect();
        let (width, taken) = (logits.dims()[1], decoder.select_rows(logits.clone(), &indices));
        let taken = taken.try_into_vec_as::<f32>().map_err(EngineError::device)?;
        for ((_, row, count), logits) in wanted.into_iter().zip(taken.chunks_exact(width)) {
            self.tops.insert(row, top(logits, count));
        }
        Ok(())
    }

    fn metric(
        &self,
        request: usize,
        measure: usize,
        logits: Tensor<2>,
        clean: Option<u32>,
    ) -> Result<Tensor<1>, EngineError> {
        let metric: &Metric = &self.requests[request].measures[measure].metric;
        let clean = clean.and_then(|row| self.held(row));
        let among = self.pass.scope.tokens.as_ref().map(|tokens| metric.among(tokens));
        let metric = among.as_ref().unwrap_or(metric);
        let measured = extensions::measure(metric, logits, clean, &self.execution.extensions)?;
        measured.ok_or(EngineError::NotKept { site: LOGITS })
    }

    fn held(&self, row: u32) -> Option<Tensor<2>> {
        self.held.get(&row).cloned().flatten()
    }

    /// The values of each measured run: request, run, one value for each measure; and the likeliest tokens
    /// of those runs whose request asks for them.
    pub(crate) fn finish(mut self) -> Result<Measures, EngineError> {
        for (request, measure, logits) in std::mem::take(&mut self.waiting) {
            let row = self.held(logits.row).ok_or(EngineError::NotKept { site: LOGITS })?;
            let value = self.metric(request, measure, row, logits.clean)?;
            let value = value.try_into_vec_as::<f32>().map_err(EngineError::device)?;
            let value = value.first().copied().unwrap_or(f32::NAN);
            self.values.insert((request, measure, logits.row), f64::from(value));
        }
        let of_run = |run: &Measured| {
            let values = run.rows.iter().enumerate().map(|(measure, logits)| {
                let value = self.values.get(&(run.request, measure, logits.row));
                value.copied().unwrap_or(f64::NAN)
            });
            (run.request, run.run.0, values.collect())
        };
        let tops = |run: &Measured| {
            // Another request may have asked for more of the same row, or at all.
            let count = Some(self.requests[run.request].top_k).filter(|count| *count > 0)?;
            let tops = self.tops.get(&run.rows.first()?.row)?;
            Some((run.request, run.run.0, tops[..count.min(tops.len())].to_vec()))
        };
        let values = self.pass.measured.iter().map(of_run).collect();
        Ok((values, self.pass.measured.iter().filter_map(tops).collect()))
    }
}
