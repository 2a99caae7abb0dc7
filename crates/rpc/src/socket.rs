//! Connections over TCP: dialled, accepted, and their bytes counted.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cairn_runtime::Metrics;
use cairn_runtime::metrics::Counter;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::channel::tuned;

/// The time to find and reach a host. Shorter than the first try of any request, so that a host that is gone is known not to
/// have been reached, and not taken for one that may have heard.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a server that says nothing is asked whether it is still there, and how long it has to answer. Also while no call
/// is under way: the next one is not to be the one that finds out.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long what was sent may go unacknowledged by the other host. After that the connection is given up, and a new one is
/// dialled: an old one, after the network was cut, waits ever longer before it tries again.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(3);

/// The pause after a connection could not be accepted, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is no host:port")]
pub struct AddressError {
    /// What was given.
    pub address: String,
}

/// Opens channels over TCP, and counts their bytes. Cloning shares the counters.
#[derive(Clone)]
pub struct Dialer {
    traffic: Traffic,
}

/// A listener's connections: a stream for `Router::serve_with_incoming`. It never ends and never fails, because the server
/// would end with it: what cannot be accepted now is accepted later.
#[derive(Debug)]
pub struct Incoming {
    listener: TcpListener,
    traffic: Traffic,
    /// After a failure.
    pause: Option<Pin<Box<Sleep>>>,
}

/// A connection over TCP whose bytes are counted.
#[derive(Debug)]
pub struct Counted {
    stream: TcpStream,
    traffic: Traffic,
}

#[derive(Debug, Clone)]
struct Traffic {
    sent: Counter,
    received: Counter,
}

impl Dialer {
    /// Counts in `cairn_rpc_sent_bytes_total` and `cairn_rpc_received_bytes_total`.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            traffic: Traffic::new(metrics),
        }
    }

    /// A channel to `host:port`. It connects when first used, and again when it broke; the name is looked up each time. Does
    /// not wait.
    ///
    /// # Errors
    /// When the address is not understood.
    pub fn connect(&self, address: &str) -> Result<Channel, AddressError> {
        let not_understood = || AddressError {
            address: address.to_owned(),
        };
        let endpoint =
            Endpoint::from_shared(format!("http://{address}")).map_err(|_| not_understood())?;
        let uri = endpoint.uri();
        let has_both = uri.host().is_some_and(|host| !host.is_empty()) && uri.port_u16().is_some();
        if !has_both || address.contains(['@', '/', '?']) {
            return Err(not_understood());
        }
        let (address, traffic) = (address.to_owned(), self.traffic.clone());
        let connector = tower::service_fn(move |_: Uri| {
            let (address, traffic) = (address.clone(), traffic.clone());
            async move {
                let connecting = TcpStream::connect(address);
                let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
                    .await
                    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                configure(&stream)?;
                Ok::<_, io::Error>(TokioIo::new(Counted { stream, traffic }))
            }
        });
        Ok(tuned(endpoint)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(connector))
    }
}

fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let millis = u32::try_from(UNACKNOWLEDGED_TIMEOUT.as_millis()).expect("a few thousand");
    rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?;
    Ok(())
}

/// A channel as a `Dialer` opens it, whose bytes nobody counts.
///
/// # Errors
/// When the address is not understood.
pub fn connect(address: &str) -> Result<Channel, AddressError> {
    Dialer::new(&Metrics::new()).connect(address)
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}

/// Listens on `host:port` (port 0: any that is free), and counts as `Dialer` does. Answers the address that it got.
///
/// # Errors
/// When the address is not understood, in use, or not of this host.
pub async fn listen(address: &str, metrics: &Metrics) -> io::Result<(SocketAddr, Incoming)> {
    let listener = TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    let incoming = Incoming {
        listener,
        traffic: Traffic::new(metrics),
        pause: None,
    };
    Ok((local, incoming))
}

impl Traffic {
    fn new(metrics: &Metrics) -> Self {
        Self {
            sent: metrics.counter("cairn_rpc_sent_bytes_total", &[]),
            received: metrics.counter("cairn_rpc_received_bytes_total", &[]),
        }
    }

    fn count_sent(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(len)) = written {
            self.sent.inc_by(*len as u64);
        }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Counted>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let accepted = std::task::ready!(self.listener.poll_accept(cx));
            let stream = accepted.and_then(|(stream, _)| {
                configure(&stream)?;
                Ok(stream)
            });
            match stream {
                Ok(stream) => {
                    let traffic = self.traffic.clone();
                    return Poll::Ready(Some(Ok(Counted { stream, traffic })));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

impl Connected for Counted {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let len = buf.filled().len() - before;
        self.traffic.received.inc_by(len as u64);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.traffic.count_sent(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.traffic.count_sent(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tonic::{Code, Request};

    use super::*;
    use crate::proto::storage::DescribeRequest;
    use crate::proto::storage::storage_client::StorageClient;

    #[tokio::test]
    async fn bytes_are_counted_on_both_sides() {
        let (ours, theirs) = (Metrics::new(), Metrics::new());
        let (address, incoming) = listen("127.0.0.1:0", &theirs).await.unwrap();
        let routes = tonic::service::Routes::default();
        let server = crate::server::builder(&theirs).add_routes(routes);
        let tasks = cairn_runtime::Tasks::new();
        tasks.spawn("serve", async move {
            server.serve_with_incoming(incoming).await.unwrap();
        });

        let channel = Dialer::new(&ours).connect(&address.to_string()).unwrap();
        let answer = StorageClient::new(channel)
            .describe(Request::new(DescribeRequest {}))
            .await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
        let count = |metrics: &Metrics, name| metrics.counter(name, &[]).get();
        for (from, to) in [(&ours, &theirs), (&theirs, &ours)] {
            let sent = count(from, "cairn_rpc_sent_bytes_total");
            let received = count(to, "cairn_rpc_received_bytes_total");
            // Acknowledgements of settings may still be on their way.
            assert!(
                sent > 30 && received > 30,
                "{sent} sent, {received} received"
            );
        }
    }

    #[tokio::test]
    async fn only_a_host_and_a_port_are_an_address() {
        let dialer = Dialer::new(&Metrics::new());
        for good in ["host:1", "127.0.0.1:65535", "[::1]:80", "a.b-c:9000"] {
            assert!(dialer.connect(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "host",
            ":1",
            "host:",
            "host:65536",
            "a:1/x",
            "u@a:1",
            "a:1?b",
            "a b:1",
        ] {
            assert!(dialer.connect(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_gone_without_a_word_is_noticed_while_nobody_calls() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let channel = Dialer::new(&Metrics::new()).connect(&address).unwrap();
        let mut client = StorageClient::new(channel);
        let mut request = Request::new(DescribeRequest {});
        request.set_timeout(Duration::from_millis(100));
        let (called, accepted) = tokio::join!(client.describe(request), listener.accept());
        assert!(called.is_err());
        let (mut mute, _) = accepted.unwrap();
        let mut said = Vec::new();
        let hung_up = mute.read_to_end(&mut said);
        let limit = Duration::from_mins(1);
        tokio::time::timeout(limit, hung_up).await.unwrap().unwrap();
    }
}
