//! What a store's error means.

use std::error::Error;
use std::path::Path;

use object_store::client::HttpError;

use crate::{ResultsError, StoreError, StoreFailure};

/// More of a store's words than this don't help anyone.
const LONGEST: usize = 200;

/// Sorts an error by what the user can do about it.
pub(crate) fn failed(url: &str, folder: &Path, error: &object_store::Error) -> ResultsError {
    let text = causes(error).last().unwrap_or(error).to_string();
    let (url, path, failure) = (url.to_owned(), folder.to_path_buf(), failure(error, &text));
    StoreError::Failed { url, path, failure, said: said(&text) }.into()
}

/// The crate tells by its error's kind why a file wasn't read or written, but not why a listing
/// failed; there S3's own code does.
fn failure(error: &object_store::Error, text: &str) -> StoreFailure {
    use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
    // Without keys, a virtual machine's own are asked for, at these paths.
    let of_machine = ["/latest/api/token", "/latest/meta-data"];
    if causes(error).any(|cause| of_machine.iter().any(|path| cause.to_string().contains(path))) {
        return StoreFailure::NoKeys;
    }
    match (error, element(text, "Code")) {
        (NotFound { .. }, _) | (_, Some("NoSuchBucket")) => StoreFailure::Missing,
        (PermissionDenied { .. } | Unauthenticated { .. }, _) => StoreFailure::Refused,
        (
            _,
            Some(
                "AccessDenied"
                | "AuthorizationHeaderMalformed"
                | "ExpiredToken"
                | "InvalidAccessKeyId"
                | "InvalidToken"
                | "PermanentRedirect"
                | "RequestTimeTooSkewed"
                | "SignatureDoesNotMatch",
            ),
        ) => StoreFailure::Refused,
        _ if causes(error).any(|cause| cause.is::<HttpError>()) => StoreFailure::Unreachable,
        _ => StoreFailure::Other,
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| error.source())
}

/// The code and the message of an answer of S3, which may repeat the whole request with a
/// session's token; of anything else the start.
fn said(text: &str) -> String {
    let said = match (element(text, "Code"), element(text, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        // Before the first tag or line's end of whatever it is.
        _ => text.split(['<', '\n']).next().unwrap_or_default().to_owned(),
    };
    said.trim_end_matches([' ', ':', '.']).chars().take(LONGEST).collect()
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_the_request_shows_no_token() {
        let answer = "Server returned non-2xx status code: 403 Forbidden: <?xml?><Error><Code>\
                      SignatureDoesNotMatch</Code><Message>It does not match.</Message>\
                      <CanonicalRequest>x-amz-security-token:hush</CanonicalRequest></Error>";
        let source = Box::new(std::io::Error::other(answer));
        let error = object_store::Error::Generic { store: "S3", source };
        let error = failed("s3://bucket/x", Path::new("out"), &error);
        assert!(!format!("{error:?}").contains("hush"));
        insta::assert_snapshot!(
            error,
            @"s3://bucket/x: the store refuses access (SignatureDoesNotMatch: It does not match). Check the keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), the region (AWS_REGION), and that they may list, read and write there. Every finished pass is kept in out: give the same command again to go on"
        );
    }

    #[test]
    fn a_page_of_something_else_is_cut_to_its_start() {
        assert_eq!(said("502 Bad Gateway: <html><body>hush</body></html>"), "502 Bad Gateway");
        assert_eq!(said(&"x".repeat(1000)).len(), LONGEST);
    }
}
