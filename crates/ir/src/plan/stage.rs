//! The order in which a pass computes, and what each stage is computed from.
//!
//! A pass is cut at its attentions. A *segment* is what lies between two of them: the upper part of
//! one layer (from the attention scores on) and the lower part of the next (up to the queries, keys and
//! values that its attention reads). Within a segment every stage is computed row by row; only attention
//! looks at other rows. Where attention and MLP read the same stream, the MLP belongs to the lower part:
//! its output is added to the stream before attention's is.

use crate::architecture::Architecture;
use crate::component::Component;
use crate::site::Site;

/// Number of components.
const COUNT: usize = Component::ALL.len();

/// A set of stages of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages(u64);

impl Stages {
    /// The attention's own stages and what is projected from them.
    pub(crate) const ATTENTION: Self = Self::all(&[
        Component::Scores,
        Component::Pattern,
        Component::Z,
        Component::Result,
        Component::AttnModule,
        Component::AttnOut,
    ]);

    /// The stage alone.
    pub const fn of(component: Component) -> Self {
        Self(1 << component as u64)
    }

    const fn all(components: &[Component]) -> Self {
        let (mut all, mut index) = (0, 0);
        while index < components.len() {
            all |= Self::of(components[index]).0;
            index += 1;
        }
        Self(all)
    }

    /// Whether the stage is one of them.
    pub const fn has(self, component: Component) -> bool {
        self.meets(Self::of(component))
    }

    /// Whether a row that begins at a stage makes a component from the stages before it. The factor of a
    /// gated MLP that lies before a row's birth is another row's.
    pub(crate) fn computes(self, birth: Component, component: Component) -> bool {
        let borrows = birth == Component::MlpPreLinear && component == Component::MlpPre;
        self.has(component) && birth != component && !borrows
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// How a model's stages follow one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    n_layers: usize,
    parallel: bool,
    shares_norm: bool,
    gated: bool,
    /// What attention reads: the last stages of queries and keys.
    query: Component,
    key: Component,
    /// The stages of a segment in their order. The first segment begins with the embeddings, all others
    /// with the attention below them; the last one ends with the logits.
    order: [Component; COUNT],
    /// Where each component stands in it.
    rank: [u8; COUNT],
    /// What each component is computed from: other stages of the same row.
    parts: [Stages; COUNT],
    /// The stages from each component on.
    from: [Stages; COUNT],
}

impl Layout {
    /// That of a model.
    pub fn of(architecture: &Architecture) -> Self {
        use Component as C;
        let order = order(architecture.is_parallel());
        let mut rank = [0; COUNT];
        for (index, component) in order.iter().enumerate() {
            rank[*component as usize] = index as u8;
        }
        let from = Component::ALL
            .map(|component| Stages::all(&order[usize::from(rank[component as usize])..]));
        let last = |of: [Component; 3]| {
            let has = |component: &Component| architecture.lacks(*component).is_none();
            of.into_iter().rev().find(has).unwrap_or(of[0])
        };
        Self {
            n_layers: architecture.n_layers,
            parallel: architecture.is_parallel(),
            shares_norm: architecture.shares_norm(),
            gated: architecture.gated_mlp,
            query: last([C::Q, C::QNormed, C::RotQ]),
            key: last([C::K, C::KNormed, C::RotK]),
            order,
            rank,
            parts: Component::ALL.map(|component| parts(architecture, component)),
            from,
        }
    }

    /// The stage at which attention reads queries, keys or values: 0, 1 or 2.
    pub fn attended(&self, which: usize) -> Component {
        [self.query, self.key, Component::V][which]
    }

    /// Whether attention and MLP read the same stream.
    pub fn is_parallel(&self) -> bool {
        self.parallel
    }

    /// Whether the MLP has two factors.
    pub fn is_gated(&self) -> bool {
        self.gated
    }

    /// Whether attention and MLP read the output of the same norm.
    pub(crate) fn shares_norm(&self) -> bool {
        self.shares_norm
    }

    /// The sum of the stream below and of what attention adds to it.
    pub fn attention_sum(&self) -> Component {
        if self.parallel { Component::ResidPost } else { Component::ResidMid }
    }

    /// The sum of the stream and of what the MLP adds to it. In a parallel layer this is no site: the
    /// stage is called as it is in a sequential one.
    pub fn mlp_sum(&self) -> Component {
        if self.parallel { Component::ResidMid } else { Component::ResidPost }
    }

    /// What attention's output in a segment is added to: the end of the segment below.
    pub fn below(&self, segment: usize) -> Component {
        match segment {
            _ if self.parallel => Component::ResidMid,
            1 => Component::ResidPre,
            _ => Component::ResidPost,
        }
    }

    /// The stream that the lower part of a segment begins with.
    pub fn stream(&self, segment: usize) -> Component {
        if segment == 0 { Component::ResidPre } else { Component::ResidPost }
    }

    /// What a sum adds up: the stream, of the segment below where the branch is attention's, and the
    /// branch.
    pub fn summands(&self, component: Component, segment: usize) -> [Component; 2] {
        use Component as C;
        match component {
            C::ResidPre => [C::Embed, C::PosEmbed],
            _ if component == self.attention_sum() => [self.below(segment), C::AttnOut],
            _ if self.parallel => [self.stream(segment), C::MlpOut],
            _ => [C::ResidMid, C::MlpOut],
        }
    }

    /// The sums of a segment in their order.
    pub(crate) fn sums(&self, segment: usize) -> Vec<Component> {
        let attention = (segment > 0).then_some(self.attention_sum());
        let embeddings = (segment == 0).then_some(Component::ResidPre);
        let mlp = if self.parallel { segment < self.n_layers } else { segment > 0 };
        embeddings.into_iter().chain(attention).chain(mlp.then_some(self.mlp_sum())).collect()
    }

    /// Whether a row goes through a layer, by what it computes: attention or MLP, where these lie side by
    /// side attention alone.
    pub fn goes_through(&self, computes: impl Fn(Component) -> bool) -> bool {
        computes(Component::Z) || !self.parallel && computes(Component::MlpOut)
    }

    /// What the stage above an intervention's outcome reads beside it, of the row that the interventions
    /// at the stage began with: what a norm divides, or the other factor of a gated MLP.
    pub fn beside(&self, component: Component, segment: usize) -> Option<Component> {
        use Component as C;
        match component {
            C::Ln2Scale if !self.parallel => Some(C::ResidMid),
            C::Ln1Scale | C::Ln2Scale | C::FinalScale => Some(self.stream(segment)),
            C::Ln1PostScale => Some(C::AttnModule),
            C::Ln2PostScale => Some(C::MlpModule),
            C::MlpPre if self.gated => Some(C::MlpPreLinear),
            C::MlpPreLinear => Some(C::MlpPre),
            _ => None,
        }
    }

    /// Whether everything above a row's value is computed from that value alone, so that another run's
    /// row can stand in for it.
    pub(crate) fn stands_alone(&self, component: Component) -> bool {
        !component.has_sources() && self.beside(component, 0).is_none()
    }

    /// These stages and all that they are computed from, down to the stage at which the row was
    /// born; a row in the first segment has a `resid_pre`, all others a `resid_post`.
    pub(crate) fn closed(&self, stages: Stages, birth: Component, first: bool) -> Stages {
        let other = if first { Component::ResidPost } else { Component::ResidPre };
        // What the row has: nothing below its birth, and one of the two names of the stream.
        let has = self.from[birth as usize].0 & !Stages::of(other).0;
        let mut all = stages.0 & has;
        for component in self.order[usize::from(self.rank(birth))..].iter().rev() {
            if Stages(all).has(*component) {
                all |= self.parts[*component as usize].0 & has;
            }
        }
        Stages(all)
    }

    /// The stage's place within its segment.
    pub(crate) fn rank(&self, component: Component) -> u8 {
        self.rank[component as usize]
    }

    /// The segment that computes a site's place; segment 0 begins with the embeddings.
    pub(crate) fn segment(&self, site: Site) -> usize {
        let Site { layer, component } = site.place();
        let lower = self.rank(component) > self.rank(Component::ResidPost);
        match layer {
            Some(layer) if lower || component == Component::ResidPre => layer,
            Some(layer) => layer + 1,
            None if component < Component::ResidPre => 0,
            None => self.n_layers,
        }
    }
}

/// The order of a segment's stages.
fn order(parallel: bool) -> [Component; COUNT] {
    use Component as C;
    const ATTENTION: [Component; 8] = [
        C::Scores,
        C::Pattern,
        C::Z,
        C::Result,
        C::AttnModule,
        C::Ln1PostScale,
        C::Ln1PostNormalized,
        C::AttnOut,
    ];
    const MLP: [Component; 10] = [
        C::Ln2Scale,
        C::Ln2Normalized,
        C::Ln2,
        C::MlpPreLinear,
        C::MlpPre,
        C::MlpPost,
        C::MlpModule,
        C::Ln2PostScale,
        C::Ln2PostNormalized,
        C::MlpOut,
    ];
    const QKV: [Component; 10] = [
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
    ];
    const TOP: [Component; 4] = [C::FinalScale, C::FinalNormalized, C::FinalNorm, C::Logits];
    let start = [C::Embed, C::PosEmbed, C::ResidPre].into_iter().chain(ATTENTION);
    let all: Vec<Component> = match parallel {
        false => start
            .chain([C::ResidMid])
            .chain(MLP)
            .chain([C::ResidPost])
            .chain(QKV)
            .chain(TOP)
            .collect(),
        true => start
            .chain([C::ResidPost])
            .chain(QKV)
            .chain(MLP)
            .chain([C::ResidMid])
            .chain(TOP)
            .collect(),
    };
    let mut order = [C::Embed; COUNT];
    order.copy_from_slice(&all);
    order
}

/// What a stage of a row is computed from: other stages of the same row.
fn parts(architecture: &Architecture, component: Component) -> Stages {
    use Component as C;
    let parallel = architecture.is_parallel();
    let post = architecture.has_post_norm();
    let stream: &[Component] = &[C::ResidPre, C::ResidPost];
    let parts: &[Component] = match component {
        C::Embed | C::PosEmbed | C::Scores => &[],
        C::ResidPre => &[C::Embed, C::PosEmbed],
        C::Pattern => &[C::Scores],
        C::Z => &[C::Pattern],
        C::Result => &[C::Z],
        C::AttnModule => &[C::Result],
        C::Ln1PostScale => &[C::AttnModule],
        C::Ln1PostNormalized => &[C::AttnModule, C::Ln1PostScale],
        C::AttnOut if post => &[C::Ln1PostNormalized],
        C::AttnOut => &[C::Result],
        C::ResidMid if parallel => &[C::ResidPre, C::ResidPost, C::MlpOut],
        C::ResidMid => &[C::AttnOut],
        C::Ln2Scale if parallel => stream,
        C::Ln2Scale => &[C::ResidMid],
        C::Ln2Normalized if parallel => &[C::ResidPre, C::ResidPost, C::Ln2Scale],
        C::Ln2Normalized => &[C::ResidMid, C::Ln2Scale],
        C::Ln2 => &[C::Ln2Normalized],
        C::MlpPre | C::MlpPreLinear if architecture.shares_norm() => &[C::Ln1],
        C::MlpPre | C::MlpPreLinear => &[C::Ln2],
        C::MlpPost if architecture.gated_mlp => &[C::MlpPre, C::MlpPreLinear],
        C::MlpPost => &[C::MlpPre],
        C::MlpModule => &[C::MlpPost],
        C::Ln2PostScale => &[C::MlpModule],
        C::Ln2PostNormalized => &[C::MlpModule, C::Ln2PostScale],
        C::MlpOut if post => &[C::Ln2PostNormalized],
        C::MlpOut => &[C::MlpPost],
        C::ResidPost if parallel => &[C::AttnOut],
        C::ResidPost => &[C::ResidMid, C::MlpOut],
        C::Ln1Scale | C::FinalScale => stream,
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
    };
    Stages::all(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Residual, small};
    use Component as C;

    #[test]
    fn a_stage_needs_everything_below_it_down_to_the_birth_of_its_row() {
        let layout = Layout::of(&small());
        let closed = |component, birth, first| layout.closed(Stages::of(component), birth, first);
        let mlp = closed(C::MlpOut, C::ResidMid, false);
        assert!(mlp.has(C::Ln2) && mlp.has(C::ResidMid) && !mlp.has(C::AttnOut));
        let patched = closed(C::MlpOut, C::MlpPost, false);
        assert_eq!(patched, Stages::all(&[C::MlpOut, C::MlpPost]));
        let keys = closed(C::K, C::Embed, true);
        assert!(keys.has(C::ResidPre) && keys.has(C::PosEmbed) && !keys.has(C::ResidPost));
        assert!(closed(C::Logits, C::Scores, false).has(C::ResidPost));
    }

    #[test]
    fn a_layer_lies_in_two_segments() {
        let layout = Layout::of(&Architecture { n_layers: 12, ..small() });
        let at = |component, layer| layout.segment(Site::in_layer(component, layer));
        assert_eq!(
            [at(C::Ln1, 3), at(C::V, 3), at(C::Scores, 3), at(C::ResidPost, 3)],
            [3, 3, 4, 4]
        );
        assert_eq!([at(C::ResidPre, 0), at(C::ResidPre, 4), at(C::MlpOut, 3)], [0, 4, 4]);
        assert_eq!(layout.segment(Site::outside(C::Logits)), 12);
    }

    #[test]
    fn the_mlp_of_a_parallel_layer_comes_before_its_attention() {
        let parallel = Architecture { residual: Residual::ParallelSharedNorm, ..small() };
        let layout = Layout::of(&parallel);
        let at = |component| layout.segment(Site::in_layer(component, 1));
        assert_eq!([at(C::MlpOut), at(C::Z), at(C::ResidPost)], [1, 2, 2]);
        let sum = layout.closed(Stages::of(layout.mlp_sum()), C::Scores, false);
        assert!(sum.has(C::ResidPost) && sum.has(C::Ln1) && !sum.has(C::Ln2) && !sum.has(C::Q));
    }
}
