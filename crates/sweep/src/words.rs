//! Words of flags and lists of them.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};
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

/// Lets serde read and write a type as the text that it is parsed from.
macro_rules! as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = SweepError;

            fn try_from(text: String) -> Result<Self, SweepError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}
pub(crate) use as_text;

/// A list, or its only element by itself.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct Words;
    impl<'de> Visitor<'de> for Words {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
            Ok(vec![word.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut words = Vec::new();
            while let Some(word) = list.next_element()? {
                words.push(word);
            }
            Ok(words)
        }
    }
    from.deserialize_any(Words)
}

/// What [`one_or_many`] takes.
pub(crate) fn one_or_many_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
    })
}
