//! Words of flags and lists of them.

use tracewright_ir::nearest;

use crate::error::SweepError;

/// The one of `all` that is called `given`.
pub(crate) fn word<T: Copy>(
    what: &'static str,
    given: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, SweepError> {
    let names = || all.iter().map(|one| name(*one));
    let unknown = || SweepError::UnknownWord {
        what,
        given: given.to_owned(),
        nearest: nearest(given, names()),
        known: names().collect(),
    };
    all.iter().copied().find(|one| name(*one) == given).ok_or_else(unknown)
}

/// True for a list that holds something, and nothing twice.
pub(crate) fn each_once<T: PartialEq>(list: &[T]) -> bool {
    !list.is_empty() && no_twins(list)
}

/// True for a list that holds nothing twice.
pub(crate) fn no_twins<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().all(|(index, one)| !list[..index].contains(one))
}
