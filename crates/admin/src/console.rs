//! The console's listener: health, metrics, admin API.

pub(crate) mod api;
pub(crate) mod users;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use cairn_runtime::{Metrics, Tasks};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::collect::Collector;
use crate::steer::Steering;
use crate::users::Users;

/// Connections at the most: scrapers, probes, an operator.
pub const MAX_CONNECTIONS: usize = 64;

/// A connection on which no request arrives for so long is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that takes nothing of an answer for so long is given up: it has one of few places.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a probe is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Requests can be served.
    Ready,
    /// They cannot: why, as one word for machines.
    NotReady(&'static str),
}

/// Asks whether the process is ready.
pub type Probe = Arc<dyn Fn() -> Readiness + Send + Sync + 'static>;

/// Checks the signature of an admin request; the error is the answer.
pub type Authenticate =
    Arc<dyn Fn(&http::request::Parts) -> Result<(), String> + Send + Sync + 'static>;

/// What the console's address serves: health and metrics from the start, the admin API as soon as there is a cluster.
pub struct Console {
    metrics: Metrics,
    probe: Probe,
    admin: OnceLock<Admin>,
    write_timeout: Duration,
}

/// What the admin API is made of.
pub struct Admin {
    /// Who may use it.
    pub authenticate: Authenticate,
    /// Where it looks.
    pub collector: Collector,
    /// How it changes things.
    pub steering: Steering,
    /// Whom it keeps.
    pub users: Users,
}

impl Console {
    /// A console whose `/metrics` shows `metrics`, and whose `/-/ready` asks `probe`.
    pub fn new(metrics: Metrics, probe: Probe) -> Arc<Self> {
        Arc::new(Self {
            metrics,
            probe,
            admin: OnceLock::new(),
            write_timeout: WRITE_TIMEOUT,
        })
    }

    /// Serves the admin API from now on; before, it answers 503. The first one stays.
    pub fn open(&self, admin: Admin) {
        // A second one is of the same process and says the same.
        let _ = self.admin.set(admin);
    }

    /// Serves until `tasks` is stopped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, tasks: Tasks) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept a console connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let console = Arc::clone(&self);
            tasks.spawn("console connection", async move {
                let service = service_fn(|request| {
                    let console = Arc::clone(&console);
                    async move { Ok::<_, Infallible>(console.answer(request).await) }
                });
                let mut stream = TimeoutStream::new(stream);
                stream.set_write_timeout(Some(console.write_timeout));
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(Box::pin(stream)), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "serve a console connection");
                }
                drop(place);
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if api::is_known(path) {
            return match self.admin.get() {
                Some(admin) => admin.answer(request).await,
                None => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            };
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match path {
            "/-/live" => text(StatusCode::OK, "live\n"),
            "/-/ready" => readiness("ready\n", (self.probe)()),
            "/-/writable" => readiness("writable\n", self.writable().await),
            "/metrics" => with_type(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                self.metrics.render(),
            ),
            _ => text(
                StatusCode::NOT_FOUND,
                "there is /-/live, /-/ready, /-/writable, /metrics and /admin/v1/status\n",
            ),
        }
    }

    /// Whether the whole cluster takes writes, which is more than that this process is there.
    async fn writable(&self) -> Readiness {
        match (self.probe)() {
            Readiness::Ready => {}
            not_ready @ Readiness::NotReady(_) => return not_ready,
        }
        match self.admin.get() {
            Some(admin) => admin.collector.writable().await,
            None => Readiness::NotReady("starting"),
        }
    }
}

fn readiness(yes: &'static str, readiness: Readiness) -> Response<Full<Bytes>> {
    match readiness {
        Readiness::Ready => text(StatusCode::OK, yes),
        Readiness::NotReady(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", body)
}

fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpSocket;

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        let console = Arc::new(Console {
            metrics: Metrics::new(),
            probe: Arc::new(|| Readiness::Ready),
            admin: OnceLock::new(),
            write_timeout: Duration::from_millis(100),
        });
        tasks.spawn("serve", console.serve(listener, tasks.clone()));
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut deaf = socket.connect(address).await.unwrap();
        let asking = async {
            // More than the buffers between the two of them hold of questions and answers.
            while deaf
                .write_all(b"GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n")
                .await
                .is_ok()
            {}
        };
        let limit = Duration::from_secs(20);
        let given_up = tokio::time::timeout(limit, asking).await;
        assert!(given_up.is_ok(), "it has its place for good");
        assert!(tasks.stop_and_join(limit).await);
    }
}
