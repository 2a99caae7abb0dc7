//! Channels over memory, inside one process. Those over sockets are in `socket`.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Uri};

pub use crate::socket::{AddressError, connect};

/// What a pipe in memory holds in one direction: enough for one stripe's cells to one disk.
const PIPE_LEN: usize = 2 * 1024 * 1024;

/// HTTP/2 windows of what a client is answered: whoever asks has memory for the answers.
const STREAM_WINDOW: u32 = 8 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;

/// Connections that wait to be accepted.
const BACKLOG: usize = 64;

/// The server's end of in-process connections: a stream for `Router::serve_with_incoming`.
pub struct Incoming(mpsc::Receiver<PipeEnd>);

/// One end of a connection in memory.
pub struct PipeEnd(DuplexStream);

/// The client's end of in-process connections. Every `channel()` is a connection of its own.
#[derive(Clone)]
pub struct InProcess(mpsc::Sender<PipeEnd>);

/// Makes a listener in memory and the way to it.
pub fn in_process() -> (InProcess, Incoming) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (InProcess(sender), Incoming(receiver))
}

impl InProcess {
    /// A channel to the server that serves the other end. It connects when first used, and again when it broke.
    pub fn channel(&self) -> Channel {
        let sender = self.0.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let sender = sender.clone();
            async move {
                let (near, far) = tokio::io::duplex(PIPE_LEN);
                sender
                    .send(PipeEnd(far))
                    .await
                    .map_err(|_| std::io::Error::other("the server of this process has stopped"))?;
                Ok::<_, std::io::Error>(TokioIo::new(near))
            }
        });
        tuned(Endpoint::from_static("http://in-process")).connect_with_connector_lazy(connector)
    }
}

/// The default windows of HTTP/2 cost a factor of three on bulk.
pub(crate) fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

/// A listener with one connection, whose other end is bare.
#[cfg(test)]
pub(crate) fn pipe() -> (DuplexStream, Incoming) {
    let (InProcess(sender), incoming) = in_process();
    let (near, far) = tokio::io::duplex(PIPE_LEN);
    sender.try_send(PipeEnd(far)).expect("the backlog is empty");
    (near, incoming)
}

impl Stream for Incoming {
    type Item = std::io::Result<PipeEnd>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|end| end.map(Ok))
    }
}

impl Connected for PipeEnd {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for PipeEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for PipeEnd {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
