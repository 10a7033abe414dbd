//! The address of a place in an object store.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use crate::{ResultsError, StoreError};

/// An address that can be shown: what may be secret in one is refused.
pub(crate) struct StoreUrl {
    scheme: ObjectStoreScheme,
    url: Url,
    pub(crate) root: Key,
    pub(crate) shown: String,
}

impl StoreUrl {
    pub(crate) fn parse(given: &str) -> Result<Self, ResultsError> {
        let mut url = match Url::parse(given) {
            Ok(url) => url,
            // Nobody knows where in it a key stands, so it isn't shown.
            Err(error) => {
                return Err(wrong("the given URL", format!("it can't be read ({error})")));
            }
        };
        let has_user = !url.username().is_empty() || url.password().is_some();
        let has_more = url.query().is_some() || url.fragment().is_some();
        let _ = (url.set_username(""), url.set_password(None));
        url.set_query(None);
        url.set_fragment(None);
        let shown = url.to_string();
        if has_user {
            let problem = "keys don't belong there, but into AWS_ACCESS_KEY_ID and \
                           AWS_SECRET_ACCESS_KEY";
            return Err(wrong(&shown, problem.to_owned()));
        }
        if has_more {
            return Err(wrong(&shown, "it has a query or a fragment".to_owned()));
        }
        use ObjectStoreScheme::{AmazonS3, Local};
        match ObjectStoreScheme::parse(&url) {
            Ok((scheme @ (AmazonS3 | Local), root)) => Ok(Self { scheme, url, root, shown }),
            _ => Err(wrong(&shown, format!("no store of the kind {}: is known", url.scheme()))),
        }
    }

    /// The store with settings such as `AWS_REGION`; those that it doesn't know are left out.
    pub(crate) fn store(
        &self,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Arc<dyn ObjectStore>, ResultsError> {
        if self.scheme == ObjectStoreScheme::Local {
            return Ok(Arc::new(LocalFileSystem::new().with_fsync(true)));
        }
        // The client for HTTPS is built without cryptography of its own. Whoever has chosen one
        // for this process already is left to it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let known = settings.into_iter().filter_map(|(name, value)| {
            Some((name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().ok()?, value))
        });
        let builder = AmazonS3Builder::new().with_url(self.url.as_str()).with_retry(patience());
        let builder = known.fold(builder, |builder, (key, value)| builder.with_config(key, value));
        Ok(Arc::new(builder.build().map_err(|error| self.settings(&error))?))
    }

    pub(crate) fn settings(&self, error: &dyn std::error::Error) -> ResultsError {
        let (url, problem) = (self.shown.clone(), error.to_string());
        StoreError::Settings { url, problem }.into()
    }
}

/// As it comes, ten attempts are over after two seconds; so it's about twenty.
fn patience() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { base: 3.0, ..BackoffConfig::default() },
        ..RetryConfig::default()
    }
}

fn wrong(url: &str, problem: String) -> ResultsError {
    StoreError::Address { url: url.to_owned(), problem }.into()
}
