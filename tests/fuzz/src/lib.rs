//! What the targets share: input that comes in pieces, futures that never wait, and somebody whose signature is known.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use cairn_iam::{CanonicalId, Credential, Identity, SecretKey};
use cairn_types::time::Timestamp;
use http::request::Parts;
use http_body::{Body, Frame};

/// The access key of AWS's published examples.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The time of AWS's published examples: 24 May 2013, 00:00 UTC.
pub const NOW: Timestamp = Timestamp::from_millis(1_369_353_600_000);

/// An input that says how it is to be cut: the number of pieces' lengths, these lengths, and the bytes that are cut.
#[derive(Debug)]
pub struct Cut<'a> {
    lengths: &'a [u8],
    /// The bytes as one.
    pub bytes: Bytes,
}

/// A body that comes in pieces and never makes anybody wait.
#[derive(Debug)]
pub struct Pieces(VecDeque<Bytes>);

impl<'a> Cut<'a> {
    /// Understands an input; `None` for one that is too short.
    pub fn parse(input: &'a [u8]) -> Option<Self> {
        let (count, rest) = input.split_first()?;
        let (lengths, bytes) = rest.split_at_checked(usize::from(count % 16))?;
        Some(Self {
            lengths,
            bytes: Bytes::copy_from_slice(bytes),
        })
    }

    /// The bytes in one piece.
    pub fn whole(&self) -> Pieces {
        Pieces([self.bytes.clone()].into())
    }

    /// The bytes in pieces of these lengths, over and over; empty ones among them.
    pub fn pieces(&self) -> Pieces {
        let mut rest = self.bytes.clone();
        let mut pieces = VecDeque::new();
        let mut lengths = self.lengths.iter().cycle();
        let is_endless = self.lengths.iter().all(|len| *len == 0);
        while !rest.is_empty() && !is_endless {
            let len = lengths.next().map_or(rest.len(), |len| usize::from(*len));
            pieces.push_back(rest.split_to(len.min(rest.len())));
        }
        pieces.push_back(rest);
        Pieces(pieces)
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.0.pop_front()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Runs a future that never waits, because all of its input is there.
///
/// # Panics
/// When it waits.
pub fn ready<Output>(future: impl Future<Output = Output>) -> Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("waits although all input is there"),
    }
}

/// What the access key of the examples stands for; nothing for another one.
pub fn look_up(access_key: &str) -> Option<Credential> {
    (access_key == ACCESS_KEY).then(|| Credential {
        secret: secret(),
        identity: Arc::new(Identity {
            id: CanonicalId::parse(&"a".repeat(64)).expect("64 hexadecimal digits"),
            display_name: "somebody".to_owned(),
            is_root: true,
        }),
    })
}

/// The secret of the examples.
pub fn secret() -> SecretKey {
    SecretKey::new(SECRET)
}

/// The head of a request as text: a line of method and target, and a line for each header. `None` where it is none that an HTTP
/// server would hand on.
pub fn head(text: &str) -> Option<Parts> {
    let mut lines = text.split('\n');
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request = request.header(name, value.trim());
    }
    Some(request.body(()).ok()?.into_parts().0)
}
