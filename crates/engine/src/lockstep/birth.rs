//! Rows that no stage computes: interventions' outcomes, and sums of rows of different runs.

use std::collections::BTreeMap;

use burn::tensor::{Bool, Tensor, TensorData};
use tracewright_ir::plan::{BLOCK_ROWS, Birth, Held, Patch, width};
use tracewright_ir::{Array, Component, Operation, Selection, Value};

use crate::error::EngineError;
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
            for born in [joined, patched] {
                self.keep(block, component, &born);
                live = self.merge(live, born);
            }
        }
        Ok(live)
    }

    fn keep(&mut self, block: &Block<'_>, component: Component, live: &Live) {
        if let Some(value) = &live.value {
            self.kept.keep(component, &live.rows, value, self.decoder);
            self.held[block.at].keep(component, &live.rows, value, self.decoder);
        }
    }

    /// Both in the order of their rows.
    fn merge(&self, a: Live, b: Live) -> Live {
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
        let (resid, branch) = match component {
            Component::ResidMid => {
                (self.below.take(&resid), self.kept.take(Component::AttnOut, &branch)?)
            }
            Component::ResidPost => (
                self.kept.take(Component::ResidMid, &resid)?,
                self.kept.take(Component::MlpOut, &branch)?,
            ),
            _ => (
                self.kept.take(Component::Embed, &resid)?,
                self.kept.take(Component::PosEmbed, &branch)?,
            ),
        };
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
            ways.entry(self.way(self.patch_of(block, row))).or_default().push(row);
        }
        for (way, rows) in ways {
            let patches: Vec<&Patch> = rows.iter().map(|row| self.patch_of(block, *row)).collect();
            let value = match way {
                Way::Host => self.on_host(component, &patches)?,
                Way::Copy => self.copied(component, &patches)?,
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

    fn operation(&self, patch: &Patch) -> &Operation {
        let run = &self.requests[patch.request].runs[patch.run.0];
        &run.interventions[patch.intervention].operation
    }

    /// Columns that a patch writes, and for each of its sources those that it reads.
    fn columns(&self, patch: &Patch) -> (Selection, Vec<Selection>) {
        let request = self.requests[patch.request];
        let intervention = &request.runs[patch.run.0].interventions[patch.intervention];
        let architecture = self.decoder.architecture();
        // Without key positions the columns of a locus don't depend on the length of the run.
        let columns = |locus: &tracewright_ir::Locus| locus.extent(architecture, 1).columns;
        let locus = &intervention.locus;
        let sources = intervention.sources().iter();
        let sources = sources.map(|source| columns(source.locus.as_ref().unwrap_or(locus)));
        (columns(locus), sources.collect())
    }

    fn way(&self, patch: &Patch) -> Way {
        let (to, from) = self.columns(patch);
        match self.operation(patch) {
            Operation::Replace(Value::Source(_)) if from.iter().all(|from| *from == to) => {
                Way::Copy
            }
            _ => Way::Host,
        }
    }

    /// Copies of single columns between rows: one selection for all of them.
    fn copied(&self, component: Component, patches: &[&Patch]) -> Result<Tensor<2>, EngineError> {
        let sources: Vec<Held> = patches.iter().map(|patch| patch.operands[0]).collect();
        let sources = self.operands(&sources)?;
        if patches.iter().all(|patch| !patch.reads_input) {
            return Ok(sources);
        }
        // A row that is copied whole has no input; its own source stands in for it.
        let width = width(self.decoder.architecture(), component);
        let mut mask = vec![false; patches.len() * width];
        for (patch, mask) in patches.iter().zip(mask.chunks_exact_mut(width)) {
            self.columns(patch).0.indices(width).into_iter().for_each(|column| mask[column] = true);
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
    fn on_host(&self, component: Component, patches: &[&Patch]) -> Result<Tensor<2>, EngineError> {
        let width = width(self.decoder.architecture(), component);
        let mut values = Vec::with_capacity(patches.len() * width);
        for patches in batches(patches) {
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
            for patch in patches {
                let first = values.len();
                let input = if patch.reads_input { inputs.next() } else { None };
                match input {
                    Some(input) => values.extend_from_slice(input),
                    None => values.resize(first + width, 0.0),
                }
                let sources: Vec<&[f32]> = sources.by_ref().take(patch.operands.len()).collect();
                self.operate(patch, &mut values[first..], &sources);
            }
        }
        let shape = [patches.len(), width];
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
            let rows = values.chunks_exact(width(self.decoder.architecture(), component));
            for (index, row) in members.into_iter().zip(rows) {
                sources[index] = row.to_vec();
            }
        }
        Ok(sources)
    }

    fn operate(&self, patch: &Patch, value: &mut [f32], sources: &[&[f32]]) {
        let (to, from) = self.columns(patch);
        let to = to.indices(value.len());
        let from: Vec<Vec<usize>> =
            from.iter().zip(sources).map(|(f, s)| f.indices(s.len())).collect();
        let count = sources.len().max(1) as f32;
        let mean = |index: usize| {
            let of_source = |(from, source): (&Vec<usize>, &&[f32])| source[from[index]];
            from.iter().zip(sources).map(of_source).sum::<f32>() / count
        };
        let row = |array: &Array| {
            let len = to.len();
            array.data[patch.index as usize * len..][..len].to_vec()
        };
        let operation = self.operation(patch);
        let array = match operation {
            Operation::Replace(Value::Array(array)) | Operation::Add(Value::Array(array)) => {
                row(array)
            }
            _ => Vec::new(),
        };
        for (index, column) in to.iter().enumerate() {
            let value = &mut value[*column];
            *value = match operation {
                Operation::Scale(factor) => *value * *factor as f32,
                Operation::Replace(Value::Constant(number)) => *number as f32,
                Operation::Add(Value::Constant(number)) => *value + *number as f32,
                Operation::Replace(Value::Array(_)) => array[index] as f32,
                // Summed in f64 and rounded once, as NumPy's noise is in ROME's code.
                Operation::Add(Value::Array(_)) => (f64::from(*value) + array[index]) as f32,
                Operation::Replace(Value::Source(_) | Value::Mean(_)) => mean(index),
                Operation::Add(Value::Source(_) | Value::Mean(_)) => *value + mean(index),
            };
        }
    }
}

fn read(tensor: Tensor<2>) -> Result<Vec<f32>, EngineError> {
    tensor.try_into_vec_as().map_err(EngineError::device)
}

/// Patches that are carried out together: as many as read a block's rows, one at least.
fn batches<'a, 'b>(patches: &'b [&'a Patch]) -> impl Iterator<Item = &'b [&'a Patch]> {
    let mut rest = patches;
    std::iter::from_fn(move || {
        let mut rows = 0;
        let fits = |patch: &&&Patch| {
            rows += patch.operands.len();
            rows <= BLOCK_ROWS
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
