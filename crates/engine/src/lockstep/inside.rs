//! What lies inside attention and norms: scores, patterns, single heads' results, a norm's divisor and
//! what it has normalised.
//!
//! Rows of which nobody looks at these go through attention or a norm in one step. The others take it
//! step by step, so that each step's value can be kept, changed and replaced.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use tracewright_ir::plan::{Birth, Row};
use tracewright_ir::{Component, Site};
use tracewright_models::{Layer, Norm, Query};

use crate::error::EngineError;
use crate::lockstep::walk::{Block, Live, Walk};

impl Walk<'_> {
    /// The rows of a block whose value at one of these stages is kept, held, or made by an intervention.
    fn looked_at(&self, block: &Block<'_>, stages: &[Component]) -> BTreeSet<u32> {
        let (first, end) = (block.range.start as u32, block.range.end as u32);
        let read = |stage: &Component| {
            let within = (*stage, first)..(*stage, end);
            let kept = block.segment.kept.range(within.clone());
            kept.chain(block.segment.held.range(within)).map(|(_, row)| *row).collect::<Vec<_>>()
        };
        let born = |row: &Row| {
            stages.iter().any(|stage| row.birth.component() == *stage && row.stages.has(*stage))
                && matches!(row.birth, Birth::Patch { .. })
        };
        stages.iter().flat_map(read).chain(block.rows(born)).collect()
    }

    /// Attention of a block's rows: z, `[rows, n_heads d_head]`.
    pub(crate) fn attend(&mut self, block: &Block<'_>, layer: &Layer) -> Result<Live, EngineError> {
        let apart = self.looked_at(block, &[Component::Scores, Component::Pattern]);
        let attends = |row: &u32| {
            matches!(block.row(*row).birth, Birth::Attention { .. }) && !apart.contains(row)
        };
        let rows = block.rows(|row| row.computes(Component::Z));
        let rows: Vec<u32> = rows.into_iter().filter(attends).collect();
        let queries = self.queries(block, &rows);
        let [q, k, v] = &self.qkv;
        let z = (!queries.is_empty()).then(|| self.decoder.attend(layer, [q, k, v], &queries));
        let mut live = Live { rows, value: z };
        if !apart.is_empty() {
            let z = self.attend_in_steps(block, layer, &apart)?;
            live = self.merge(live, z);
        }
        self.settle(block, Component::Z, live)
    }

    fn attend_in_steps(
        &mut self,
        block: &Block<'_>,
        layer: &Layer,
        apart: &BTreeSet<u32>,
    ) -> Result<Live, EngineError> {
        use Component as C;
        let (decoder, context) = (self.decoder, self.narrowed.context);
        let of = |which: &dyn Fn(&Row) -> bool| -> Vec<u32> {
            apart.iter().copied().filter(|row| which(block.row(*row))).collect()
        };
        let rows = of(&|row| matches!(row.birth, Birth::Attention { .. }));
        let queries = self.queries(block, &rows);
        let [q, k, _] = &self.qkv;
        let scores =
            (!rows.is_empty()).then(|| decoder.scores_of(layer, [q, k], &queries, context));
        let scores = self.settle(block, C::Scores, Live { rows, value: scores })?;
        let rows = of(&|row| row.computes(C::Pattern));
        let queries = self.queries(block, &rows);
        let pattern = scores.into_select(&rows, decoder);
        let pattern = pattern.map(|scores| decoder.pattern_of(scores, &queries));
        let pattern = self.settle(block, C::Pattern, Live { rows, value: pattern })?;
        let rows = of(&|row| row.computes(C::Z));
        let queries = self.queries(block, &rows);
        let pattern = pattern.into_select(&rows, decoder);
        let value = pattern.map(|pattern| decoder.weigh(layer, pattern, &self.qkv[2], &queries));
        Ok(Live { rows, value })
    }

    /// What rows attend to; a row that an intervention on scores or a pattern makes has the keys and
    /// values of the one that it changes.
    fn queries<'b>(&self, block: &Block<'b>, rows: &[u32]) -> Vec<Query<'b>> {
        let segment = block.segment;
        let values = if segment.values.is_empty() { &segment.keys } else { &segment.values };
        let query = |row: &u32| {
            let row = block.row(self.root(block, *row));
            let Birth::Attention { query, keys } = row.birth else { return None };
            let seen = self.narrowed.keys(block.at - 1, row.position as usize);
            let (first, list) =
                (seen.start as u32, keys as usize + seen.start..keys as usize + seen.end);
            Some(Query {
                row: query,
                keys: &segment.keys[list.clone()],
                values: &values[list],
                first,
            })
        };
        rows.iter().filter_map(query).collect()
    }

    /// The row that interventions inside attention or a norm began with; any other row itself.
    fn root(&self, block: &Block<'_>, row: u32) -> u32 {
        match block.row(row).birth {
            Birth::Patch { index, .. } => block.segment.patches[index as usize].root,
            _ => row,
        }
    }

    /// What attention adds to the stream, from z.
    pub(crate) fn attn_out(
        &mut self,
        block: &Block<'_>,
        layer: &Layer,
        z: Live,
    ) -> Result<Live, EngineError> {
        use Component as C;
        let decoder = self.decoder;
        let norm = layer.ln1_post();
        let output = if norm.is_some() { C::AttnModule } else { C::AttnOut };
        let apart = self.looked_at(block, &[C::Result]);
        let rows = block.rows(|row| row.computes(output));
        let rows: Vec<u32> = rows.into_iter().filter(|row| !apart.contains(row)).collect();
        self.count(C::Result, rows.len());
        let mut live = Live { rows: Vec::new(), value: None };
        if !apart.is_empty() {
            let of = |stage| apart.iter().copied().filter(move |r| block.row(*r).computes(stage));
            let heads: Vec<u32> = of(C::Result).collect();
            self.count(C::Result, heads.len());
            let result = z.select(&heads, decoder).map(|z| decoder.result(layer, z));
            let result = self.settle(block, C::Result, Live { rows: heads, value: result })?;
            let summed: Vec<u32> = of(output).collect();
            let value = result.into_select(&summed, decoder);
            live.value = value.map(|result| decoder.sum_results(layer, result));
            live.rows = summed;
        }
        let value = z.into_select(&rows, decoder).map(|z| decoder.attn_out(layer, z));
        let live = self.merge(live, Live { rows, value });
        let live = self.settle(block, output, live)?;
        if norm.is_none() {
            return Ok(live);
        }
        self.norm(block, norm, [C::Ln1PostScale, C::Ln1PostNormalized, C::AttnOut], live)
    }

    /// A norm; `stages` are its divisor, what it has normalised, and its output. Without one the output is
    /// the stream.
    pub(crate) fn norm(
        &mut self,
        block: &Block<'_>,
        norm: Option<&Norm>,
        stages: [Component; 3],
        stream: Live,
    ) -> Result<Live, EngineError> {
        let [scale, normalized, output] = stages;
        let decoder = self.decoder;
        let Some(norm) = norm else {
            return self.stage(block, output, stream, |x| x);
        };
        let apart = self.looked_at(block, &[scale, normalized]);
        let rows = block.rows(|row| row.computes(output));
        let rows: Vec<u32> = rows.into_iter().filter(|row| !apart.contains(row)).collect();
        let mut live = Live { rows: Vec::new(), value: None };
        if !apart.is_empty() {
            let of = |stage| apart.iter().copied().filter(move |r| block.row(*r).computes(stage));
            let rows: Vec<u32> = of(scale).collect();
            let divisor = stream.select(&rows, decoder).map(|x| norm.divisor(norm.centre(x)));
            let divisor = self.settle(block, scale, Live { rows, value: divisor })?;
            let rows: Vec<u32> = of(normalized).collect();
            let divided = self.divided(block, scale, &rows, &stream)?;
            let value = divided.zip(divisor.into_select(&rows, decoder));
            let value = value.map(|(x, divisor)| norm.centre(x) / divisor);
            let value = self.settle(block, normalized, Live { rows, value })?;
            live.rows = of(output).collect();
            live.value = value.into_select(&live.rows, decoder).map(|x| norm.finish(x));
        }
        let value = stream.into_select(&rows, decoder).map(|x| norm.apply(x));
        let live = self.merge(live, Live { rows, value });
        self.settle(block, output, live)
    }

    /// The stream that rows divide: their own, and where an intervention has made the divisor that of
    /// the row which it changes.
    fn divided(
        &self,
        block: &Block<'_>,
        scale: Component,
        rows: &[u32],
        stream: &Live,
    ) -> Result<Option<Tensor<2>>, EngineError> {
        let changed = |row: &u32| block.row(*row).birth.component() == scale;
        let (born, own): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| changed(row));
        let value = self.beside(block, scale, &born)?;
        let own = Live { value: stream.select(&own, self.decoder), rows: own };
        Ok(self.merge(own, Live { rows: born, value }).value)
    }

    /// What rows born of interventions on a stage read beside their values, of the rows that these
    /// interventions began with.
    fn beside(
        &self,
        block: &Block<'_>,
        stage: Component,
        born: &[u32],
    ) -> Result<Option<Tensor<2>>, EngineError> {
        if born.is_empty() {
            return Ok(None);
        }
        let roots: Vec<u32> = born.iter().map(|row| self.root(block, *row)).collect();
        let site = Site::outside(stage);
        let read = self.layout.beside(stage, block.at).ok_or(EngineError::NotKept { site })?;
        Ok(Some(self.kept.take(read, &roots)?))
    }

    /// Rows that begin at one factor of a gated MLP, with the other one: that of the row which the
    /// intervention has changed.
    pub(crate) fn other_factor(
        &self,
        block: &Block<'_>,
        born: Component,
        needed: Component,
    ) -> Result<Live, EngineError> {
        let begins = |row: &Row| row.birth.component() == born && row.stages.has(needed);
        let rows = block.rows(begins);
        let value = self.beside(block, born, &rows)?;
        Ok(Live { rows, value })
    }
}
