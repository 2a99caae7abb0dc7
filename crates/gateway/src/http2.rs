//! Connections that speak HTTP/2: many requests at a time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use cairn_runtime::{Tasks, timer_now};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::Gateway;
use crate::body::{AnswerBody, StreamError};
use crate::leftover::Lingering;
use crate::listen::{Ending, HEAD_TIMEOUT, MAX_HEAD_LEN};
use crate::pace::PIECE_TIMEOUT;
use crate::request_body::Unread;
use crate::tls::Secured;

/// Requests of one connection that are answered at a time: others wait at the client.
const MAX_STREAMS: u32 = 100;

/// Bytes of one request's body that may be on their way without having been asked for.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same of all requests of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of one answer that wait for the client.
const SEND_BUFFER: usize = 256 * 1024;

/// Runs what a connection needs beside itself.
#[derive(Clone)]
struct Streams(Tasks);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn_until_done("stream", stream);
    }
}

/// Requests of a connection, and answers that are being sent.
#[derive(Debug, Default)]
struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    answers: Mutex<Vec<Weak<Taking>>>,
}

impl Activity {
    /// How many requests have begun, if none is being done or answered.
    fn quiet_since(&self) -> Option<u64> {
        let begun = self.begun.load(Ordering::Relaxed);
        let is_quiet = begun == self.ended.load(Ordering::Relaxed) && self.answers().is_empty();
        is_quiet.then_some(begun)
    }

    /// Whether the client has taken nothing of some answer for too long.
    fn is_stalled(&self) -> bool {
        let answers = self.answers();
        answers.iter().any(|taking| taking.is_overdue())
    }

    fn answers(&self) -> Vec<Arc<Taking>> {
        let mut answers = self.answers.lock().expect("nothing panics under this lock");
        answers.retain(|taking| taking.strong_count() > 0);
        answers.iter().filter_map(Weak::upgrade).collect()
    }

    fn watch(&self, answer: AnswerBody) -> Watched {
        let taking = Arc::new(Taking::default());
        let mut answers = self.answers.lock().expect("nothing panics under this lock");
        answers.push(Arc::downgrade(&taking));
        Watched { answer, taking }
    }
}

/// A request that is being done.
struct Active(Arc<Activity>);

impl Active {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Since when the client is waited for to take a piece of an answer; `None` while it waits for the next.
#[derive(Debug, Default)]
struct Taking(Mutex<Option<Instant>>);

impl Taking {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().expect("nothing panics under this lock") = since;
    }

    fn is_overdue(&self) -> bool {
        let since = *self.0.lock().expect("nothing panics under this lock");
        since.is_some_and(|since| timer_now().saturating_duration_since(since) > PIECE_TIMEOUT)
    }
}

/// An answer, and how its client takes it. The connection's pace says nothing of that: a client may take one answer and leave
/// another.
struct Watched {
    answer: AnswerBody,
    taking: Arc<Taking>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let next = Pin::new(&mut self.answer).poll_frame(cx);
        self.taking.set(next.is_ready().then(timer_now));
        next
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

/// Answers the requests of a connection until it ends or everything does, or until nothing has been asked for so long that
/// it would be closed if it spoke HTTP/1.1. A client that leaves an answer lying is cut off.
pub(crate) async fn drive<S>(
    stream: S,
    gateway: Arc<Gateway>,
    peer: SocketAddr,
    tasks: &Tasks,
    mut ending: Ending,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let activity = Arc::new(Activity::default());
    let service = service_fn(|mut request: Request<Incoming>| {
        say_length(&mut request);
        let (gateway, activity) = (Arc::clone(&gateway), Arc::clone(&activity));
        let active = Active::begin(&activity);
        let mut request = request.map(|body| {
            let body = Lingering::new(body, tasks.clone());
            gateway.request_body(body, Unread::default())
        });
        request.extensions_mut().insert(Secured);
        async move {
            let answer = gateway.serve(request, peer).await;
            let answer = answer.map(|body| activity.watch(body));
            drop(active);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http2::Builder::new(Streams(tasks.clone()))
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_LEN)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let (mut is_ending, mut quiet_before, mut last_looks) = (false, None, 0);
    loop {
        tokio::select! {
            served = connection.as_mut() => return served,
            _ = ending.changed(), if !is_ending => {}
            () = tokio::time::sleep(HEAD_TIMEOUT) => {
                let quiet = activity.quiet_since();
                let was_quiet = quiet.is_some() && quiet == quiet_before;
                quiet_before = quiet;
                last_looks += u32::from(is_ending && was_quiet);
                if activity.is_stalled() || last_looks * HEAD_TIMEOUT > PIECE_TIMEOUT {
                    return Ok(());
                }
                if is_ending || !was_quiet {
                    continue;
                }
            }
        }
        is_ending = true;
        connection.as_mut().graceful_shutdown();
    }
}

/// Where nothing says how long a body is, its frames say where it ends. From here on that is said as in HTTP/1.1; a client of
/// HTTP/2 cannot say so itself.
fn say_length(request: &mut Request<Incoming>) {
    let is_empty = request.body().is_end_stream();
    let headers = request.headers_mut();
    if headers.contains_key(CONTENT_LENGTH) {
        return;
    }
    if !is_empty {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else if request.method() == Method::PUT {
        let none = HeaderValue::from_static("0");
        request.headers_mut().insert(CONTENT_LENGTH, none);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_leaves_an_answer_lying_is_seen_and_who_waits_for_one_is_not() {
        let activity = Activity::default();
        assert_eq!(activity.quiet_since(), Some(0));
        let pieces = futures::stream::iter([Ok(Bytes::from_static(b"piece"))]);
        let pieces = futures::StreamExt::chain(pieces, futures::stream::pending());
        let mut answer = activity.watch(AnswerBody::open(pieces));
        let late = PIECE_TIMEOUT + Duration::from_secs(1);
        tokio::time::advance(late).await;
        assert!(!activity.is_stalled(), "nothing was to be taken yet");
        let piece = poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await;
        assert!(piece.is_some());
        assert!(!activity.is_stalled());
        tokio::time::advance(late).await;
        assert!(activity.is_stalled());
        assert_eq!(activity.quiet_since(), None);
        let next = futures::poll!(poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)));
        assert!(next.is_pending());
        tokio::time::advance(late).await;
        assert!(
            !activity.is_stalled(),
            "the next piece is the server's to give"
        );
        drop(answer);
        assert_eq!(activity.quiet_since(), Some(0));
    }
}
