//! The body of a request as it comes off the wire: counted, and given up when its sender stalls.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use cairn_runtime::metrics::Counter;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::leftover::Lingering;

/// So many bytes must come within the idle timeout whenever they are waited for; with the default of 30 s that is slower
/// than any modem. One byte now and then would keep a connection and its memory for ever.
const PIECE_LEN: u64 = 4 * 1024;

/// A request's body. What its sender has sent already never counts as late: time runs while more is waited for.
#[derive(Debug)]
pub(crate) struct RequestBody<B = Lingering> {
    body: B,
    idle_timeout: Duration,
    received: Counter,
    unread: Unread,
    /// Runs from when a piece is waited for.
    limit: Option<Pin<Box<Sleep>>>,
    /// Whether bytes were waited for when it was asked last.
    is_waiting: bool,
    /// Bytes of the piece that have come.
    come: u64,
}

/// Whether some of a request's body was not taken, as its connection sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread(Arc<AtomicBool>);

/// Nothing, or too little, of a body arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("fewer than {PIECE_LEN} bytes of the body arrived within {waited:?}")]
pub(crate) struct Stalled {
    waited: Duration,
}

impl Unread {
    /// Whether something of the last body was left.
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A request has come with this body, of which nothing was taken yet.
    pub(crate) fn begin(&self, body: &impl Body) {
        self.set(!body.is_end_stream());
    }

    fn set(&self, value: bool) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl<B: Body> RequestBody<B> {
    /// Takes a body. `unread` is kept up to date.
    pub(crate) fn new(body: B, idle_timeout: Duration, received: Counter, unread: Unread) -> Self {
        unread.begin(&body);
        Self {
            body,
            idle_timeout,
            received,
            unread,
            limit: None,
            is_waiting: false,
            come: 0,
        }
    }

    fn has_run_out(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is_elapsed())
    }

    fn took(&mut self, frame: &Frame<Bytes>) {
        let len = frame.data_ref().map_or(0, Bytes::len);
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.received.inc_by(len);
        self.come = self.come.saturating_add(len);
        if self.come >= PIECE_LEN {
            self.come = 0;
            self.limit = None;
        }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        // What has come counts, however late it is asked for.
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                this.took(frame);
            }
            // A limit that ran out while it was waited for stays run out.
            this.is_waiting &= this.has_run_out();
            if frame.is_none() || this.body.is_end_stream() {
                this.unread.set(false);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        // What ran out while nobody waited says nothing of the sender: the reader was busy with what had come.
        if !this.is_waiting && this.has_run_out() {
            this.come = 0;
            this.limit = None;
        }
        this.is_waiting = true;
        let idle_timeout = this.idle_timeout;
        let limit = this
            .limit
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_timeout)));
        ready!(limit.as_mut().poll(cx));
        let stalled = Stalled {
            waited: idle_timeout,
        };
        Poll::Ready(Some(Err(stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{Stream, StreamExt};
    use http_body_util::{BodyExt, Empty, StreamBody};

    use super::*;

    const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

    /// `count` pieces of `len` bytes, one each `interval`.
    fn pieces(
        count: usize,
        len: usize,
        interval: Duration,
    ) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Unpin {
        let piece = move |_| async move {
            tokio::time::sleep(interval).await;
            Ok(Frame::data(Bytes::from(vec![7; len])))
        };
        Box::pin(futures::stream::iter(0..count).then(piece))
    }

    /// What a reader that wants all of it gets, and whether it was left unread.
    async fn read(
        body: impl Body<Data = Bytes, Error = Infallible> + Unpin,
    ) -> (Result<usize, Stalled>, bool) {
        let (received, unread) = (Counter::default(), Unread::default());
        let body = RequestBody::new(body, IDLE_TIMEOUT, received.clone(), unread.clone());
        let result = body.collect().await;
        let result = result.map(|body| body.to_bytes().len());
        if let Ok(len) = result {
            assert_eq!(received.get(), u64::try_from(len).unwrap());
        }
        let result = result.map_err(|error| *error.downcast::<Stalled>().unwrap());
        (result, unread.get())
    }

    const STALLED: Stalled = Stalled {
        waited: IDLE_TIMEOUT,
    };

    #[tokio::test(start_paused = true)]
    async fn a_slow_and_steady_body_is_read_whole() {
        let body = StreamBody::new(pieces(1_000, 1_000, Duration::from_secs(5)));
        assert_eq!(read(body).await, (Ok(1_000_000), false));
        assert_eq!(read(Empty::new()).await, (Ok(0), false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_or_trickles_is_given_up() {
        for body in [
            pieces(1_000, 1, Duration::from_secs(1)),
            pieces(10, 4_095, Duration::from_secs(29)),
            pieces(1, 4_096, Duration::from_secs(31)),
        ] {
            assert_eq!(read(StreamBody::new(body)).await, (Err(STALLED), true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_its_time_in_the_middle_of_a_piece_is_not_the_senders_fault() {
        // Less than a piece, and each is waited for.
        let pieces = pieces(3, 100, Duration::from_secs(1));
        let unread = Unread::default();
        let mut body = RequestBody::new(
            StreamBody::new(pieces),
            IDLE_TIMEOUT,
            Counter::default(),
            unread.clone(),
        );
        while let Some(frame) = body.frame().await {
            assert!(frame.is_ok());
            tokio::time::sleep(IDLE_TIMEOUT * 2).await;
        }
        assert!(!unread.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_its_time_is_not_the_senders_fault() {
        let unread = Unread::default();
        let pieces = futures::stream::iter((0..3).map(|_| {
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"what was sent already")))
        }));
        let mut body = RequestBody::new(
            StreamBody::new(pieces),
            IDLE_TIMEOUT,
            Counter::default(),
            unread.clone(),
        );
        while let Some(frame) = body.frame().await {
            assert!(frame.is_ok());
            tokio::time::sleep(IDLE_TIMEOUT * 2).await;
        }
        assert!(!unread.get());
    }
}
