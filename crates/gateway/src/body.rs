//! The body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http_body::{Body, Frame, SizeHint};

/// The bytes of an answer: all at once, or as they come.
pub enum AnswerBody {
    /// Known bytes, given once.
    Whole(Option<Bytes>),
    /// A stream of exactly `left` more bytes. When it fails the connection is cut, so that a client never takes a part for
    /// the whole.
    Streamed {
        /// The bytes.
        stream: Pin<Box<dyn Stream<Item = Result<Bytes, StreamError>> + Send>>,
        /// How many are still to come.
        left: u64,
    },
}

/// The bytes of an answer could not be had to the end.
#[derive(Debug, thiserror::Error)]
#[error("send the body")]
pub struct StreamError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl AnswerBody {
    /// A body of these bytes.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }

    /// No bytes.
    pub const fn empty() -> Self {
        Self::Whole(None)
    }

    /// How many bytes are still to come.
    pub fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes
                .as_ref()
                .map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Streamed { left, .. } => *left,
        }
    }

    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed { stream, left } => match stream.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}
