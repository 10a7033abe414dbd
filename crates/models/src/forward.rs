//! One full forward pass that stops at every site somebody looks at.

use burn::tensor::Tensor;
use tracewright_ir::{Component as C, Site};

use crate::attention::Batch;
use crate::decoder::{Decoder, Layer, Norm};

/// Looks at activations while a forward pass makes them, and may change them.
pub trait Visitor {
    /// What stops the pass.
    type Error;

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
    type Error = std::convert::Infallible;

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
    /// What the visitor returns.
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
        for layer in &self.layers {
            resid = pass.attention(layer, resid)?;
            resid = pass.mlp(layer, resid)?;
        }
        pass.finish(resid, logit_rows)
    }
}

impl<V: Visitor> Pass<'_, V> {
    fn at(&mut self, site: Site, value: Tensor<2>) -> Result<Tensor<2>, V::Error> {
        if self.visitor.wants(site) { self.visitor.visit(site, value) } else { Ok(value) }
    }

    /// Like [`Pass::at`] for scores and patterns: whatever is written to the cells of later keys,
    /// a position never sees them.
    fn cells(&mut self, site: Site, value: Tensor<2>, masked: f32) -> Result<Tensor<2>, V::Error> {
        if !self.visitor.wants(site) {
            return Ok(value);
        }
        let visited = self.visitor.visit(site, value)?;
        Ok(self.decoder.mask_later(self.batch, visited, masked))
    }

    fn start(&mut self, ids: &[u32]) -> Result<Tensor<2>, V::Error> {
        let positions: Vec<usize> =
            (0..self.batch.rows()).map(|row| row % self.batch.len).collect();
        let mut resid = self.at(Site::outside(C::Embed), self.decoder.embed(ids))?;
        if let Some(learned) = self.decoder.pos_embed(&positions) {
            resid = resid + self.at(Site::outside(C::PosEmbed), learned)?;
        }
        self.at(Site::in_layer(C::ResidPre, 0), resid)
    }

    /// From the residual stream before a layer to the one between attention and MLP.
    fn attention(&mut self, layer: &Layer, resid: Tensor<2>) -> Result<Tensor<2>, V::Error> {
        let (decoder, batch) = (self.decoder, self.batch);
        let at = |component| Site::in_layer(component, layer.index);
        let sites = [C::Ln1Scale, C::Ln1Normalized, C::Ln1].map(at);
        let normed = self.norm(&layer.ln1, sites, resid.clone())?;
        let [q, k, v] = decoder.qkv(layer, normed);
        let q = self.at(at(C::Q), q)?;
        let k = self.at(at(C::K), k)?;
        let v = self.at(at(C::V), v)?;
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
        let out = self.at(at(C::AttnOut), out)?;
        self.at(at(C::ResidMid), resid + out)
    }

    /// From the residual stream before the MLP to the one after the layer.
    fn mlp(&mut self, layer: &Layer, resid: Tensor<2>) -> Result<Tensor<2>, V::Error> {
        let decoder = self.decoder;
        let at = |component| Site::in_layer(component, layer.index);
        let sites = [C::Ln2Scale, C::Ln2Normalized, C::Ln2].map(at);
        let normed = self.norm(&layer.ln2, sites, resid.clone())?;
        let pre = self.at(at(C::MlpPre), decoder.mlp_pre(layer, normed))?;
        let post = self.at(at(C::MlpPost), decoder.mlp_post(pre))?;
        let out = self.at(at(C::MlpOut), decoder.mlp_out(layer, post))?;
        self.at(at(C::ResidPost), resid + out)
    }

    /// A norm, step by step where one of its sites (divisor, normalised, output) is looked at.
    fn norm(&mut self, norm: &Norm, sites: [Site; 3], x: Tensor<2>) -> Result<Tensor<2>, V::Error> {
        let [scale_site, normalized_site, output_site] = sites;
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
            let normed = self.norm(&decoder.ln_final, sites, resid)?;
            return Ok(self.at(logits, decoder.unembed(normed))?.select(0, rows));
        }
        Ok(decoder.unembed(decoder.ln_final.apply(resid.select(0, rows))))
    }
}
