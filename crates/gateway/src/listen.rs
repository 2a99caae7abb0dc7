//! Connections: accepted up to a limit, given up when they stall, ended gracefully.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use cairn_runtime::Tasks;
use cairn_runtime::metrics::Gauge;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::server::TlsStream;

use crate::leftover::Lingering;
use crate::pace::Paced;
use crate::request_body::Unread;
use crate::tls::{Protocols, Secured, Tls, speaks_http_2};
use crate::{Gateway, framing, http2, pipeline};

/// A request head larger than this is refused with 431.
pub(crate) const MAX_HEAD_LEN: u32 = 64 * 1024;

/// A request with more headers than this is refused with 431.
const MAX_HEADERS: usize = 200;

/// A connection on which no request head arrives for so long is closed, also between requests: S3 keeps idle ones about as long.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// A client that takes nothing of an answer for so long is given up; one that takes too little, by `Paced`.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// After a failed `accept` (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes of a refused body that are read and thrown away, so that a sender who writes all of it first gets to read the
/// answer: the largest piece that common clients send by default (8 to 16 MiB). Who sends more is cut off.
pub(crate) const LINGER_LEN: usize = 16 * 1024 * 1024;

/// A sender of a refused body that is silent for so long has read the answer, or will never.
pub(crate) const LINGER_SILENCE: Duration = Duration::from_secs(2);

/// The end of it, however steadily bytes come: well below the time that requests have to end when the process stops.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections there may be: further ones wait in the backlog of the socket. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Places {
    /// One permit for each place that nobody has. Never closed.
    free: Arc<Semaphore>,
    count: Arc<Mutex<usize>>,
}

impl Places {
    /// For so many.
    pub fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(count)),
            count: Arc::new(Mutex::new(count)),
        }
    }

    /// From now on it is for so many. Ends no connection: where there are more than that, it waits until enough have ended by
    /// themselves, and nobody else gets a place meanwhile. Cancel safe: then it is for as many as before.
    pub async fn resize(&self, count: usize) {
        let count = count.min(Semaphore::MAX_PERMITS);
        let mut now = self.count.lock().await;
        if count > *now {
            self.free.add_permits(count - *now);
            *now = count;
        }
        while count < *now {
            let excess = u32::try_from(*now - count).unwrap_or(u32::MAX);
            let taken = self.free.acquire_many(excess).await;
            taken.expect("the semaphore is never closed").forget();
            *now = now.saturating_sub(usize::try_from(excess).unwrap_or(usize::MAX));
        }
    }

    async fn take(&self) -> OwnedSemaphorePermit {
        let place = Arc::clone(&self.free).acquire_owned().await;
        place.expect("the semaphore is never closed")
    }
}

/// Where connections come from.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl Listener {
    /// Listens on a socket: for HTTPS if there is `tls`, for HTTP if there is none.
    pub const fn new(socket: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        Self { socket, tls }
    }
}

/// Accepts connections until `tasks` is stopped, and for the gateway's `drain_delay` after that; then lets requests in
/// flight end. Whoever stops `tasks` gives them that delay on top of what requests may take.
pub async fn serve(listener: Listener, gateway: Arc<Gateway>, places: Places, tasks: Tasks) {
    let drain_delay = gateway.config.drain_delay;
    let Listener { socket, tls } = listener;
    accept_all(socket, &places, drain_delay, &tasks, |accepted, ending| {
        let serving = Serving {
            gateway: Arc::clone(&gateway),
            tls: tls.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn_until_done("connection", serving.connection(accepted, ending));
    })
    .await;
}

/// Accepts connections and answers their requests with 503, for a process that has nothing to serve yet. Never ends; when it is
/// dropped, so are its connections. Cancel safe.
pub async fn refuse(listener: &Listener, places: &Places) -> Infallible {
    let tls = listener.tls.as_deref();
    let (_accepting, ending) = watch::channel(());
    let mut connections = FuturesUnordered::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener.socket, places) => accepted,
            Some(()) = connections.next() => continue,
        };
        match accepted {
            Ok(accepted) => connections.push(refuse_connection(accepted, tls, ending.clone())),
            Err(error) => {
                tracing::warn!(%error, "accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn refuse_connection(accepted: Accepted, tls: Option<&Tls>, ending: Ending) {
    let unread = Unread::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        unread.begin(&body);
        let mut answer = pipeline::refuse_early(&parts);
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let socket = paced(accepted.stream);
    let served = match tls {
        None => drive(socket, service, &unread, ending).await,
        Some(tls) => match shake_hands(tls, socket, Protocols::Http1).await {
            Ok(stream) => drive(stream, service, &unread, ending).await,
            Err(error) => return tracing::debug!(%error, "shake hands"),
        },
    };
    if let Err(error) = served {
        tracing::debug!(%error, peer = %accepted.peer, "serve a connection");
    }
}

/// A connection, and its place among all that there may be.
struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    _place: OwnedSemaphorePermit,
}

/// Told when connections are to end.
pub(crate) type Ending = watch::Receiver<()>;

/// A connection that is given up when its client takes too little.
type Socket = Paced<Pin<Box<TimeoutStream<TcpStream>>>>;

async fn accept_all(
    listener: TcpListener,
    places: &Places,
    drain_delay: Duration,
    tasks: &Tasks,
    serve: impl Fn(Accepted, Ending),
) {
    // Dropped when nothing more is accepted: that is what connections watch.
    let (_accepting, ending) = watch::channel(());
    let mut drained = pin!(async {
        tasks.stopped().await;
        tokio::time::sleep(drain_delay).await;
    });
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, places) => accepted,
            () = &mut drained => return,
        };
        match accepted {
            Ok(accepted) => serve(accepted, ending.clone()),
            Err(error) => {
                tracing::warn!(%error, "accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(listener: &TcpListener, places: &Places) -> std::io::Result<Accepted> {
    let place = places.take().await;
    let (stream, peer) = listener.accept().await?;
    Ok(Accepted {
        stream,
        peer,
        _place: place,
    })
}

/// A connection as the gauge counts it, whatever ends it.
struct Counted(Gauge);

impl Counted {
    fn new(connections: Gauge) -> Self {
        connections.inc();
        Self(connections)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What serves connections.
struct Serving {
    gateway: Arc<Gateway>,
    tls: Option<Arc<Tls>>,
    tasks: Tasks,
}

impl Serving {
    async fn connection(self, accepted: Accepted, ending: Ending) {
        let _counted = Counted::new(self.gateway.connections());
        let peer = accepted.peer;
        let socket = paced(accepted.stream);
        let served = match &self.tls {
            None => self.http_1(socket, peer, ending).await,
            Some(tls) => match shake_hands(tls, socket, Protocols::Both).await {
                Ok(stream) if speaks_http_2(&stream) => {
                    let gateway = Arc::clone(&self.gateway);
                    http2::drive(stream, gateway, peer, &self.tasks, ending).await
                }
                Ok(stream) => self.http_1(stream, peer, ending).await,
                Err(error) => return tracing::debug!(%error, %peer, "shake hands"),
            },
        };
        if let Err(error) = served {
            // Clients break connections for reasons of their own.
            tracing::debug!(%error, %peer, "serve a connection");
        }
    }

    async fn http_1<S>(&self, stream: S, peer: SocketAddr, ending: Ending) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let unread = Unread::default();
        let (stream, lengths) = framing::watch(stream);
        let service = service_fn(|mut request: Request<Incoming>| {
            let (gateway, unread) = (Arc::clone(&self.gateway), unread.clone());
            let is_last = is_last(&request);
            if let Some(length) = lengths.next() {
                request.headers_mut().append(CONTENT_LENGTH, length);
            }
            let mut request = request.map(|body| {
                let body = Lingering::never(body);
                gateway.request_body(body, unread.clone())
            });
            if self.tls.is_some() {
                request.extensions_mut().insert(Secured);
            }
            Box::pin(async move {
                let mut answer = gateway.serve(request, peer).await;
                if unread.get() || is_last {
                    // What is left of the body stands between this request and a next one, so there is none: a client that
                    // is not told sends it all the same, and takes the end of the connection for a failure.
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(answer)
            })
        });
        drive(stream, service, &unread, ending).await
    }
}

/// Whether nothing may follow a request on its connection, whatever becomes of it.
///
/// What a proxy takes for the end of a body with a transfer encoding may be another place than what is taken for it here. Source:
/// RFC 9112, 6.1. And where a client asks whether its body is wanted and has none, nobody tells it
/// to go on: the AWS CLI in version 1 takes the answer to its next such request for a part of this one's.
fn is_last(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let asks_in_vain = headers.contains_key(EXPECT) && request.body().is_end_stream();
    asks_in_vain || headers.contains_key(TRANSFER_ENCODING)
}

fn paced(stream: TcpStream) -> Socket {
    // Without it small answers wait for acknowledgements that the client delays.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "set TCP_NODELAY");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    Paced::new(Box::pin(stream))
}

/// Waits for a client's handshake as long as for a request's head.
async fn shake_hands(
    tls: &Tls,
    socket: Socket,
    protocols: Protocols,
) -> std::io::Result<TlsStream<Socket>> {
    let accepted = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(socket, protocols)).await;
    accepted.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}

/// Answers the requests of a connection by `service` until it ends or everything does, and closes it.
async fn drive<I, S, B>(
    stream: I,
    service: S,
    unread: &Unread,
    mut ending: Ending,
) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Unpin,
    S::Future: Unpin,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_LEN as usize)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(served),
        _ = ending.changed() => None,
    };
    let served = if let Some(served) = ended {
        served
    } else {
        Pin::new(&mut connection).graceful_shutdown();
        poll_fn(|cx| connection.poll_without_shutdown(cx)).await
    };
    // Also what is no HTTP is answered, and more of it may be on its way.
    let is_refused = served.as_ref().is_err_and(hyper::Error::is_parse);
    let mut stream = connection.into_parts().io.into_inner();
    // A connection that is broken already cannot be closed well.
    if stream.shutdown().await.is_ok() && (is_refused || unread.get()) {
        linger(&mut stream).await;
    }
    served
}

/// Takes what the client still sends after the answer. A socket that is closed with bytes unread is reset, and with that the
/// answer is lost to whoever has not read it yet.
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let discard = async {
        let mut buffer = vec![0; 64 * 1024];
        let mut left = LINGER_LEN;
        while left > 0 {
            match tokio::time::timeout(LINGER_SILENCE, stream.read(&mut buffer)).await {
                Ok(Ok(len)) if len > 0 => left = left.saturating_sub(len),
                _ => return,
            }
        }
    };
    // Late or not, the connection ends here.
    let _ = tokio::time::timeout(LINGER_TIMEOUT, discard).await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use cairn_runtime::metrics::Counter;
    use http_body_util::Full;

    use super::*;
    use crate::request_body::RequestBody;

    const SOON: Duration = Duration::from_secs(30);

    /// A service that answers without reading anything.
    async fn refuse_one(listener: TcpListener) {
        let (stream, _) = listener.accept().await.unwrap();
        let unread = Unread::default();
        let service = service_fn(|request: Request<Incoming>| {
            let body = request.into_body();
            drop(RequestBody::new(
                body,
                SOON,
                Counter::default(),
                unread.clone(),
            ));
            let answer = Response::builder().status(400);
            let answer = answer.body(Full::new(Bytes::from_static(b"no")));
            Box::pin(async move { Ok::<_, Infallible>(answer.unwrap()) })
        });
        let (_accepting, ending) = watch::channel(());
        drive(paced(stream), service, &unread, ending)
            .await
            .unwrap();
    }

    /// The answer to a request whose sender writes all of a body before it reads.
    fn send_then_read(address: SocketAddr) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let body = vec![7; 8 * 1024 * 1024];
        let head = format!(
            "PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_sender_that_writes_everything_first_gets_to_read_the_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        tasks.spawn_until_done("server", refuse_one(listener));
        let answer = tokio::task::spawn_blocking(move || send_then_read(address));
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.ends_with("no"), "{answer}");
        assert!(tasks.stop_and_join(SOON).await);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_sender_that_comes_too_early_gets_to_read_why() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        tasks.spawn("refusing", async move {
            refuse(&Listener::new(listener, None), &Places::new(10)).await;
        });
        let answer = tokio::task::spawn_blocking(move || send_then_read(address));
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("x-cairn-reason: starting"), "{answer}");
        assert!(tasks.stop_and_join(SOON).await);
    }

    #[tokio::test]
    async fn connections_are_accepted_until_the_delay_after_the_stop_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        let (accepted, ended) = (Arc::new(AtomicUsize::new(0)), Tasks::new());
        let accepting = {
            let (accepted, ended, tasks) = (Arc::clone(&accepted), ended.clone(), tasks.clone());
            async move {
                let delay = Duration::from_millis(500);
                let places = Places::new(10);
                accept_all(
                    listener,
                    &places,
                    delay,
                    &tasks,
                    |connection, mut ending| {
                        accepted.fetch_add(1, Ordering::SeqCst);
                        ended.spawn_until_done("connection", async move {
                            let _ = ending.changed().await;
                            drop(connection);
                        });
                    },
                )
                .await;
            }
        };
        tasks.spawn_until_done("listener", accepting);
        tasks.stop();
        let mut late = TcpStream::connect(address).await.unwrap();
        // Ended by the server, once the delay is over.
        assert_eq!(late.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(accepted.load(Ordering::SeqCst), 1);
        assert!(tasks.stop_and_join(SOON).await);
        assert!(ended.stop_and_join(SOON).await);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn fewer_places_end_no_connection_and_more_are_there_at_once() {
        let places = Places::new(3);
        let held = [places.take().await, places.take().await];
        let [first, second] = held;
        places.resize(2).await;
        let is_full = async |places: &Places| {
            let taking = tokio::time::timeout(Duration::from_millis(20), places.take());
            taking.await.is_err()
        };
        assert!(is_full(&places).await);
        // One of two that are there has to end, and a newcomer does not get its place.
        let mut shrinking = pin!(places.resize(1));
        assert!(futures::poll!(&mut shrinking).is_pending());
        assert!(is_full(&places).await);
        drop(first);
        shrinking.await;
        assert!(is_full(&places).await);
        drop(second);
        drop(places.take().await);
        places.resize(4).await;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(places.take().await);
        }
        assert!(is_full(&places).await);
    }

    #[test]
    fn a_connection_is_counted_until_it_is_gone_however_it_ends() {
        let connections = Gauge::default();
        let gauge = connections.clone();
        let panicked = std::panic::catch_unwind(move || {
            let _counted = Counted::new(gauge.clone());
            assert_eq!(gauge.get(), 1);
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        assert_eq!(connections.get(), 0);
    }
}
