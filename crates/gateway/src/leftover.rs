//! What is left of a request's body when it is not read any more.
//!
//! Over HTTP/2 a stream of which something is left is reset behind its answer (RFC 9113, 8.1), and some clients, curl before 8.1
//! among them, take the reset for a failure and throw the answer away. So some of it is taken and thrown away first, as behind an
//! answer of HTTP/1.1 that ends its connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use cairn_runtime::Tasks;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::listen::{LINGER_LEN, LINGER_SILENCE, LINGER_TIMEOUT};

/// A body whose rest is taken by a task of its own when it is dropped, where there is somebody to run it.
#[derive(Debug)]
pub(crate) struct Lingering {
    /// `None` only while it is dropped.
    body: Option<Incoming>,
    tasks: Option<Tasks>,
}

impl Lingering {
    /// A body whose rest is taken.
    pub(crate) const fn new(body: Incoming, tasks: Tasks) -> Self {
        Self {
            body: Some(body),
            tasks: Some(tasks),
        }
    }

    /// A body whose connection sees to its rest.
    pub(crate) const fn never(body: Incoming) -> Self {
        Self {
            body: Some(body),
            tasks: None,
        }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some((body, tasks)) = self.body.take().zip(self.tasks.take()) else {
            return;
        };
        if !body.is_end_stream() {
            tasks.spawn_until_done("linger", discard(body));
        }
    }
}

/// Takes what the client still sends, as long as that is no burden.
async fn discard(mut body: Incoming) {
    let discard = async {
        let mut left = LINGER_LEN;
        while left > 0 {
            match tokio::time::timeout(LINGER_SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                }
                _ => return,
            }
        }
    };
    // Late or not, it ends here.
    let _ = tokio::time::timeout(LINGER_TIMEOUT, discard).await;
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}
