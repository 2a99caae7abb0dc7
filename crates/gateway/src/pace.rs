//! The pace at which a client takes what it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cairn_runtime::timer_now;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// So much of an answer must be taken within `PIECE_TIMEOUT` whenever the client is waited for: some 550 bytes a second, which
/// is slower than any modem. A byte now and then would keep a connection, and what was read for it, for ever.
const PIECE_LEN: u64 = 64 * 1024;

/// Long, because a client's pace is seen in steps: the kernel takes some of an answer only when a third of its buffer is free.
pub(crate) const PIECE_TIMEOUT: Duration = Duration::from_mins(2);

/// A connection that is broken off when the other side takes too little. Only time in which it is waited for counts, never
/// time in which there is nothing to send; and it counts until a whole piece was taken, however often it begins anew.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    stream: S,
    /// Bytes of the piece that were taken.
    taken: u64,
    /// How long the other side was waited for since the piece began, until it took some the last time.
    waited: Duration,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    limit: Pin<Box<Sleep>>,
}

impl<S> Paced<S> {
    /// Takes a connection.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            taken: 0,
            waited: Duration::ZERO,
            waiting: None,
        }
    }

    fn settle(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(len)) => {
                self.took(len);
                Poll::Ready(Ok(len))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(cx),
        }
    }

    fn took(&mut self, len: usize) {
        if let Some(waiting) = self.waiting.take() {
            self.waited += timer_now().saturating_duration_since(waiting.since);
        }
        self.taken += u64::try_from(len).unwrap_or(u64::MAX);
        if self.taken >= PIECE_LEN {
            self.taken = 0;
            self.waited = Duration::ZERO;
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let left = PIECE_TIMEOUT.saturating_sub(self.waited);
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            since: timer_now(),
            limit: Box::pin(tokio::time::sleep(left)),
        });
        ready!(waiting.limit.as_mut().poll(cx));
        let reason = format!("fewer than {PIECE_LEN} bytes were taken within {PIECE_TIMEOUT:?}");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.settle(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.settle(cx, written)
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const LEN: usize = 300_000;

    /// A client that takes `len` bytes each `interval` until nothing more comes.
    async fn take(mut client: DuplexStream, len: usize, interval: Duration) {
        let mut buffer = vec![0; len];
        while client.read(&mut buffer).await.unwrap() > 0 {
            tokio::time::sleep(interval).await;
        }
    }

    /// How a server fares that sends to such a client.
    async fn send_to(len: usize, interval: Duration) -> io::Result<()> {
        let (server, client) = duplex(1024);
        let sending = async move { Paced::new(server).write_all(&vec![7; LEN]).await };
        tokio::join!(sending, take(client, len, interval)).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_and_steady_client_gets_all_of_it() {
        assert!(send_to(1_000, Duration::from_secs(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_next_to_nothing_is_given_up() {
        for (len, interval) in [
            (1, Duration::from_millis(10)),
            (100, Duration::from_secs(1)),
            (1_000, Duration::from_mins(1)),
        ] {
            let error = send_to(len, interval).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_its_time_is_not_the_clients_fault() {
        let (server, client) = duplex(1024);
        let mut server = Paced::new(server);
        let sending = async move {
            // Less than a piece in all, and some of it is waited for each time.
            for _ in 0..8 {
                server.write_all(&[7; 4_000]).await?;
                tokio::time::sleep(PIECE_TIMEOUT).await;
            }
            io::Result::Ok(())
        };
        let taking = take(client, 1_000, Duration::from_secs(1));
        assert!(tokio::join!(sending, taking).0.is_ok());
    }
}
