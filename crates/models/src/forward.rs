//! One full forward pass that stops at every site somebody looks at.

use burn::tensor::Tensor;
use tracewright_ir::{Component as C, Site};

use crate::attention::Batch;
use crate::decoder::{Decoder, Layer};
use crate::error::ModelError;
use crate::norm::Norm;

/// Looks at activations while a forward pass makes them, and may change them.
pub trait Visitor {
    /// What stops the pass.
    type Error: From<ModelError>;

    /// Whether [`Visitor::visit`] is to be called at a site; `site` is a [`Site::place`].
    fn wants(&self, site: Site) -> bool;

    /// Takes a site's value and returns the one that the pass goes on with.
    ///
    /// The value is a matrix: `[sequences · len, width]`, heads being blocks of columns, or
    /// `[sequences · n_heads · len, len]` for scores and patterns.
    ///
    /// # Errors
    ///
    /// Whatever should stop the pass.
    fn visit(&mut self, site: Site, value: Tensor<2>) -> Result<Tensor<2>, Self::Error>;
}

/// A visitor that looks at nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Visitor for Nobody {
    type Error = ModelError;

    fn wants(&self, _: Site) -> bool {
        false
    }

    fn visit(&mut self, _: Site, value: Tensor<2>) -> Result<Tensor<2>, Self::Error> {
        Ok(value)
    }
}

/// A forward pass under way.
struct Pass<'a, V> {
    decoder: &'a Decoder,
    batch: Batch,
    visitor: &'a mut V,
}

impl Decoder {
    /// Runs sequences of the same length from the embedding to the logits.
    ///
    /// `ids` are the tokens of all sequences, one after the other; `logit_rows` the rows whose
    /// logits are wanted (row `s · len + p` is position p of sequence s). Returns
    /// `[logit_rows, vocab]`.
    ///
    /// # Errors
    ///
    /// What the visitor returns, and weights that a streamed model can't read.
    ///
    /// # Panics
    ///
    /// Where `ids` aren't as many as the batch has rows, or aren't in the vocabulary:
    /// [`Request::check`](tracewright_ir::Request::check) and the tokenizer see to both.
    pub fn forward<V: Visitor>(
        &self,
        ids: &[u32],
        batch: Batch,
        logit_rows: &[usize],
        visitor: &mut V,
    ) -> Result<Tensor<2>, V::Error> {
        let mut pass = Pass { decoder: self, batch, visitor };
        let mut resid = pass.start(ids)?;
        for layer in 0..self.architecture.n_layers {
            resid = pass.layer(&*self.layer(layer)?, resid)?;
        }
        pass.finish(resid, logit_rows)
    }
}

impl<V: Visitor> Pass<'_, V> {
    fn at(&mut self, site: Site, value: Tensor<2>) -> Result<Tensor<2>, V::Error> {
        if self.visitor.wants(site) { self.visitor.visit(site, value) } else { Ok(value) }
    }

    /// Like [`Pass::at`] for scores and patterns: whatever is written to the cells of keys that a position
    /// doesn't see, it never sees them.
    fn cells(&mut self, site: Site, value: Tensor<2>, masked: f32) -> Result<Tensor<2>, V::Error> {
        if !self.visitor.wants(site) {
            return Ok(value);
        }
        let visited = self.visitor.visit(site, value)?;
        let layer = site.layer.unwrap_or_default();
        Ok(self.decoder.mask_unseen(layer, self.batch, visited, masked))
    }

    fn positions(&self) -> Vec<usize> {
        (0..self.batch.rows()).map(|row| row % self.batch.len).collect()
    }

    fn start(&mut self, ids: &[u32]) -> Result<Tensor<2>, V::Error> {
        let mut resid = self.at(Site::outside(C::Embed), self.decoder.embed(ids)?)?;
        if let Some(learned) = self.decoder.pos_embed(&self.positions()) {
            resid = resid + self.at(Site::outside(C::PosEmbed), learned)?;
        }
        self.at(Site::in_layer(C::ResidPre, 0), resid)
    }

    /// From the residual stream before a layer to the one after it.
    fn layer(&mut self, layer: &Layer, resid: Tensor<2>) -> Result<Tensor<2>, V::Error> {
        let at = |component| Site::in_layer(component, layer.index);
        let sites = [C::Ln1Scale, C::Ln1Normalized, C::Ln1].map(at);
        let normed = self.norm(layer.ln1(), sites, resid.clone())?;
        let architecture = self.decoder.architecture();
        let mlp_sites = [C::Ln2Scale, C::Ln2Normalized, C::Ln2].map(at);
        if architecture.is_parallel() {
            let attention = self.attention(layer, normed.clone())?;
            let mlp_normed = match architecture.shares_norm() {
                true => normed,
                false => self.norm(layer.ln2(), mlp_sites, resid.clone())?,
            };
            let mlp = self.mlp(layer, mlp_normed)?;
            // The order of a lockstep pass, which adds the MLP first.
            return self.at(at(C::ResidPost), resid + mlp + attention);
        }
        let attention = self.attention(layer, normed)?;
        let mid = self.at(at(C::ResidMid), resid + attention)?;
        let normed = self.norm(layer.ln2(), mlp_sites, mid.clone())?;
        let mlp = self.mlp(layer, normed)?;
        self.at(at(C::ResidPost), mid + mlp)
    }

    /// What attention adds to the stream, from what it reads.
    fn attention(&mut self, layer: &Layer, normed: Tensor<2>) -> Result<Tensor<2>, V::Error> {
        let (decoder, batch) = (self.decoder, self.batch);
        let at = |component| Site::in_layer(component, layer.index);
        let [q, k, v] = decoder.qkv(layer, normed);
        let [q, k] = [self.at(at(C::Q), q)?, self.at(at(C::K), k)?];
        let v = self.at(at(C::V), v)?;
        let [q, k] = self.turned(layer, [q, k])?;
        let scores = decoder.scores(layer, batch, q, k);
        let scores = self.cells(at(C::Scores), scores, f32::NEG_INFINITY)?;
        let pattern = self.cells(at(C::Pattern), decoder.pattern(scores), 0.0)?;
        let z = self.at(at(C::Z), decoder.z(batch, pattern, v))?;
        let out = if self.visitor.wants(at(C::Result)) {
            let result = self.visitor.visit(at(C::Result), decoder.result(layer, z))?;
            decoder.sum_results(layer, result)
        } else {
            decoder.attn_out(layer, z)
        };
        let sites = [C::AttnModule, C::Ln1PostScale, C::Ln1PostNormalized, C::AttnOut].map(at);
        self.added(layer.ln1_post(), sites, out)
    }

    /// Queries and keys as attention reads them.
    fn turned(
        &mut self,
        layer: &Layer,
        [mut q, mut k]: [Tensor<2>; 2],
    ) -> Result<[Tensor<2>; 2], V::Error> {
        let decoder = self.decoder;
        let at = |component| Site::in_layer(component, layer.index);
        let has = |component| decoder.architecture().lacks(component).is_none();
        if has(C::QNormed) {
            q = self.at(at(C::QNormed), decoder.normed(layer, 0, q))?;
            k = self.at(at(C::KNormed), decoder.normed(layer, 1, k))?;
        }
        if has(C::RotQ) {
            let positions = self.positions();
            q = self.at(at(C::RotQ), decoder.turn(layer, q, &positions))?;
            k = self.at(at(C::RotK), decoder.turn(layer, k, &positions))?;
        }
        Ok([q, k])
    }

    /// What the MLP adds to the stream, from what it reads.
    fn mlp(&mut self, layer: &Layer, normed: Tensor<2>) -> Result<Tensor<2>, V::Error> {
        let decoder = self.decoder;
        let at = |component| Site::in_layer(component, layer.index);
        let pre = self.at(at(C::MlpPre), decoder.mlp_pre(layer, normed.clone()))?;
        let linear = match decoder.architecture().gated_mlp {
            true => {
                let linear = decoder.mlp_pre_linear(layer, normed);
                Some(self.at(at(C::MlpPreLinear), linear)?)
            }
            false => None,
        };
        let post = self.at(at(C::MlpPost), decoder.mlp_post(pre, linear))?;
        let sites = [C::MlpModule, C::Ln2PostScale, C::Ln2PostNormalized, C::MlpOut].map(at);
        self.added(layer.ln2_post(), sites, decoder.mlp_out(layer, post))
    }

    /// What a module's output adds to the stream: the output itself, or what a norm makes of it.
    fn added(
        &mut self,
        norm: Option<&Norm>,
        sites: [Site; 4],
        out: Tensor<2>,
    ) -> Result<Tensor<2>, V::Error> {
        let [module, scale, normalized, added] = sites;
        match norm {
            Some(_) => {
                let out = self.at(module, out)?;
                self.norm(norm, [scale, normalized, added], out)
            }
            None => self.at(added, out),
        }
    }

    /// A norm, step by step where one of its sites (divisor, normalised, output) is looked at.
    fn norm(
        &mut self,
        norm: Option<&Norm>,
        sites: [Site; 3],
        x: Tensor<2>,
    ) -> Result<Tensor<2>, V::Error> {
        let [scale_site, normalized_site, output_site] = sites;
        let Some(norm) = norm else { return Ok(x) };
        let output = if self.visitor.wants(scale_site) || self.visitor.wants(normalized_site) {
            let centred = norm.centre(x);
            let scale = self.at(scale_site, norm.divisor(centred.clone()))?;
            norm.finish(self.at(normalized_site, centred / scale)?)
        } else {
            norm.apply(x)
        };
        self.at(output_site, output)
    }

    /// From the residual stream after the last layer to the logits of the given rows.
    fn finish(&mut self, resid: Tensor<2>, rows: &[usize]) -> Result<Tensor<2>, V::Error> {
        let decoder = self.decoder;
        let sites = [C::FinalScale, C::FinalNormalized, C::FinalNorm].map(Site::outside);
        let logits = Site::outside(C::Logits);
        let rows = decoder.indices(rows);
        // Logits are the widest activation: only the rows that are read, unless all are looked at.
        if sites.into_iter().chain([logits]).any(|site| self.visitor.wants(site)) {
            let normed = self.norm(Some(&decoder.ln_final), sites, resid)?;
            return Ok(self.at(logits, decoder.unembed(normed)?)?.select(0, rows));
        }
        Ok(decoder.unembed(decoder.ln_final.apply(resid.select(0, rows)))?)
    }
}
