//! Connections: accepted up to a limit, given up when they stall, ended gracefully.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

use cairn_runtime::Tasks;

use crate::Gateway;

/// A request head larger than this is refused with 431.
const MAX_HEAD_LEN: usize = 64 * 1024;

/// A request with more headers than this is refused with 431.
const MAX_HEADERS: usize = 200;

/// A connection on which no request head arrives for so long is closed, also between requests: S3 keeps idle ones about as long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// A client that takes nothing of an answer for so long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// After a failed `accept` (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `tasks` is stopped; then lets requests in flight end.
///
/// Beyond `max_connections` further ones wait in the backlog of the socket.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    max_connections: usize,
    tasks: Tasks,
) {
    let places = Arc::new(Semaphore::new(max_connections));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = tasks.stopped() => return,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let connection =
                    serve_connection(stream, peer, place, Arc::clone(&gateway), tasks.clone());
                tasks.spawn_until_done("connection", connection);
            }
            Err(error) => {
                tracing::warn!(%error, "accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    _place: OwnedSemaphorePermit,
    gateway: Arc<Gateway>,
    tasks: Tasks,
) {
    // Without it small answers wait for acknowledgements that the client delays.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "set TCP_NODELAY");
    }
    let connections = gateway.connections();
    connections.inc();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service_fn(|request| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(gateway.serve(request, peer).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD_LEN)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
    );
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = tasks.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // Clients break connections for reasons of their own.
        tracing::debug!(%error, %peer, "serve a connection");
    }
    connections.dec();
}
