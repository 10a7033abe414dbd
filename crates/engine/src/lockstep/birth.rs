//! Rows that no stage computes: interventions' outcomes, and sums of rows of different runs.

use std::collections::BTreeMap;

use burn::tensor::{Bool, Tensor, TensorData};
use tracewright_ir::plan::{BLOCK_ROWS, Birth, Held, Patch, width};
use tracewright_ir::{Component, Intervention, Locus, Operation, RunId, Source, Value};

use crate::error::EngineError;
use crate::lockstep::call::Called;
use crate::lockstep::operate::operate;
use crate::lockstep::part::Part;
use crate::lockstep::walk::{Block, Live, Walk};

impl Walk<'_> {
    /// Completes a stage of a block: keeps what others read, and adds the rows that are born here.
    pub(crate) fn settle(
        &mut self,
        block: &Block<'_>,
        component: Component,
        mut live: Live,
    ) -> Result<Live, EngineError> {
        self.keep(block, component, &live);
        for rows in generations(block, component) {
            let joins = |row: &&u32| matches!(block.row(**row).birth, Birth::Join { .. });
            let (joined, patched): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| joins(row));
            let joined = self.join(block, component, joined)?;
            let patched = self.patch(block, component, patched)?;
            let declared = rows.iter().map(|row| match block.row(*row).birth {
                Birth::Patch { index, .. } => block.segment.patches[index as usize].flops,
                _ => 0,
            });
            self.cost.flops += declared.sum::<u64>();
            for born in [joined, patched] {
                self.keep(block, component, &born);
                live = self.merge(live, born);
            }
        }
        Ok(live)
    }

    pub(crate) fn keep(&mut self, block: &Block<'_>, component: Component, live: &Live) {
        if let Some(value) = &live.value {
            self.kept.keep(component, &live.rows, value, self.decoder);
            self.held[block.at].keep(component, &live.rows, value, self.decoder);
        }
    }

    /// Both in the order of their rows.
    pub(crate) fn merge(&self, a: Live, b: Live) -> Live {
        let (first, second) = match (a.value, b.value) {
            (Some(first), Some(second)) => (first, second),
            (Some(value), None) => return Live { rows: a.rows, value: Some(value) },
            (None, value) => return Live { rows: b.rows, value },
        };
        let mut order: Vec<(u32, usize)> = a.rows.iter().chain(&b.rows).copied().zip(0..).collect();
        order.sort_unstable();
        let places: Vec<usize> = order.iter().map(|(_, place)| *place).collect();
        let value = Tensor::cat(vec![first, second], 0);
        let value = value.select(0, self.decoder.indices(&places));
        Live { rows: order.into_iter().map(|(row, _)| row).collect(), value: Some(value) }
    }

    /// Sums of the residual stream of one row and the branch of another.
    fn join(
        &self,
        block: &Block<'_>,
        component: Component,
        rows: Vec<u32>,
    ) -> Result<Live, EngineError> {
        if rows.is_empty() {
            return Ok(Live { rows, value: None });
        }
        let parts = rows.iter().filter_map(|row| match block.row(*row).birth {
            Birth::Join { resid, branch, .. } => Some((resid, branch)),
            _ => None,
        });
        let (resid, branch): (Vec<u32>, Vec<u32>) = parts.unzip();
        let [stream, added] = self.layout.summands(component, block.at);
        let resid = match component == self.layout.attention_sum() {
            true => self.below.take(&resid),
            false => self.kept.take(stream, &resid)?,
        };
        let branch = self.kept.take(added, &branch)?;
        Ok(Live { rows, value: Some(resid + branch) })
    }

    /// What interventions make of rows.
    fn patch(
        &self,
        block: &Block<'_>,
        component: Component,
        rows: Vec<u32>,
    ) -> Result<Live, EngineError> {
        let mut live = Live { rows: Vec::new(), value: None };
        let mut ways: BTreeMap<Way, Vec<u32>> = BTreeMap::new();
        for row in rows {
            ways.entry(self.way(component, self.patch_of(block, row))).or_default().push(row);
        }
        for (way, rows) in ways {
            let value = match way {
                Way::Host => self.on_host(block, component, &rows)?,
                Way::Copy => self.copied(block, component, &rows)?,
            };
            live = self.merge(live, Live { rows, value: Some(value) });
        }
        Ok(live)
    }

    fn patch_of<'b>(&self, block: &Block<'b>, row: u32) -> &'b Patch {
        match block.row(row).birth {
            Birth::Patch { index, .. } => &block.segment.patches[index as usize],
            _ => unreachable!("only rows born of patches are asked for"),
        }
    }

    pub(crate) fn operation(&self, patch: &Patch) -> &Operation {
        let run = &self.requests[patch.request].runs[patch.run.0];
        &run.interventions[patch.intervention].operation
    }

    /// What a patch of a row writes, and for each of its sources what it reads. Cells of keys that the
    /// position doesn't see don't exist: nothing is written to them.
    fn parts(&self, block: &Block<'_>, row: u32) -> (Part, Vec<Part>) {
        let patch = self.patch_of(block, row);
        let request = self.requests[patch.request];
        let intervention = &request.runs[patch.run.0].interventions[patch.intervention];
        let len = |run| request.tokens(run).map_or(0, <[u32]>::len);
        let part = |locus: &Locus, run: RunId| {
            Part::of(locus, &self.narrowed, len(run), patch.index as usize)
        };
        let locus = &intervention.locus;
        let mut to = part(locus, patch.run);
        let sources = intervention.sources().iter();
        let source = |source: &Source| part(source.locus.as_ref().unwrap_or(locus), source.run);
        let mut from: Vec<Part> = sources.map(source).collect();
        if locus.site.component.has_sources() {
            let layer = locus.site.layer.unwrap_or_default();
            let keys = self.narrowed.keys(layer, block.row(row).position as usize);
            let exists = |column: &usize| keys.contains(&(column % self.narrowed.context));
            let exist: Vec<bool> = to.columns.iter().map(exists).collect();
            std::iter::once(&mut to).chain(&mut from).for_each(|part| part.retain(&exist));
        }
        (to, from)
    }

    fn way(&self, component: Component, patch: &Patch) -> Way {
        let run = &self.requests[patch.request].runs[patch.run.0];
        let Intervention { locus, operation } = &run.interventions[patch.intervention];
        let Operation::Replace(Value::Source(Source { locus: from, .. })) = operation else {
            return Way::Host;
        };
        let from = from.as_ref().unwrap_or(locus);
        let wide = |component| width(&self.narrowed, component);
        let same = from.heads == locus.heads
            && from.neurons == locus.neurons
            && from.src_positions == locus.src_positions
            // Scores and patterns have other cells of later keys, and other ones at other positions.
            && (!component.has_sources()
                || from.site.component == component && from.positions == locus.positions)
            && wide(from.site.component) == wide(component);
        if same { Way::Copy } else { Way::Host }
    }

    /// Copies of single columns between rows: one selection for all of them.
    fn copied(
        &self,
        block: &Block<'_>,
        component: Component,
        rows: &[u32],
    ) -> Result<Tensor<2>, EngineError> {
        let patches: Vec<&Patch> = rows.iter().map(|row| self.patch_of(block, *row)).collect();
        let sources: Vec<Held> = patches.iter().map(|patch| patch.operands[0]).collect();
        let sources = self.operands(&sources)?;
        if patches.iter().all(|patch| !patch.reads_input) {
            return Ok(sources);
        }
        // A row that is copied whole has no input; its own source stands in for it.
        let width = width(&self.narrowed, component);
        let mut mask = vec![false; patches.len() * width];
        for (row, mask) in rows.iter().zip(mask.chunks_exact_mut(width)) {
            self.parts(block, *row).0.columns.into_iter().for_each(|column| mask[column] = true);
        }
        let shape = [patches.len(), width];
        let mask: Tensor<2, Bool> =
            Tensor::from_data(TensorData::new(mask, shape), self.decoder.device());
        let inputs: Vec<u32> = patches.iter().filter(|p| p.reads_input).map(|p| p.input).collect();
        let read = self.kept.take(component, &inputs)?;
        let mut next = 0;
        let places: Vec<usize> = patches
            .iter()
            .enumerate()
            .map(|(index, patch)| {
                next += usize::from(patch.reads_input);
                if patch.reads_input { next - 1 } else { inputs.len() + index }
            })
            .collect();
        let inputs = Tensor::cat(vec![read, sources.clone()], 0);
        let inputs = inputs.select(0, self.decoder.indices(&places));
        Ok(inputs.mask_where(mask, sources))
    }

    /// Values that patches read, a row for each; all are of one width.
    fn operands(&self, held: &[Held]) -> Result<Tensor<2>, EngineError> {
        let mut groups: BTreeMap<(u32, Component), Vec<usize>> = BTreeMap::new();
        for (index, held) in held.iter().enumerate() {
            groups.entry((held.segment, held.component)).or_default().push(index);
        }
        let (mut parts, mut order) = (Vec::new(), vec![0; held.len()]);
        let mut done = 0;
        for ((segment, component), members) in groups {
            let rows: Vec<u32> = members.iter().map(|index| held[*index].row).collect();
            parts.push(match segment as usize == self.at {
                true => self.kept.take(component, &rows)?,
                false => self.held[segment as usize].take(component, &rows)?,
            });
            for index in members {
                order[index] = done;
                done += 1;
            }
        }
        let all = match <[Tensor<2>; 1]>::try_from(parts) {
            Ok([all]) => all,
            Err(parts) => Tensor::cat(parts, 0),
        };
        Ok(self.decoder.select_rows(all, &order))
    }

    /// Whatever else an intervention may be, number by number; what is read comes in few transfers.
    fn on_host(
        &self,
        block: &Block<'_>,
        component: Component,
        rows: &[u32],
    ) -> Result<Tensor<2>, EngineError> {
        let width = width(&self.narrowed, component);
        // What cells of later keys have.
        let nothing = if component == Component::Scores { f32::NEG_INFINITY } else { 0.0 };
        let mut values = Vec::with_capacity(rows.len() * width);
        let mut called = Called::default();
        let count = |row: &u32| self.patch_of(block, *row).operands.len();
        for rows in batches(rows, count) {
            let patches: Vec<&Patch> = rows.iter().map(|row| self.patch_of(block, *row)).collect();
            let inputs: Vec<u32> =
                patches.iter().filter(|patch| patch.reads_input).map(|patch| patch.input).collect();
            let inputs = match inputs.is_empty() {
                true => Vec::new(),
                false => read(self.kept.take(component, &inputs)?)?,
            };
            let mut inputs = inputs.chunks_exact(width);
            let held: Vec<Held> =
                patches.iter().flat_map(|patch| patch.operands.iter().copied()).collect();
            let sources = self.sources(&held)?;
            let mut sources = sources.iter().map(Vec::as_slice);
            for (row, patch) in rows.iter().zip(patches) {
                let first = values.len();
                let input = if patch.reads_input { inputs.next() } else { None };
                match input {
                    Some(input) => values.extend_from_slice(input),
                    None => values.resize(first + width, nothing),
                }
                let sources: Vec<&[f32]> = sources.by_ref().take(patch.operands.len()).collect();
                let (to, from) = self.parts(block, *row);
                let values = &mut values[first..];
                match self.operation(patch) {
                    Operation::Call(call) => {
                        let called = called.of(self, patch, call, &sources)?;
                        for (column, place) in to.columns.iter().zip(&to.places) {
                            values[*column] = called[*place];
                        }
                    }
                    operation => operate(operation, values, &to, &from, &sources),
                }
            }
        }
        let shape = [rows.len(), width];
        Ok(Tensor::from_data(TensorData::new(values, shape), self.decoder.device()))
    }

    /// Values that patches read, whatever their widths.
    fn sources(&self, held: &[Held]) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut of_component: BTreeMap<Component, Vec<usize>> = BTreeMap::new();
        for (index, held) in held.iter().enumerate() {
            of_component.entry(held.component).or_default().push(index);
        }
        let mut sources = vec![Vec::new(); held.len()];
        for (component, members) in of_component {
            let of_members: Vec<Held> = members.iter().map(|index| held[*index]).collect();
            let values = read(self.operands(&of_members)?)?;
            let rows = values.chunks_exact(width(&self.narrowed, component));
            for (index, row) in members.into_iter().zip(rows) {
                sources[index] = row.to_vec();
            }
        }
        Ok(sources)
    }
}

fn read(tensor: Tensor<2>) -> Result<Vec<f32>, EngineError> {
    tensor.try_into_vec_as().map_err(EngineError::device)
}

/// Rows that are made together: as many as read a block's rows, one at least.
fn batches(rows: &[u32], reads: impl Fn(&u32) -> usize) -> impl Iterator<Item = &[u32]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut read = 0;
        let fits = |row: &&u32| {
            read += reads(row);
            read <= BLOCK_ROWS
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (batch, more) = rest.split_at(count);
        rest = more;
        (!batch.is_empty()).then_some(batch)
    })
}

/// How a patch is carried out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// The same columns of another row.
    Copy,
    /// Anything else.
    Host,
}

/// The rows of a block that are born at a stage, in an order in which each reads only earlier ones.
fn generations(block: &Block<'_>, component: Component) -> Vec<Vec<u32>> {
    let born = |birth: &Birth| matches!(birth, Birth::Patch { .. } | Birth::Join { .. });
    let here = |row: &tracewright_ir::plan::Row| {
        born(&row.birth) && row.birth.component() == component && row.stages.has(component)
    };
    let mut generation: BTreeMap<u32, usize> = BTreeMap::new();
    let mut all: Vec<Vec<u32>> = Vec::new();
    for row in block.rows(here) {
        let after = |read: u32| generation.get(&read).map_or(0, |generation| generation + 1);
        let number = match block.row(row).birth {
            Birth::Patch { index, .. } => {
                let patch = &block.segment.patches[index as usize];
                let same =
                    |held: &&Held| held.segment as usize == block.at && held.component == component;
                let operands = patch.operands.iter().filter(same).map(|held| after(held.row));
                operands.chain([after(patch.input)]).max().unwrap_or(0)
            }
            _ => 0,
        };
        generation.insert(row, number);
        if all.len() <= number {
            all.resize(number + 1, Vec::new());
        }
        all[number].push(row);
    }
    all
}
