//! A small hub and its CDN on this machine, with faults to order.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(crate) const COMMIT: &str = "c0ffee0123456789c0ffee0123456789c0ffee01";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// With names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    /// Whether it went to the CDN.
    pub(crate) cdn: bool,
}

/// What goes wrong with the next requests whose path contains `at`.
pub(crate) struct Fault {
    pub(crate) at: &'static str,
    pub(crate) times: usize,
    pub(crate) what: What,
}

#[derive(Clone)]
pub(crate) enum What {
    /// So many bytes of the body, then the connection ends.
    Drop(usize),
    /// A body that says itself to be shorter.
    Short(usize),
    /// Another byte in it.
    Corrupt,
    /// The whole file, whatever range was asked for.
    NoRange,
    Refuse(u16, &'static [(&'static str, &'static str)]),
    Redirect(&'static str),
    /// Another body.
    Say(&'static str),
}

/// What both servers share.
pub(crate) struct State {
    /// Files by name; those that are large go through the CDN.
    pub(crate) files: BTreeMap<&'static str, (Vec<u8>, bool)>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) log: Vec<Request>,
    pub(crate) commit: &'static str,
    cdn: String,
}

pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) state: Arc<Mutex<State>>,
}

pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name of a file's blob: its ETag.
pub(crate) fn etag(content: &[u8], large: bool) -> String {
    let header = format!("blob {}\0", content.len());
    match large {
        true => hex(&Sha256::digest(content)),
        false => hex(&Sha1::new().chain_update(header).chain_update(content).finalize()),
    }
}

impl Server {
    /// Serves until the test's process ends.
    pub(crate) fn start(files: &[(&'static str, &[u8], bool)]) -> std::io::Result<Self> {
        let [hub, cdn] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let endpoint = format!("http://{}", hub.local_addr()?);
        let state = State {
            files: files.iter().map(|(name, bytes, cdn)| (*name, (bytes.to_vec(), *cdn))).collect(),
            faults: vec![],
            log: vec![],
            commit: COMMIT,
            cdn: format!("http://{}", cdn.local_addr()?),
        };
        let state = Arc::new(Mutex::new(state));
        for (listener, is_cdn) in [(hub, false), (cdn, true)] {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A client that has gone away is no failure of the test.
                    let _ = answer(&state, &stream, is_cdn);
                }
            });
        }
        Ok(Self { endpoint, state })
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn fault(&self, at: &'static str, times: usize, what: What) {
        self.with(|state| state.faults.push(Fault { at, times, what }));
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.with(|state| std::mem::take(&mut state.log))
    }
}

fn answer(state: &Mutex<State>, mut stream: &TcpStream, cdn: bool) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let request = Request { path, headers, cdn };
    let reply = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.log.push(request.clone());
        state.reply(&request)
    };
    stream.write_all(&reply)
}

impl State {
    fn reply(&mut self, request: &Request) -> Vec<u8> {
        let what = self.fault(&request.path);
        match &what {
            Some(What::Refuse(status, headers)) => return message(*status, headers, b"no"),
            Some(What::Redirect(to)) => return message(302, &[("location", to)], b""),
            Some(What::Say(body)) => return message(200, &[], body.as_bytes()),
            _ => {}
        }
        let path = request.path.split('?').next().unwrap_or_default();
        if path.starts_with("/api/models/") {
            return message(200, &[], self.listing().to_string().as_bytes());
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let Some((content, large)) = self.files.get(name) else {
            return message(404, &[("x-error-code", "EntryNotFound")], b"");
        };
        if *large && !request.cdn {
            let to = format!("{}/cdn/{name}?signature=s3cret", self.cdn);
            return message(302, &[("location", &to)], b"");
        }
        let range = request.headers.get("range").filter(|_| !matches!(what, Some(What::NoRange)));
        file(content, range.map(String::as_str), what.as_ref())
    }

    fn fault(&mut self, path: &str) -> Option<What> {
        let fault = self.faults.iter_mut().find(|f| f.times > 0 && path.contains(f.at))?;
        fault.times -= 1;
        Some(fault.what.clone())
    }

    fn listing(&self) -> Value {
        let sibling = |(name, (content, large)): (&&str, &(Vec<u8>, bool))| {
            let lfs = json!({ "sha256": etag(content, true), "size": content.len() });
            json!({
                "rfilename": name,
                "size": content.len(),
                "blobId": etag(content, false),
                "lfs": if *large { lfs } else { Value::Null },
            })
        };
        json!({ "sha": self.commit, "siblings": self.files.iter().map(sibling).collect::<Vec<_>>() })
    }
}

fn file(content: &[u8], range: Option<&str>, what: Option<&What>) -> Vec<u8> {
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let from = range.and_then(|from| from.parse::<usize>().ok());
    let Some(mut body) = content.get(from.unwrap_or(0)..).map(<[u8]>::to_vec) else {
        return message(416, &[], b"");
    };
    let place = format!("bytes {}-{}/{}", from.unwrap_or(0), content.len() - 1, content.len());
    let (status, headers) = match from {
        Some(_) => (206, vec![("content-range", place.as_str())]),
        None => (200, vec![]),
    };
    match what {
        Some(What::Corrupt) => body[0] ^= 1,
        Some(What::Short(length)) => body.truncate(*length),
        _ => {}
    }
    let mut reply = message(status, &headers, &body);
    if let Some(What::Drop(sent)) = what {
        reply.truncate(reply.len() - body.len() + sent);
    }
    reply
}

fn message(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
