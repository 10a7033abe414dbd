//! The rows of a segment, each with a number.
//!
//! Two runs that have the same value at the same position share the row, and a row that has been
//! computed once is never computed again: its number says everything about its value.

use crate::component::Component;
use crate::plan::hash::Quick;

/// No row.
pub(crate) const NONE: u32 = u32::MAX;

/// How a row comes into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    /// A token's embedding.
    Token(u32),
    /// Attention with a query row over the keys and values of a lane, both of the segment below.
    Attention { keys: u32, query: u32 },
    /// An intervention on a row, by its index in [`Numbers::patches`].
    Patch { component: Component, patch: u32 },
    /// The sum of a residual row and of what a branch adds to it. The residual row lies in the
    /// segment below where the branch is attention.
    Join { component: Component, resid: u32, branch: u32 },
}

impl Birth {
    /// The first stage that the row has.
    pub(crate) fn component(&self) -> Component {
        match self {
            Self::Token(_) => Component::Embed,
            Self::Attention { .. } => Component::Scores,
            Self::Patch { component, .. } | Self::Join { component, .. } => *component,
        }
    }
}

/// A value that an intervention reads: a row at a stage of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Operand {
    pub(crate) segment: u32,
    pub(crate) component: Component,
    pub(crate) row: u32,
}

/// What an intervention makes of a row.
pub(crate) struct Patch {
    pub(crate) component: Component,
    /// The intervention, which of its rows this is, and what it does to each.
    pub(crate) change: u32,
    pub(crate) index: u32,
    pub(crate) effect: u32,
    pub(crate) input: u32,
    /// The row that the interventions inside attention, or at the stage, began with.
    pub(crate) root: u32,
    /// Whether the outcome is the same for every row at the position.
    pub(crate) replaced: bool,
    pub(crate) operands: Vec<Operand>,
}

/// A row.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) birth: Birth,
    /// The lane that has made it.
    pub(crate) owner: u32,
    pub(crate) position: u32,
    /// The residual row in the segment below that its attention output is added to.
    pub(crate) resid: u32,
    /// What it is made of, in short: equal in all passes for what is made alike. Nothing that is
    /// computed depends on it.
    pub(crate) mark: u64,
}

/// The rows of one segment; a row's number is its index.
#[derive(Default)]
pub(crate) struct Numbers {
    pub(crate) rows: Vec<Row>,
    pub(crate) patches: Vec<Patch>,
    tokens: Quick<(u32, u32), u32>,
    /// By effect, position, and what is read: the input, where it is, and the operands.
    patched: Quick<(u32, u32, u32, Vec<Operand>), u32>,
    joins: Quick<(Component, u32, u32), u32>,
}

impl Numbers {
    /// Room for about as many rows as another segment has.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows), ..Self::default() }
    }

    pub(crate) fn row(&self, row: u32) -> &Row {
        &self.rows[row as usize]
    }

    pub(crate) fn push(&mut self, row: Row) -> u32 {
        self.rows.push(row);
        self.rows.len() as u32 - 1
    }

    /// The embedding of a token at a position.
    pub(crate) fn token(&mut self, token: u32, position: u32, owner: u32) -> u32 {
        if let Some(row) = self.tokens.get(&(token, position)) {
            return *row;
        }
        let mark = mix(token.into(), position.into());
        let row = self.push(Row { birth: Birth::Token(token), owner, position, resid: NONE, mark });
        self.tokens.insert((token, position), row);
        row
    }

    /// An intervention's outcome on a row; `read` is the mark of its operands.
    pub(crate) fn patch(&mut self, mut patch: Patch, owner: u32, read: u64) -> u32 {
        let Patch { component, effect, input, .. } = patch;
        let Row { position, resid, mark, .. } = *self.row(input);
        let outcome = mix(mix(effect.into(), position.into()), read);
        // A row that nothing of its input is left of adds to no certain residual row: it is shared,
        // and each sum with the stream is a row of its own.
        let (input, resid, mark) = match patch.replaced {
            true => (NONE, NONE, outcome),
            false => (input, resid, mix(outcome, mark)),
        };
        let key = (effect, position, input, std::mem::take(&mut patch.operands));
        if let Some(row) = self.patched.get(&key) {
            return *row;
        }
        patch.operands.clone_from(&key.3);
        patch.root = self.root(component, patch.input);
        let birth = Birth::Patch { component, patch: self.patches.len() as u32 };
        self.patches.push(patch);
        let born = self.push(Row { birth, owner, position, resid, mark });
        self.patched.insert(key, born);
        born
    }

    fn root(&self, component: Component, input: u32) -> u32 {
        match self.row(input).birth {
            Birth::Patch { component: at, patch }
                if at == component || at.has_sources() && component.has_sources() =>
            {
                self.patches[patch as usize].root
            }
            _ => input,
        }
    }

    /// The sum of a residual row and a branch.
    pub(crate) fn join(
        &mut self,
        component: Component,
        resid: u32,
        branch: u32,
        owner: u32,
        mark: u64,
    ) -> u32 {
        if let Some(row) = self.joins.get(&(component, resid, branch)) {
            return *row;
        }
        let position = self.row(branch).position;
        let birth = Birth::Join { component, resid, branch };
        let row = self.push(Row { birth, owner, position, resid: NONE, mark });
        self.joins.insert((component, resid, branch), row);
        row
    }
}

/// Two marks as one, their order told apart.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mixed = (a ^ 0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(0xff51_afd7_ed55_8ccd)
        .wrapping_add(b)
        .wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 29)
}
