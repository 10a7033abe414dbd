//! Which interventions are the same, and which do the same.

use crate::component::Component;
use crate::intervention::{Along, Array, Intervention, Operation, Source, State, Value};
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
type Same<'a> = (Way<'a>, What<*const Array, (usize, Option<&'a Locus>, State)>);

/// What makes two interventions do the same to a row, whatever positions they change and read.
#[derive(PartialEq, Eq, Hash)]
struct Effect<'a> {
    component: Component,
    columns: [&'a Selection; 3],
    way: Way<'a>,
    /// Of an array each row is another one, and a function reads all rows: those have the change's own
    /// number.
    what: What<u32, [&'a Selection; 3]>,
}

/// What an intervention reads: an array, known by `A`, or sources, each known by `S`.
#[derive(PartialEq, Eq, Hash)]
enum What<A, S> {
    Nothing,
    Number(u64),
    Array(A),
    Sources(Vec<S>),
}

/// What is done with a value; numbers by their bits, arrays by their addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Way<'a> {
    Replace,
    Add,
    Scale(u64),
    Interpolate(u64),
    Out(*const Array),
    In(*const Array),
    Exchange(*const Array),
    Call(&'a str),
    /// The same with the mean of sources.
    ReplaceByMean,
    AddMean,
    InterpolateMean(u64),
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
        // How many keys are all of them depends on the run; so does what a function is given.
        let by_len = intervention.locus.site.component.has_sources()
            || matches!(intervention.operation, Operation::Call(_));
        let source =
            |source: &'a Source| (offset + source.run.0, source.locus.as_ref(), source.state);
        let what = match value(&intervention.operation) {
            Some(Value::Constant(number)) => What::Number(number.to_bits()),
            Some(Value::Array(array)) => What::Array(std::sync::Arc::as_ptr(array)),
            _ => match intervention.sources() {
                [] => What::Nothing,
                sources => What::Sources(sources.iter().map(source).collect()),
            },
        };
        let same = (way(&intervention.operation), what);
        let key = (&intervention.locus, if by_len { len } else { 0 }, same);
        *self.changes.entry(key).or_insert(next)
    }

    /// The number of what a change does.
    pub(crate) fn effect(&mut self, intervention: &'a Intervention, change: u32) -> u32 {
        let locus = &intervention.locus;
        let source = |source: &'a Source| columns(source.locus.as_ref().unwrap_or(locus));
        let what = match (&intervention.operation, value(&intervention.operation)) {
            (_, Some(Value::Constant(number))) => What::Number(number.to_bits()),
            (_, Some(Value::Array(_))) | (Operation::Call(_), _) => What::Array(change),
            _ => What::Sources(intervention.sources().iter().map(source).collect()),
        };
        let component = locus.site.place().component;
        let next = self.effects.len() as u32;
        let way = way(&intervention.operation);
        let effect = Effect { component, columns: columns(locus), way, what };
        *self.effects.entry(effect).or_insert(next)
    }
}

/// The value that an operation deals with, if it is one.
fn value(operation: &Operation) -> Option<&Value> {
    match operation {
        Operation::Replace(value)
        | Operation::Add(value)
        | Operation::Interpolate { value, .. } => Some(value),
        Operation::Scale(_) | Operation::Project { .. } | Operation::Call(_) => None,
    }
}

fn way(operation: &Operation) -> Way<'_> {
    let mean = matches!(value(operation), Some(Value::Mean(_)));
    match operation {
        Operation::Replace(_) if mean => Way::ReplaceByMean,
        Operation::Replace(_) => Way::Replace,
        Operation::Add(_) if mean => Way::AddMean,
        Operation::Add(_) => Way::Add,
        Operation::Interpolate { weight, .. } if mean => Way::InterpolateMean(weight.to_bits()),
        Operation::Interpolate { weight, .. } => Way::Interpolate(weight.to_bits()),
        Operation::Scale(factor) => Way::Scale(factor.to_bits()),
        Operation::Project { direction, along } => {
            let direction = std::sync::Arc::as_ptr(direction);
            match along {
                Along::Out => Way::Out(direction),
                Along::In => Way::In(direction),
                Along::Of(_) => Way::Exchange(direction),
            }
        }
        Operation::Call(call) => Way::Call(&call.name),
    }
}
