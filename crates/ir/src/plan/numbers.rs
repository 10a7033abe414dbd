//! The rows of a segment, each with a number.
//!
//! Two runs that have the same value at the same position share the row, and a row that has been
//! computed once is never computed again: its number says everything about its value.

use std::collections::HashMap;

use crate::component::Component;

/// No row.
pub(crate) const NONE: u32 = u32::MAX;

/// How a row comes into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    /// A token's embedding.
    Token(u32),
    /// Attention with a query row over the keys and values of a lane, both of the segment below.
    Attention { keys: u32, query: u32 },
    /// An intervention on a row: the `row`th of its locus. The operands stand in
    /// [`Numbers::operands`].
    Patch { component: Component, change: u32, row: u32, input: u32, operands: (u32, u32) },
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
pub(crate) struct Patched {
    pub(crate) component: Component,
    /// The intervention, which of its rows this is, and what it does to each.
    pub(crate) change: u32,
    pub(crate) index: u32,
    pub(crate) effect: u32,
    pub(crate) input: u32,
    /// Whether the outcome is the same for every row at the position.
    pub(crate) replaced: bool,
    pub(crate) operands: Vec<Operand>,
}

/// The rows of one segment; a row's number is its index.
#[derive(Default)]
pub(crate) struct Numbers {
    pub(crate) births: Vec<Birth>,
    /// The lane that has made the row.
    pub(crate) owners: Vec<u32>,
    pub(crate) positions: Vec<u32>,
    /// The residual row in the segment below that the row's attention output is added to.
    pub(crate) resids: Vec<u32>,
    pub(crate) operands: Vec<Operand>,
    tokens: HashMap<(u32, u32), u32>,
    /// By effect, position, and what is read: the input, where it is, and the operands.
    patches: HashMap<(u32, u32, u32, Vec<Operand>), u32>,
    joins: HashMap<(Component, u32, u32), u32>,
}

impl Numbers {
    pub(crate) fn len(&self) -> usize {
        self.births.len()
    }

    fn push(&mut self, birth: Birth, owner: u32, position: u32, resid: u32) -> u32 {
        self.births.push(birth);
        self.owners.push(owner);
        self.positions.push(position);
        self.resids.push(resid);
        self.births.len() as u32 - 1
    }

    /// The embedding of a token at a position.
    pub(crate) fn token(&mut self, token: u32, position: u32, owner: u32) -> u32 {
        if let Some(row) = self.tokens.get(&(token, position)) {
            return *row;
        }
        let row = self.push(Birth::Token(token), owner, position, NONE);
        self.tokens.insert((token, position), row);
        row
    }

    /// A new row of attention.
    pub(crate) fn attention(
        &mut self,
        query: u32,
        keys: u32,
        at: u32,
        owner: u32,
        resid: u32,
    ) -> u32 {
        self.push(Birth::Attention { keys, query }, owner, at, resid)
    }

    /// An intervention's outcome on a row.
    pub(crate) fn patch(&mut self, patched: Patched, owner: u32) -> u32 {
        let Patched { component, change, index, effect, input, replaced, operands } = patched;
        let position = self.positions[input as usize];
        // A row that nothing of its input is left of adds to no certain residual row: it is shared,
        // and each sum with the stream is a row of its own.
        let (read, resid) =
            if replaced { (NONE, NONE) } else { (input, self.resids[input as usize]) };
        let key = (effect, position, read, operands);
        if let Some(row) = self.patches.get(&key) {
            return *row;
        }
        let first = self.operands.len() as u32;
        self.operands.extend_from_slice(&key.3);
        let operands = (first, key.3.len() as u32);
        let birth = Birth::Patch { component, change, row: index, input, operands };
        let born = self.push(birth, owner, position, resid);
        self.patches.insert(key, born);
        born
    }

    /// The sum of a residual row and a branch.
    pub(crate) fn join(
        &mut self,
        component: Component,
        resid: u32,
        branch: u32,
        owner: u32,
    ) -> u32 {
        if let Some(row) = self.joins.get(&(component, resid, branch)) {
            return *row;
        }
        let position = self.positions[branch as usize];
        let birth = Birth::Join { component, resid, branch };
        let row = self.push(birth, owner, position, NONE);
        self.joins.insert((component, resid, branch), row);
        row
    }

    /// The operands of a patch.
    pub(crate) fn operands(&self, (first, len): (u32, u32)) -> &[Operand] {
        &self.operands[first as usize..][..len as usize]
    }
}
