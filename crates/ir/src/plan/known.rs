//! Which interventions are the same, and which do the same.

use crate::component::Component;
use crate::intervention::{Array, Intervention, Operation, Source, State, Value};
use crate::locus::{Locus, Selection};
use crate::plan::hash::Quick;
use crate::plan::program::columns;

/// The interventions that have been seen, and their numbers.
#[derive(Default)]
pub(crate) struct Known<'a> {
    changes: Quick<(&'a Locus, usize, Same<'a>), u32>,
    effects: Quick<Effect<'a>, u32>,
    /// Changes by what has acted before them.
    pub(crate) acts: Quick<(Option<u32>, u32), u32>,
}

/// What makes two interventions at a locus one, whichever requests they are from.
#[derive(PartialEq, Eq, Hash)]
enum Same<'a> {
    Scale(u64),
    Constant(Way, u64),
    Array(Way, *const Array),
    Sources(Way, Vec<(usize, Option<&'a Locus>, State)>),
}

/// What makes two interventions do the same to a row, whatever positions they change and read.
#[derive(PartialEq, Eq, Hash)]
struct Effect<'a> {
    component: Component,
    columns: [&'a Selection; 3],
    operation: Does<'a>,
}

#[derive(PartialEq, Eq, Hash)]
enum Does<'a> {
    Scale(u64),
    Constant(Way, u64),
    /// Each row is another one: the change's own number.
    Array(u32),
    Sources(Way, Vec<[&'a Selection; 3]>),
}

/// What is done with a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    Replace,
    ReplaceByMean,
    Add,
    AddMean,
}

impl<'a> Known<'a> {
    /// The number of an intervention on a run of `len` tokens, of a request whose runs count from
    /// `offset`; `next` for a new one.
    pub(crate) fn change(
        &mut self,
        intervention: &'a Intervention,
        offset: usize,
        len: usize,
        next: u32,
    ) -> u32 {
        // How many keys are all of them depends on the run.
        let keys = if intervention.locus.site.component.has_sources() { len } else { 0 };
        let source =
            |source: &'a Source| (offset + source.run.0, source.locus.as_ref(), source.state);
        let same = match value(&intervention.operation) {
            Err(factor) => Same::Scale(factor.to_bits()),
            Ok((way, Value::Constant(number))) => Same::Constant(way, number.to_bits()),
            Ok((way, Value::Array(array))) => Same::Array(way, std::sync::Arc::as_ptr(array)),
            Ok((way, value)) => Same::Sources(way, value.sources().iter().map(source).collect()),
        };
        *self.changes.entry((&intervention.locus, keys, same)).or_insert(next)
    }

    /// The number of what a change does.
    pub(crate) fn effect(&mut self, intervention: &'a Intervention, change: u32) -> u32 {
        let locus = &intervention.locus;
        let source = |source: &'a Source| columns(source.locus.as_ref().unwrap_or(locus));
        let operation = match value(&intervention.operation) {
            Err(factor) => Does::Scale(factor.to_bits()),
            Ok((way, Value::Constant(number))) => Does::Constant(way, number.to_bits()),
            Ok((_, Value::Array(_))) => Does::Array(change),
            Ok((way, value)) => Does::Sources(way, value.sources().iter().map(source).collect()),
        };
        let component = locus.site.place().component;
        let next = self.effects.len() as u32;
        let effect = Effect { component, columns: columns(locus), operation };
        *self.effects.entry(effect).or_insert(next)
    }
}

/// The value of an operation and what is done with it, or the factor.
fn value(operation: &Operation) -> Result<(Way, &Value), f64> {
    match operation {
        Operation::Scale(factor) => Err(*factor),
        Operation::Replace(value @ Value::Mean(_)) => Ok((Way::ReplaceByMean, value)),
        Operation::Replace(value) => Ok((Way::Replace, value)),
        Operation::Add(value @ Value::Mean(_)) => Ok((Way::AddMean, value)),
        Operation::Add(value) => Ok((Way::Add, value)),
    }
}
