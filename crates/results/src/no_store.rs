//! Stands in for object stores where they aren't built, so that nothing else has to know.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{ResultsError, StoreError};

/// There is none.
#[derive(Debug)]
pub(crate) enum Store {}

impl Store {
    pub(crate) fn open(
        url: &str,
        _: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ResultsError> {
        // What stands before `@` or behind `?` may be a key.
        let shown = url.split(['?', '#']).next().unwrap_or_default();
        let shown = match (shown.split_once("://"), shown.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            _ => shown.to_owned(),
        };
        Err(StoreError::NotBuilt { url: shown }.into())
    }

    pub(crate) fn url(&self) -> &str {
        match *self {}
    }

    pub(crate) fn list(&self, _: &Path) -> Result<BTreeMap<String, u64>, ResultsError> {
        match *self {}
    }

    pub(crate) fn read(&self, _: &Path, _: &str) -> Result<Vec<u8>, ResultsError> {
        match *self {}
    }

    pub(crate) fn download(&self, _: &Path, _: &[String]) -> Result<(), ResultsError> {
        match *self {}
    }

    pub(crate) fn upload(&self, _: &Path, _: &[String]) -> Result<(), ResultsError> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_stores_says_so_and_shows_no_keys() {
        let error = Store::open("s3://AKIA:hush@bucket/x?y=hush", []).unwrap_err();
        insta::assert_snapshot!(
            error,
            @"this program was built without object stores, so s3://bucket/x can't be used: build it with `--features object-store`, or give a local folder"
        );
    }
}
