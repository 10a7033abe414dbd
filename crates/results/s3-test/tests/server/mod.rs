//! A server that speaks S3 over HTTP and checks signatures, and that can be cut off.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tracewright_results::{Mirror, ResultsError};

pub const KEY: &str = "a-key";
pub const SECRET: &str = "hush-hush";

/// A running server; its buckets are the folders of a folder.
pub struct Server {
    address: SocketAddr,
    /// How many more writing requests it will accept.
    writes_left: Arc<AtomicUsize>,
}

impl Server {
    pub fn start(buckets: &Path) -> Self {
        let mut service = S3ServiceBuilder::new(FileSystem::new(buckets).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let writes_left = Arc::new(AtomicUsize::new(usize::MAX));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let left = Arc::clone(&writes_left);
        std::thread::spawn(move || runtime.block_on(serve(listener, service, left)));
        Self { address, writes_left }
    }

    /// Refuses all writing after so many more requests.
    pub fn cut_off_after(&self, writes: usize) {
        self.writes_left.store(writes, Ordering::SeqCst);
    }

    pub fn mirror(&self, url: &str, more: &[(&str, &str)]) -> Result<Mirror, ResultsError> {
        let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
        self.open(url, &[keys.as_slice(), more].concat())
    }

    /// A machine's own keys are asked for here, too, and there are none.
    pub fn mirror_without_keys(&self, url: &str) -> Result<Mirror, ResultsError> {
        self.open(url, &[("AWS_METADATA_ENDPOINT", &self.endpoint())])
    }

    fn open(&self, url: &str, settings: &[(&str, &str)]) -> Result<Mirror, ResultsError> {
        let endpoint = self.endpoint();
        let always = [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_ALLOW_HTTP", "true")];
        let settings = always.iter().chain(settings);
        Mirror::open_with(url, settings.map(|(name, value)| (name.to_string(), value.to_string())))
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(listener: TcpListener, service: S3Service, writes_left: Arc<AtomicUsize>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (service, writes_left) = (service.clone(), Arc::clone(&writes_left));
        let answer =
            service_fn(move |request| answer(service.clone(), writes_left.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
    }
}

async fn answer(
    service: S3Service,
    writes_left: Arc<AtomicUsize>,
    request: Request<Incoming>,
) -> Result<Response<Body>, s3s::HttpError> {
    let writes = request.method() == Method::PUT || request.method() == Method::POST;
    let take = |left: usize| left.checked_sub(1);
    if writes && writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
        let body = "<Error><Code>AccessDenied</Code><Message>Cut off</Message></Error>";
        let mut response = Response::new(Body::from(body.to_owned()));
        *response.status_mut() = StatusCode::FORBIDDEN;
        return Ok(response);
    }
    service.call(request.map(Body::from)).await
}
