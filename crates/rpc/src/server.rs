//! The server side: windows, limits, and a count of what was asked.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use cairn_runtime::Metrics;
use cairn_runtime::metrics::Counter;
use tonic::transport::Server;
use tower::{Layer, Service};

/// HTTP/2 windows of what a server is sent: enough for 400 MiB/s over a connection with a round trip of 10 ms. What they let
/// in waits in this process when a disk is busy, and no budget counts it.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// The largest message that any service takes or gives: a cell of 1 MiB, or a command with 1,000 keys of 1,024 bytes, and some.
pub const MAX_MESSAGE_LEN: usize = 4 * 1024 * 1024;

/// How often a client that says nothing is asked whether it is still there, and how long it has to answer: one whose host went
/// away without a word gives back what its calls hold.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A server with Cairn's windows and limits, that counts `cairn_rpc_requests_total`.
pub fn builder(
    metrics: &Metrics,
) -> Server<tower::layer::util::Stack<CountLayer, tower::layer::util::Identity>> {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(4096)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .layer(CountLayer {
            counters: Counters::new(metrics.clone()),
        })
}

/// Counts requests by service and method.
#[derive(Clone)]
pub struct CountLayer {
    counters: Counters,
}

/// See `CountLayer`.
#[derive(Clone)]
pub struct Count<S> {
    next: S,
    counters: Counters,
}

/// Counters by path. Paths that no service has are counted together, so a stranger cannot make rows.
#[derive(Clone)]
struct Counters {
    metrics: Metrics,
    by_path: Arc<RwLock<HashMap<String, Counter>>>,
}

/// More methods than all services have together.
const MAX_PATHS: usize = 64;

impl Counters {
    fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            by_path: Arc::default(),
        }
    }

    fn count(&self, path: &str) {
        let known = {
            let by_path = self
                .by_path
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            by_path.get(path).cloned()
        };
        known.unwrap_or_else(|| self.learn(path)).inc();
    }

    fn learn(&self, path: &str) -> Counter {
        let (service, method) = names(path).unwrap_or(("other", "other"));
        let mut by_path = self
            .by_path
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if by_path.len() >= MAX_PATHS {
            return self.metrics.counter(
                "cairn_rpc_requests_total",
                &[("service", "other"), ("method", "other")],
            );
        }
        let counter = self.metrics.counter(
            "cairn_rpc_requests_total",
            &[("service", service), ("method", method)],
        );
        by_path.insert(path.to_owned(), counter.clone());
        counter
    }
}

/// `/cairn.storage.v1.Storage/WriteShard` → `storage`, `WriteShard`.
fn names(path: &str) -> Option<(&str, &str)> {
    let (service, method) = path.strip_prefix("/cairn.")?.split_once('/')?;
    Some((service.split('.').next()?, method))
}

impl<S> Layer<S> for CountLayer {
    type Service = Count<S>;

    fn layer(&self, next: S) -> Self::Service {
        Count {
            next,
            counters: self.counters.clone(),
        }
    }
}

impl<S, B> Service<http::Request<B>> for Count<S>
where
    S: Service<http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.next.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        self.counters.count(request.uri().path());
        self.next.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tonic::body::Body;
    use tonic::server::NamedService;

    use super::*;

    #[derive(Clone)]
    struct Nothing;

    impl NamedService for Nothing {
        const NAME: &'static str = "cairn.Nothing";
    }

    impl Service<http::Request<Body>> for Nothing {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: http::Request<Body>) -> Self::Future {
            std::future::ready(Ok(http::Response::new(Body::empty())))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_gone_without_a_word_is_hung_up_on() {
        let (mut client, incoming) = crate::channel::pipe();
        let server = builder(&Metrics::new()).add_service(Nothing);
        let tasks = cairn_runtime::Tasks::new();
        tasks.spawn("serve", async move {
            server.serve_with_incoming(incoming).await.unwrap();
        });
        // RFC 9113, 3.4: the preface, then SETTINGS; after that, nothing, not even to a PING.
        let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        client.write_all(hello).await.unwrap();
        let mut said = Vec::new();
        let hung_up = client.read_to_end(&mut said);
        let limit = 2 * (KEEPALIVE_INTERVAL + KEEPALIVE_TIMEOUT);
        tokio::time::timeout(limit, hung_up).await.unwrap().unwrap();
    }

    #[test]
    fn requests_are_counted_by_service_and_method() {
        let metrics = Metrics::new();
        let counters = Counters::new(metrics.clone());
        counters.count("/cairn.storage.v1.Storage/WriteShard");
        counters.count("/cairn.storage.v1.Storage/WriteShard");
        counters.count("/nobody/knows");
        let text = metrics.render();
        assert!(
            text.contains("{service=\"storage\",method=\"WriteShard\"} 2"),
            "{text}"
        );
        assert!(
            text.contains("{service=\"other\",method=\"other\"} 1"),
            "{text}"
        );
    }
}
