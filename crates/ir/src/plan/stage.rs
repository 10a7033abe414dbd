//! The order in which a pass computes, and what each stage is computed from.
//!
//! A pass is cut at its attentions. A *segment* is what lies between two of them: the upper part of
//! one layer (from the attention scores to `resid_post`) and the lower part of the next (up to q, k
//! and v). Within a segment every stage is computed row by row; only attention looks at other rows.

use crate::component::Component;
use crate::site::Site;

/// The stages of a segment in their order. The first segment begins with the embeddings, all others
/// with the attention below them; the last one ends with the logits.
const ORDER: [Component; 31] = {
    use Component as C;
    [
        C::Embed,
        C::PosEmbed,
        C::ResidPre,
        C::Scores,
        C::Pattern,
        C::Z,
        C::Result,
        C::AttnOut,
        C::ResidMid,
        C::Ln2Scale,
        C::Ln2Normalized,
        C::Ln2,
        C::MlpPre,
        C::MlpPreLinear,
        C::MlpPost,
        C::MlpOut,
        C::ResidPost,
        C::Ln1Scale,
        C::Ln1Normalized,
        C::Ln1,
        C::Q,
        C::K,
        C::V,
        C::QNormed,
        C::KNormed,
        C::RotQ,
        C::RotK,
        C::FinalScale,
        C::FinalNormalized,
        C::FinalNorm,
        C::Logits,
    ]
};

/// Where a component stands in [`ORDER`].
const RANK: [u8; ORDER.len()] = {
    let mut rank = [0; ORDER.len()];
    let mut index = 0;
    while index < ORDER.len() {
        rank[ORDER[index] as usize] = index as u8;
        index += 1;
    }
    rank
};

/// What a stage of a row is computed from: other stages of the same row.
const fn parts(component: Component) -> &'static [Component] {
    use Component as C;
    match component {
        C::Embed | C::PosEmbed | C::Scores => &[],
        C::ResidPre => &[C::Embed, C::PosEmbed],
        C::Pattern => &[C::Scores],
        C::Z => &[C::Pattern],
        C::Result => &[C::Z],
        C::AttnOut => &[C::Result],
        C::ResidMid => &[C::AttnOut],
        C::Ln2Scale => &[C::ResidMid],
        C::Ln2Normalized => &[C::ResidMid, C::Ln2Scale],
        C::Ln2 => &[C::Ln2Normalized],
        C::MlpPre | C::MlpPreLinear => &[C::Ln2],
        C::MlpPost => &[C::MlpPre],
        C::MlpOut => &[C::MlpPost],
        C::ResidPost => &[C::ResidMid, C::MlpOut],
        C::Ln1Scale | C::FinalScale => &[C::ResidPre, C::ResidPost],
        C::Ln1Normalized => &[C::ResidPre, C::ResidPost, C::Ln1Scale],
        C::Ln1 => &[C::Ln1Normalized],
        C::Q | C::K | C::V => &[C::Ln1],
        C::QNormed => &[C::Q],
        C::KNormed => &[C::K],
        C::RotQ => &[C::QNormed],
        C::RotK => &[C::KNormed],
        C::FinalNormalized => &[C::ResidPre, C::ResidPost, C::FinalScale],
        C::FinalNorm => &[C::FinalNormalized],
        C::Logits => &[C::FinalNorm],
    }
}

/// A set of stages of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages(u32);

impl Stages {
    /// The attention's own stages and what is projected from them.
    pub(crate) const ATTENTION: Self = Self(
        Self::of(Component::Scores).0
            | Self::of(Component::Pattern).0
            | Self::of(Component::Z).0
            | Self::of(Component::Result).0
            | Self::of(Component::AttnOut).0,
    );

    /// The stage alone.
    pub const fn of(component: Component) -> Self {
        Self(1 << RANK[component as usize])
    }

    /// Whether the stage is one of them.
    pub const fn has(self, component: Component) -> bool {
        self.meets(Self::of(component))
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// These stages and all that they are computed from, down to the stage at which the row was
    /// born; a row in the first segment has a `resid_pre`, all others a `resid_post`.
    pub(crate) fn closed(self, birth: Component, first: bool) -> Self {
        let other = if first { Component::ResidPost } else { Component::ResidPre };
        let from = RANK[birth as usize];
        // What the row has: nothing below its birth, and one of the two names of the stream.
        let has = !((1_u32 << from) - 1) & !Self::of(other).0;
        let mut all = self.0 & has;
        for rank in (from..ORDER.len() as u8).rev() {
            if all & (1 << rank) != 0 {
                all |= PARTS[rank as usize] & has;
            }
        }
        Self(all)
    }
}

/// [`parts`] as bits, by rank.
const PARTS: [u32; ORDER.len()] = {
    let mut bits = [0; ORDER.len()];
    let mut rank = 0;
    while rank < ORDER.len() {
        let parts = parts(ORDER[rank]);
        let mut index = 0;
        while index < parts.len() {
            bits[rank] |= 1 << RANK[parts[index] as usize];
            index += 1;
        }
        rank += 1;
    }
    bits
};

/// The stage's place within its segment.
pub(crate) fn rank(component: Component) -> u8 {
    RANK[component as usize]
}

/// The segment that computes a site's place; segment 0 begins with the embeddings.
pub(crate) fn segment(site: Site, n_layers: usize) -> usize {
    let Site { layer, component } = site.place();
    let lower = rank(component) > rank(Component::ResidPost);
    match layer {
        Some(layer) if lower || component == Component::ResidPre => layer,
        Some(layer) => layer + 1,
        None if component < Component::ResidPre => 0,
        None => n_layers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Component as C;

    #[test]
    fn a_stage_needs_everything_below_it_down_to_the_birth_of_its_row() {
        let closed = |component, birth, first| Stages::of(component).closed(birth, first);
        let mlp = closed(C::MlpOut, C::ResidMid, false);
        assert!(mlp.has(C::Ln2) && mlp.has(C::ResidMid) && !mlp.has(C::AttnOut));
        let patched = closed(C::MlpOut, C::MlpPost, false);
        assert_eq!(patched, Stages(Stages::of(C::MlpOut).0 | Stages::of(C::MlpPost).0));
        let keys = closed(C::K, C::Embed, true);
        assert!(keys.has(C::ResidPre) && keys.has(C::PosEmbed) && !keys.has(C::ResidPost));
        assert!(closed(C::Logits, C::Scores, false).has(C::ResidPost));
    }

    #[test]
    fn a_layer_lies_in_two_segments() {
        let at = |component, layer| segment(Site::in_layer(component, layer), 12);
        assert_eq!(
            [at(C::Ln1, 3), at(C::V, 3), at(C::Scores, 3), at(C::ResidPost, 3)],
            [3, 3, 4, 4]
        );
        assert_eq!([at(C::ResidPre, 0), at(C::ResidPre, 4)], [0, 4]);
        assert_eq!(segment(Site::outside(C::Logits), 12), 12);
    }
}
