//! The body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use http_body::{Body, Frame, SizeHint};

use crate::account::Account;

/// The bytes of an answer: all at once, or as they come.
pub struct AnswerBody {
    content: Content,
    account: Option<Account>,
}

type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, StreamError>> + Send>>;

enum Content {
    /// Known bytes, given once.
    Whole(Option<Bytes>),
    /// A stream of exactly `left` more bytes. When it fails the connection is cut, so that a client never takes a part for
    /// the whole.
    Sized { stream: ByteStream, left: u64 },
    /// A stream that ends when it ends: `None` afterwards.
    Open(Option<ByteStream>),
}

/// The bytes of an answer could not be had to the end.
#[derive(Debug, thiserror::Error)]
#[error("send the body")]
pub struct StreamError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl AnswerBody {
    /// A body of these bytes.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Content::Whole((!bytes.is_empty()).then_some(bytes)).into()
    }

    /// No bytes.
    pub fn empty() -> Self {
        Content::Whole(None).into()
    }

    /// A body of `len` bytes, which `stream` has.
    pub fn sized(
        stream: impl Stream<Item = Result<Bytes, StreamError>> + Send + 'static,
        len: u64,
    ) -> Self {
        let stream = Box::pin(stream);
        Content::Sized { stream, left: len }.into()
    }

    /// A body of which nobody knows how long it will be.
    pub fn open(stream: impl Stream<Item = Result<Bytes, StreamError>> + Send + 'static) -> Self {
        Content::Open(Some(Box::pin(stream))).into()
    }

    /// The same body, which `account` is kept of.
    #[must_use]
    pub(crate) fn accounted(self, account: Account) -> Self {
        Self {
            account: Some(account),
            ..self
        }
    }
}

impl From<Content> for AnswerBody {
    fn from(content: Content) -> Self {
        Self {
            content,
            account: None,
        }
    }
}

impl Content {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StreamError>>> {
        let next = match self {
            Self::Whole(bytes) => bytes.take().map(Ok),
            Self::Sized { stream, left } => {
                let next = ready!(stream.as_mut().poll_next(cx));
                if let Some(Ok(bytes)) = &next {
                    *left = left.saturating_sub(len_of(bytes));
                }
                next
            }
            Self::Open(open) => {
                let next = match open {
                    Some(stream) => ready!(stream.as_mut().poll_next(cx)),
                    None => None,
                };
                if next.is_none() {
                    *open = None;
                }
                next
            }
        };
        Poll::Ready(next)
    }

    /// How many bytes are still to come, if that is known.
    fn left(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.as_ref().map_or(0, len_of)),
            Self::Sized { left, .. } => Some(*left),
            Self::Open(Some(_)) => None,
            Self::Open(None) => Some(0),
        }
    }
}

fn len_of(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let Self { content, account } = &mut *self;
        let next = {
            // What is done for a body is done for its request, and says so in the log.
            let _entered = account.as_ref().map(Account::enter);
            ready!(content.poll_bytes(cx))
        };
        if let (Some(Ok(bytes)), Some(account)) = (&next, account) {
            account.count(len_of(bytes));
        }
        Poll::Ready(next.map(|next| next.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.content.left() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.content
            .left()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
