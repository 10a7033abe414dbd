//! The walk through the segments of a pass.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use burn::tensor::Tensor;
use tracewright_ir::plan::{
    BLOCK_ROWS, Birth, Held, LOGIT_ROWS, Layout, Pass, Row, Segment, logit_rows, product, width,
};
use tracewright_ir::{Architecture, Array, Component, Request};
use tracewright_models::{Decoder, Layer, Rows};

use crate::error::EngineError;
use crate::execute::Execution;
use crate::finite::{is_sound, not_finite};
use crate::lockstep::Found;
use crate::lockstep::kept::Kept;
use crate::lockstep::logits::Metrics;
use crate::lockstep::part::Part;
use crate::outcome::Cost;

/// Values of some rows of a segment, at one stage.
#[derive(Clone, Default)]
pub(crate) struct Live {
    /// Rising.
    pub(crate) rows: Vec<u32>,
    /// `[rows, width]`; none where there are no rows, which not every backend takes.
    pub(crate) value: Option<Tensor<2>>,
}

/// A pass under way.
pub(crate) struct Walk<'a> {
    pub(crate) decoder: &'a Decoder,
    pub(crate) requests: &'a [&'a Request],
    pub(crate) execution: &'a Execution,
    pub(crate) pass: &'a Pass,
    /// The segment that is walked through.
    pub(crate) at: usize,
    /// The residual stream at the end of the segment below, and of this one.
    pub(crate) below: Rows,
    resid: Rows,
    /// The layer whose lower part has been walked through.
    layer: Option<Arc<Layer>>,
    /// q, k and v of the segment below; of this one once its lower part is done.
    pub(crate) qkv: [Rows; 3],
    /// What births of this segment read.
    pub(crate) kept: Kept,
    /// What is read later, by segment; after the last one, what passes carry.
    pub(crate) held: Vec<Kept>,
    metrics: Metrics<'a>,
    pub(crate) cost: Cost,
    /// The model as the pass computes it.
    pub(crate) narrowed: Architecture,
    pub(crate) layout: Layout,
}

/// Some consecutive rows of a segment.
#[derive(Clone)]
pub(crate) struct Block<'a> {
    pub(crate) at: usize,
    pub(crate) segment: &'a Segment,
    pub(crate) range: Range<usize>,
}

impl Block<'_> {
    /// The rows of the block that fulfil a condition.
    pub(crate) fn rows(&self, which: impl Fn(&Row) -> bool) -> Vec<u32> {
        self.range.clone().filter(|r| which(&self.segment.rows[*r])).map(|r| r as u32).collect()
    }

    pub(crate) fn row(&self, row: u32) -> &Row {
        &self.segment.rows[row as usize]
    }
}

fn blocks(at: usize, segment: &Segment, size: usize) -> impl Iterator<Item = Block<'_>> {
    let len = segment.rows.len();
    let range = move |first| first..len.min(first + size);
    (0..len).step_by(size).map(move |first| Block { at, segment, range: range(first) })
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        decoder: &'a Decoder,
        requests: &'a [&'a Request],
        execution: &'a Execution,
        pass: &'a Pass,
        carried: Option<Kept>,
    ) -> Self {
        let narrowed = pass.scope.narrowed(decoder.architecture());
        let most = pass.segments.iter().map(|segment| segment.rows.len()).max().unwrap_or(0);
        let rows = |component| {
            let mut rows = Rows::new(decoder, width(&narrowed, component));
            rows.resize(most);
            rows
        };
        let kept = |which| Kept::new(decoder, &narrowed, which);
        let held = pass.segments.iter().map(|segment| kept(&segment.held));
        let held = held.chain([carried.unwrap_or_else(|| kept(&pass.carried))]).collect();
        Self {
            decoder,
            requests,
            execution,
            pass,
            at: 0,
            below: rows(Component::ResidPost),
            resid: rows(Component::ResidPost),
            layer: None,
            qkv: [Component::Q, Component::K, Component::V].map(rows),
            kept: kept(&Default::default()),
            held,
            metrics: Metrics::new(requests, execution, pass),
            cost: Cost { forwards: pass.measured.len(), ..Cost::default() },
            narrowed,
            layout: Layout::of(decoder.architecture()),
        }
    }

    /// Walks through one segment.
    pub(crate) fn segment(&mut self, at: usize) -> Result<(), EngineError> {
        let segment = &self.pass.segments[at];
        self.at = at;
        // The values of the segment below go before there is room for these.
        self.kept = Kept::new(self.decoder, &self.narrowed, &Default::default());
        self.kept = Kept::new(self.decoder, &self.narrowed, &segment.kept);
        // A streamed layer goes when its upper part has been walked through.
        let layer = self.layer.take();
        for block in blocks(at, segment, BLOCK_ROWS) {
            match &layer {
                None => self.embed(&block)?,
                Some(layer) => self.upper(&block, layer)?,
            }
        }
        drop(layer);
        std::mem::swap(&mut self.resid, &mut self.below);
        if at == self.narrowed.n_layers {
            return self.top(at);
        }
        let layer = self.decoder.layer(at)?;
        for block in blocks(at, segment, BLOCK_ROWS) {
            self.lower(&block, &layer)?;
        }
        self.layer = Some(layer);
        if self.layout.is_parallel() {
            // Attention adds to the stream to which the MLP has been added.
            std::mem::swap(&mut self.resid, &mut self.below);
        }
        Ok(())
    }

    /// One stage: computed from its input where it has to be, with the rows that are born there. The
    /// input is gone when its last value has been read.
    pub(crate) fn stage(
        &mut self,
        block: &Block<'_>,
        component: Component,
        input: Live,
        compute: impl FnOnce(Tensor<2>) -> Tensor<2>,
    ) -> Result<Live, EngineError> {
        let rows = block.rows(|row| row.computes(component));
        let value = input.into_select(&rows, self.decoder).map(compute);
        self.count(component, rows.len());
        self.settle(block, component, Live { rows, value })
    }

    pub(crate) fn count(&mut self, component: Component, rows: usize) {
        self.cost.flops += 2 * rows as u64 * product(&self.narrowed, component);
    }

    /// From tokens to the residual stream.
    fn embed(&mut self, block: &Block<'_>) -> Result<(), EngineError> {
        let decoder = self.decoder;
        let tokens = block.rows(|row| row.birth.component() == Component::Embed);
        let tokens: Vec<u32> = tokens
            .into_iter()
            .filter(|row| matches!(block.row(*row).birth, Birth::Token(_)))
            .collect();
        let ids = tokens.iter().map(|row| match block.row(*row).birth {
            Birth::Token(id) => id,
            _ => 0,
        });
        let ids: Vec<u32> = ids.collect();
        let value = (!ids.is_empty()).then(|| decoder.embed(&ids)).transpose()?;
        let embed = self.settle(block, Component::Embed, Live { rows: tokens, value })?;
        let rows = block.rows(|row| row.computes(Component::PosEmbed));
        let positions: Vec<usize> =
            rows.iter().map(|row| block.row(*row).position as usize).collect();
        let learned = (!rows.is_empty()).then(|| decoder.pos_embed(&positions)).flatten();
        let has_positions = learned.is_some();
        let rows = if has_positions { rows } else { Vec::new() };
        let learned = self.settle(block, Component::PosEmbed, Live { rows, value: learned })?;
        let rows = block.rows(|row| row.computes(Component::ResidPre));
        let added = if has_positions { learned.select(&rows, decoder) } else { None };
        let sum = add(embed.select(&rows, decoder), added);
        let resid = self.settle(block, Component::ResidPre, Live { rows, value: sum })?;
        self.write(resid);
        Ok(())
    }

    /// From attention to the end of the layer; where attention and MLP read the same stream, the MLP has
    /// been added in the segment below.
    fn upper(&mut self, block: &Block<'_>, layer: &Layer) -> Result<(), EngineError> {
        use Component as C;
        let decoder = self.decoder;
        let z = self.attend(block, layer)?;
        let out = self.attn_out(block, layer, z)?;
        let sum = self.layout.attention_sum();
        let rows = block.rows(|row| row.computes(sum));
        let below: Vec<u32> = rows.iter().map(|row| block.row(*row).resid).collect();
        let below = (!below.is_empty()).then(|| self.below.take(&below));
        let value = add(below, out.into_select(&rows, decoder));
        let mut resid = self.settle(block, sum, Live { rows, value })?;
        if !self.layout.is_parallel() {
            let stages = [C::Ln2Scale, C::Ln2Normalized, C::Ln2];
            let normed = self.norm(block, layer.ln2(), stages, resid.clone())?;
            let out = self.mlp(block, layer, normed)?;
            resid = self.add_mlp(block, resid, out)?;
        }
        let layout = &self.layout;
        let through = |row: &Row| layout.goes_through(|component| row.computes(component));
        self.cost.rows += block.rows(through).len();
        self.write(resid);
        Ok(())
    }

    /// The sum of the stream and of what the MLP adds to it.
    fn add_mlp(&mut self, block: &Block<'_>, stream: Live, out: Live) -> Result<Live, EngineError> {
        let sum = self.layout.mlp_sum();
        let rows = block.rows(|row| row.computes(sum));
        let value =
            add(stream.into_select(&rows, self.decoder), out.into_select(&rows, self.decoder));
        self.settle(block, sum, Live { rows, value })
    }

    /// What the MLP adds to the stream, from what it reads.
    fn mlp(&mut self, block: &Block<'_>, layer: &Layer, normed: Live) -> Result<Live, EngineError> {
        use Component as C;
        let decoder = self.decoder;
        let gated = decoder.architecture().gated_mlp;
        let mut linear = Live::default();
        if gated {
            let rows = block.rows(|row| row.computes(C::MlpPreLinear));
            let value = normed.select(&rows, decoder);
            let value = value.map(|x| decoder.mlp_pre_linear(layer, x));
            self.count(C::MlpPreLinear, rows.len());
            linear = self.settle(block, C::MlpPreLinear, Live { rows, value })?;
            linear = self.merge(linear, self.other_factor(block, C::MlpPre, C::MlpPost)?);
        }
        let rows = block.rows(|row| row.computes(C::MlpPre));
        let value = normed.into_select(&rows, decoder).map(|x| decoder.mlp_pre(layer, x));
        self.count(C::MlpPre, rows.len());
        let mut pre = Live { rows, value };
        if gated {
            // Rows that begin at the other factor have theirs before anything is done to it.
            self.keep(block, C::MlpPre, &pre);
            pre = self.merge(pre, self.other_factor(block, C::MlpPreLinear, C::MlpPre)?);
        }
        let pre = self.settle(block, C::MlpPre, pre)?;
        let rows = block.rows(|row| row.computes(C::MlpPost));
        let linear = linear.into_select(&rows, decoder);
        let post = pre.into_select(&rows, decoder).map(|pre| decoder.mlp_post(pre, linear));
        let post = self.settle(block, C::MlpPost, Live { rows, value: post })?;
        let compute = |x| decoder.mlp_out(layer, x);
        let Some(norm) = layer.ln2_post() else {
            return self.stage(block, C::MlpOut, post, compute);
        };
        let module = self.stage(block, C::MlpModule, post, compute)?;
        let stages = [C::Ln2PostScale, C::Ln2PostNormalized, C::MlpOut];
        self.norm(block, Some(norm), stages, module)
    }

    fn write(&mut self, resid: Live) {
        if let Some(value) = resid.value {
            self.resid.write(&resid.rows, value);
        }
    }

    /// The stream of the rows that go through a norm.
    fn stream(&self, block: &Block<'_>, stages: [Component; 3]) -> Live {
        let rows = block.rows(|row| {
            let born = row.birth.component();
            !stages.contains(&born) && stages.into_iter().any(|stage| row.computes(stage))
        });
        let value = (!rows.is_empty()).then(|| self.below.take(&rows));
        Live { rows, value }
    }

    /// From the residual stream to q, k and v, and through an MLP that reads the same stream.
    fn lower(&mut self, block: &Block<'_>, layer: &Layer) -> Result<(), EngineError> {
        use Component as C;
        let stages = [C::Ln1Scale, C::Ln1Normalized, C::Ln1];
        let stream = self.stream(block, stages);
        let normed = self.norm(block, layer.ln1(), stages, stream)?;
        self.qkv(block, layer, &normed)?;
        if !self.layout.is_parallel() {
            return Ok(());
        }
        let normed = match layer.ln2() {
            Some(norm) => {
                let stages = [C::Ln2Scale, C::Ln2Normalized, C::Ln2];
                let stream = self.stream(block, stages);
                self.norm(block, Some(norm), stages, stream)?
            }
            None => normed,
        };
        let out = self.mlp(block, layer, normed)?;
        let rows = block.rows(|row| row.computes(self.layout.mlp_sum()));
        let value = (!rows.is_empty()).then(|| self.below.take(&rows));
        let sum = self.add_mlp(block, Live { rows, value }, out)?;
        self.write(sum);
        Ok(())
    }

    /// q, k and v as attention reads them, from what they are projected from.
    fn qkv(&mut self, block: &Block<'_>, layer: &Layer, normed: &Live) -> Result<(), EngineError> {
        const QKV: [Component; 3] = [Component::Q, Component::K, Component::V];
        let decoder = self.decoder;
        let wanted = QKV.map(|component| block.rows(|row| row.computes(component)));
        let mut lives = Vec::new();
        let mut first = 0;
        while first < QKV.len() {
            // Products with the same rows are one.
            let same = (first..QKV.len()).take_while(|part| wanted[*part] == wanted[first]);
            let last = same.last().unwrap_or(first);
            let rows = &wanted[first];
            let all = normed.select(rows, decoder);
            let all = all.map(|x| decoder.project(layer, x, first, last));
            let mut column = 0;
            for component in QKV.into_iter().take(last + 1).skip(first) {
                let width = width(&self.narrowed, component);
                let value = all.as_ref().map(|all| all.clone().narrow(1, column, width));
                column += width;
                self.count(component, rows.len());
                lives.push(self.settle(block, component, Live { rows: rows.clone(), value })?);
            }
            // What is read as it was projected is written for all parts at once.
            if let (Some(all), true) = (all, self.attended_as_projected(first..=last)) {
                Rows::write_parts(&mut self.qkv[first..=last], rows, all);
                for (part, live) in lives.iter_mut().enumerate().skip(first) {
                    if live.rows == wanted[part] {
                        live.value = None;
                    }
                }
            }
            first = last + 1;
        }
        self.turn(block, layer, &mut lives)?;
        for (part, live) in lives.into_iter().enumerate() {
            if let Some(value) = live.value {
                self.qkv[part].write(&live.rows, value);
            }
        }
        Ok(())
    }

    fn attended_as_projected(&self, mut parts: RangeInclusive<usize>) -> bool {
        const QKV: [Component; 3] = [Component::Q, Component::K, Component::V];
        parts.all(|part| self.layout.attended(part) == QKV[part])
    }

    /// Queries and keys normalised by themselves and turned by their positions, where the model does so.
    fn turn(
        &mut self,
        block: &Block<'_>,
        layer: &Layer,
        lives: &mut [Live],
    ) -> Result<(), EngineError> {
        use Component as C;
        let decoder = self.decoder;
        for (which, component) in [C::QNormed, C::KNormed].into_iter().enumerate() {
            if decoder.architecture().lacks(component).is_none() {
                let live = std::mem::take(&mut lives[which]);
                let compute = |x| decoder.normed(layer, which, x);
                lives[which] = self.stage(block, component, live, compute)?;
            }
        }
        for (which, component) in [C::RotQ, C::RotK].into_iter().enumerate() {
            if decoder.architecture().lacks(component).is_none() {
                let live = std::mem::take(&mut lives[which]);
                let rows = block.rows(|row| row.computes(component));
                let positions: Vec<usize> =
                    rows.iter().map(|row| block.row(*row).position as usize).collect();
                let compute = |x| decoder.turn(layer, x, &positions);
                lives[which] = self.stage(block, component, live, compute)?;
            }
        }
        Ok(())
    }

    /// From the residual stream to the logits and the metrics.
    fn top(&mut self, at: usize) -> Result<(), EngineError> {
        let (decoder, segment) = (self.decoder, &self.pass.segments[at]);
        for block in blocks(at, segment, self.logit_rows()) {
            let stages = [Component::FinalScale, Component::FinalNormalized, Component::FinalNorm];
            let stream = self.stream(&block, stages);
            let normed = self.norm(&block, Some(decoder.ln_final()), stages, stream)?;
            let tokens = self.pass.scope.tokens.as_deref();
            let rows = block.rows(|row| row.computes(Component::Logits));
            let value = normed.into_select(&rows, decoder).map(|x| match tokens {
                Some(tokens) => decoder.unembed_tokens(x, tokens),
                None => decoder.unembed(x),
            });
            self.count(Component::Logits, rows.len());
            let logits = Live { rows, value: value.transpose()? };
            let logits = self.settle(&block, Component::Logits, logits)?;
            self.metrics.read(decoder, &block, logits)?;
        }
        Ok(())
    }

    /// The rows that have their logits together. A streamed model's unembedding is read for each block of
    /// them, so they are as many as there is room for once the values between attentions are gone.
    fn logit_rows(&mut self) -> usize {
        if !self.decoder.is_streamed() {
            return LOGIT_ROWS;
        }
        let none = |component| Rows::new(self.decoder, width(&self.narrowed, component));
        let qkv = [Component::Q, Component::K, Component::V].map(none);
        (self.resid, self.qkv) = (none(Component::ResidPost), qkv);
        let most = self.pass.segments.iter().map(|segment| segment.rows.len()).max();
        logit_rows(&self.narrowed, most.unwrap_or(0))
    }

    /// The metrics and readings, and what passes carry.
    pub(crate) fn finish(mut self) -> Result<(Found, Kept), EngineError> {
        let mut readings = Vec::new();
        for (request, index, rows) in &self.pass.readings {
            readings.push((*request, *index, self.reading(*request, *index, rows)?));
        }
        let mut carried = self.held.remove(self.pass.segments.len());
        for (number, Held { segment, component, row }) in &self.pass.carries {
            let value = self.held[*segment as usize].take(*component, &[*row])?;
            carried.keep(*component, &[*number], &value, self.decoder);
        }
        let (values, tops) = self.metrics.finish()?;
        Ok((Found { values, tops, readings, cost: self.cost }, carried))
    }

    fn reading(&self, request: usize, index: usize, rows: &[Held]) -> Result<Array, EngineError> {
        let reading = &self.requests[request].readings[index];
        let len = self.requests[request].tokens(reading.run)?.len();
        let shape = reading.locus.shape(self.decoder.architecture(), len);
        let mut data = vec![0.0; shape.iter().product()];
        for (index, held) in rows.iter().enumerate() {
            let value = self.held[held.segment as usize].take(held.component, &[held.row])?;
            let value = value.try_into_vec_as::<f32>().map_err(EngineError::device)?;
            let Part { columns, places } = Part::of(&reading.locus, &self.narrowed, len, index);
            for (column, place) in columns.into_iter().zip(places) {
                data[place] = f64::from(value[column]);
            }
        }
        let site = reading.locus.site;
        if let Some(value) = data.iter().find(|value| !is_sound(site, **value as f32)) {
            let what = (reading.run, site.component.name(), *value);
            let extensions = &self.execution.extensions;
            return Err(not_finite(self.decoder, self.requests[request], extensions, what));
        }
        Ok(Array { shape, data })
    }
}

/// The sum of two values of the same rows.
fn add(a: Option<Tensor<2>>, b: Option<Tensor<2>>) -> Option<Tensor<2>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

impl Live {
    /// The values of some of the rows.
    pub(crate) fn select(&self, rows: &[u32], decoder: &Decoder) -> Option<Tensor<2>> {
        if rows.is_empty() {
            return None;
        }
        let value = self.value.clone()?;
        let place = |row: &u32| self.rows.binary_search(row).expect("a stage has its input's rows");
        let places: Vec<usize> = rows.iter().map(place).collect();
        Some(decoder.select_rows(value, &places))
    }

    /// Like [`Live::select`]; nobody else holds the values then, and they can be changed in place.
    pub(crate) fn into_select(self, rows: &[u32], decoder: &Decoder) -> Option<Tensor<2>> {
        match self.rows == rows {
            true => self.value,
            false => self.select(rows, decoder),
        }
    }
}
