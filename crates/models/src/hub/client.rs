//! Requests to the hub: the token, redirects, refusals and waiting.

use std::thread;
use std::time::Duration;

use ureq::Body;
use ureq::http::{Response, Uri, header};

use super::Hub;
use super::error::HubError;

/// A wish to wait that is longer than this is passed on to the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const REDIRECTS: usize = 8;

/// Requests about one revision of one model.
pub(super) struct Client<'a> {
    pub(super) hub: &'a Hub,
    pub(super) id: &'a str,
    pub(super) revision: &'a str,
}

/// No redirects: `Client::get` follows them, so that the token stays with the hub.
pub(super) fn agent() -> ureq::Agent {
    let seconds = |count| Some(Duration::from_secs(count));
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_resolve(seconds(20))
        .timeout_connect(seconds(20))
        .timeout_recv_response(seconds(60))
        .timeout_per_read(seconds(60))
        // Resuming and sums need the file's own bytes.
        .accept_encoding("identity")
        .user_agent(concat!("tracewright/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

impl Client<'_> {
    /// What stands at `path` of the hub, from byte `from` on; the answer to a range may be 206, 200 or 416.
    ///
    /// # Errors
    ///
    /// No connection, or an answer that refuses; `what` names the thing asked for.
    pub(super) fn get(
        &self,
        path: &str,
        from: u64,
        what: &str,
    ) -> Result<Response<Body>, HubError> {
        let unreachable = |problem: String| self.unreachable(what, problem);
        let bad = |problem: &str| self.bad_answer(what, problem.to_owned());
        let start = format!("{}{path}", self.hub.endpoint);
        let mut at: Uri = start.parse().map_err(|_| bad("HF_ENDPOINT isn't an address"))?;
        let home = origin(&at);
        for _ in 0..REDIRECTS {
            let mut request = self.hub.agent.get(&at);
            if let Some(token) = self.hub.token.as_ref().filter(|_| origin(&at) == home) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.0));
            }
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let answer = request.call().map_err(|error| unreachable(plain(&error)))?;
            match answer.status().as_u16() {
                200 | 206 => return Ok(answer),
                416 if from > 0 => return Ok(answer),
                301 | 302 | 303 | 307 | 308 => {
                    let there = field(&answer, "location");
                    at = next(&at, &there).ok_or_else(|| bad("a redirect that leads nowhere"))?;
                }
                _ => return Err(self.refusal(&answer, what)),
            }
        }
        Err(bad("too many redirects"))
    }

    /// Waits after a failure that may pass; gives the failure back when it has been tried often enough.
    pub(super) fn wait(&self, tried: &mut u32, error: HubError) -> Result<(), HubError> {
        let asked = match &error {
            HubError::Busy { wait, .. } => *wait,
            _ => None,
        };
        let pause = asked.unwrap_or_else(|| self.hub.wait.saturating_mul(1 << (*tried).min(5)));
        if !error.may_pass() || *tried >= self.hub.retries || pause > LONGEST_WAIT {
            return Err(error);
        }
        *tried += 1;
        thread::sleep(pause);
        Ok(())
    }

    pub(super) fn unreachable(&self, what: &str, problem: String) -> HubError {
        let (endpoint, what) = (self.hub.endpoint.clone(), what.to_owned());
        HubError::Unreachable { endpoint, what, problem }
    }

    pub(super) fn bad_answer(&self, what: &str, problem: String) -> HubError {
        let (endpoint, what) = (self.hub.endpoint.clone(), what.to_owned());
        HubError::BadAnswer { endpoint, what, problem }
    }

    /// The hub's reason stands in two headers; without them the status has to do.
    fn refusal(&self, answer: &Response<Body>, what: &str) -> HubError {
        let [code, reason] = ["x-error-code", "x-error-message"].map(|name| field(answer, name));
        let (endpoint, what) = (self.hub.endpoint.clone(), what.to_owned());
        let (id, revision) = (self.id.to_owned(), self.revision.to_owned());
        let status = answer.status().as_u16();
        match (code.as_str(), status) {
            ("GatedRepo", _) => HubError::Gated { endpoint, id, reason },
            ("RevisionNotFound", _) => HubError::NoRevision { id, revision, reason },
            ("EntryNotFound", _) => HubError::Refused { endpoint, what, status, reason },
            (_, 401) if reason.starts_with("Invalid ") => HubError::BadToken { endpoint, reason },
            // 401 without more stands for private models as well as for names that don't exist.
            ("RepoNotFound", _) | ("", 401 | 404) => HubError::NoModel { endpoint, id, reason },
            (_, 408 | 429 | 500 | 502 | 503 | 504) => {
                let wait = field(answer, "retry-after").parse().ok().map(Duration::from_secs);
                HubError::Busy { endpoint, what, status, wait, reason }
            }
            _ => HubError::Refused { endpoint, what, status, reason },
        }
    }
}

/// A header's text, empty where it isn't there or isn't plain ASCII.
pub(super) fn field(answer: &Response<Body>, name: &str) -> String {
    let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().chars().take(4096).collect()
}

/// What the token belongs to.
fn origin(uri: &Uri) -> (Option<String>, Option<String>) {
    let lower = |text: &str| text.to_ascii_lowercase();
    (uri.scheme_str().map(lower), uri.authority().map(|authority| lower(authority.as_str())))
}

/// Where a redirect leads; never from https to http.
fn next(at: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (at.scheme_str()?, at.authority()?);
    let absolute = match location {
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ => location.to_owned(),
    };
    let next: Uri = absolute.parse().ok()?;
    let safe = match next.scheme_str()? {
        "https" => true,
        "http" => scheme == "http",
        _ => false,
    };
    (safe && next.authority().is_some()).then_some(next)
}

/// An error without the address, which may be signed.
fn plain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the address can't be used".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_host_or_name_another_and_never_give_up_https() {
        let next = |location| {
            let at = Uri::from_static("https://hub.org/a/b?c");
            super::next(&at, location).map(|uri| uri.to_string())
        };
        assert_eq!(next("/d?e").as_deref(), Some("https://hub.org/d?e"));
        assert_eq!(next("//cdn.org/f").as_deref(), Some("https://cdn.org/f"));
        assert_eq!(next("https://cdn.org/f").as_deref(), Some("https://cdn.org/f"));
        assert_eq!(
            ["http://hub.org/a", "ftp://hub.org/a", "a/b", ""].map(next),
            [const { None }; 4]
        );
    }
}
