//! Where the bytes of a body come from.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use cairn_types::checksum::ObjectChecksum;

use crate::error::PutError;

/// What the sender of a body declared about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// The MD5. Not checked by the source: the engine computes it anyway and compares before it commits.
    pub md5: Option<[u8; 16]>,
    /// The checksum that is kept with the object, verified by the source.
    pub checksum: Option<ObjectChecksum>,
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many bytes; any other number is an error.
    Known(u64),
    /// As many as come until it ends.
    AtEnd,
}

impl From<u64> for Length {
    fn from(len: u64) -> Self {
        Self::Known(len)
    }
}

impl From<Option<u64>> for Length {
    fn from(len: Option<u64>) -> Self {
        len.map_or(Self::AtEnd, Self::Known)
    }
}

/// A body on its way in.
pub trait Source: Send {
    /// Whether the bytes are there as soon as they are asked for, but not in memory: then what they need is taken before they
    /// are asked for. Else it is taken as they come.
    const IS_PROMPT: bool = false;

    /// Why there may be no more of it.
    type Error: Error + Send + Sync + 'static;

    /// Takes the memory that the next bytes need where they come from, waiting for `patience` at most. It is called before memory
    /// for the bytes themselves is taken, so that `next` waits for none while that is held. Most sources need none.
    fn prepare(
        &mut self,
        patience: Duration,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        // No source waits that has nothing to take.
        let _ = patience;
        std::future::ready(Ok(()))
    }

    /// The next bytes; `None` at the end, by which signature, length and checksum of the whole are verified.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Self::Error>> + Send;

    /// What was declared. Asked for after `next` gave `None`, because it may stand behind the bytes.
    fn declared(&self) -> Declared;
}

/// A source that is read in runs.
pub(crate) struct Body<S> {
    source: S,
    /// What the source gave and nobody took yet.
    chunk: Bytes,
    /// What was taken and given back, to be taken before the rest.
    given_back: VecDeque<Bytes>,
    taken: u64,
    has_begun: bool,
    is_repeated: bool,
    has_ended: bool,
    length: Length,
}

impl<S: Source> Body<S> {
    /// The bytes of `source`, which has so many.
    pub(crate) fn new(source: S, length: Length) -> Self {
        Self {
            source,
            chunk: Bytes::new(),
            given_back: VecDeque::new(),
            taken: 0,
            has_begun: false,
            is_repeated: false,
            has_ended: false,
            length,
        }
    }

    /// Whether anything was ever taken.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether anything was given back to be taken once more.
    pub(crate) fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// See `Source::prepare`. Nothing is done while there are bytes that were not taken.
    pub(crate) async fn prepare(&mut self, patience: Duration) -> Result<(), PutError<S::Error>> {
        if !self.chunk.is_empty() || !self.given_back.is_empty() {
            return Ok(());
        }
        self.source
            .prepare(patience)
            .await
            .map_err(PutError::Source)
    }

    /// How many bytes were taken and not given back.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Waits until there are bytes to take, or there are no more. Cancel safe if the source's `next` is.
    pub(crate) async fn has_more(&mut self) -> Result<bool, PutError<S::Error>> {
        while self.chunk.is_empty() {
            if let Some(chunk) = self.given_back.pop_front() {
                self.chunk = chunk;
                continue;
            }
            if self.has_ended {
                return Ok(false);
            }
            match self.source.next().await.map_err(PutError::Source)? {
                Some(chunk) => self.chunk = chunk,
                None => self.has_ended = true,
            }
        }
        Ok(true)
    }

    /// Waits until there are bytes to take, which there must be. Cancel safe if the source's `next` is.
    pub(crate) async fn await_bytes(&mut self) -> Result<(), PutError<S::Error>> {
        if self.has_more().await? {
            Ok(())
        } else {
            Err(self.other_length(self.taken))
        }
    }

    /// Puts the next `count` bytes behind `buffer`.
    pub(crate) async fn fill(
        &mut self,
        buffer: &mut Vec<u8>,
        count: usize,
    ) -> Result<(), PutError<S::Error>> {
        if self.fill_some(buffer, count).await? == count {
            Ok(())
        } else {
            Err(self.other_length(self.taken))
        }
    }

    /// Puts the next `count` bytes behind `buffer`, or as many as there are, and says how many. The one copy of a body's
    /// bytes in the engine: clients send them in pieces of any size, and a cell is one run of memory.
    pub(crate) async fn fill_some(
        &mut self,
        buffer: &mut Vec<u8>,
        count: usize,
    ) -> Result<usize, PutError<S::Error>> {
        let begin = buffer.len();
        let end = begin + count;
        while buffer.len() < end && self.has_more().await? {
            let piece = self
                .chunk
                .split_to(self.chunk.len().min(end - buffer.len()));
            self.taken += length_of(&piece);
            self.has_begun = true;
            buffer.extend_from_slice(&piece);
        }
        Ok(buffer.len() - begin)
    }

    /// Takes back what was taken last and was only looked at.
    pub(crate) fn put_back(&mut self, piece: Bytes) {
        self.taken -= length_of(&piece);
        self.given_back.push_front(std::mem::take(&mut self.chunk));
        self.given_back.push_front(piece);
    }

    /// Takes back the pieces that were taken last, in order, to give them once more.
    pub(crate) fn give_back(&mut self, pieces: Vec<Bytes>) {
        self.is_repeated = true;
        for piece in pieces.into_iter().rev() {
            self.put_back(piece);
        }
    }

    /// Makes sure that this was all of it.
    pub(crate) async fn finish(mut self) -> Result<Declared, PutError<S::Error>> {
        if self.has_more().await? {
            return Err(self.other_length(self.taken + length_of(&self.chunk)));
        }
        Ok(self.source.declared())
    }

    fn other_length(&self, got: u64) -> PutError<S::Error> {
        let expected = match self.length {
            Length::Known(len) => len,
            // Whatever comes is all of it: nobody asks for more than there is.
            Length::AtEnd => self.taken,
        };
        PutError::Length { expected, got }
    }
}

fn length_of(piece: &Bytes) -> u64 {
    u64::try_from(piece.len()).expect("a length fits")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A source of these chunks, for tests.
    #[derive(Default)]
    pub(crate) struct Chunks(pub(crate) VecDeque<Bytes>);

    #[derive(Debug, thiserror::Error)]
    #[error("cut off")]
    pub(crate) struct CutOff;

    impl Source for Chunks {
        type Error = CutOff;

        async fn next(&mut self) -> Result<Option<Bytes>, CutOff> {
            Ok(self.0.pop_front())
        }

        fn declared(&self) -> Declared {
            Declared::default()
        }
    }

    fn body(chunks: &[&'static [u8]], len: impl Into<Length>) -> Body<Chunks> {
        let chunks = chunks.iter().map(|chunk| Bytes::from_static(chunk));
        Body::new(Chunks(chunks.collect()), len.into())
    }

    #[tokio::test]
    async fn chunks_of_any_size_fill_runs_of_any_size() {
        let mut body = body(&[b"ab", b"", b"cdefg", b"h"], 8_u64);
        let mut buffer = Vec::new();
        for count in [0, 1, 3, 4] {
            body.fill(&mut buffer, count).await.unwrap();
        }
        assert_eq!(buffer, b"abcdefgh");
        assert!(body.finish().await.is_ok());
    }

    #[tokio::test]
    async fn what_is_given_back_comes_again_before_the_rest() {
        let mut body = body(&[b"abcdefg", b"h"], 8_u64);
        let mut buffer = Vec::new();
        body.fill(&mut buffer, 5).await.unwrap();
        let pieces = ["ab", "c", "de"].map(|piece| Bytes::from_static(piece.as_bytes()));
        body.give_back(pieces.to_vec());
        assert!(body.has_begun() && body.is_repeated());
        let mut again = Vec::new();
        body.fill(&mut again, 8).await.unwrap();
        assert_eq!(again, b"abcdefgh");
        assert!(body.finish().await.is_ok());
    }

    #[tokio::test]
    async fn a_body_of_another_length_than_declared_is_refused() {
        let mut short = body(&[b"abc"], 4_u64);
        let error = short.fill(&mut Vec::new(), 4).await.unwrap_err();
        assert!(matches!(
            error,
            PutError::Length {
                expected: 4,
                got: 3
            }
        ));

        let mut long = body(&[b"abc", b"de"], 4_u64);
        long.fill(&mut Vec::new(), 4).await.unwrap();
        let error = long.finish().await.unwrap_err();
        assert!(matches!(
            error,
            PutError::Length {
                expected: 4,
                got: 5
            }
        ));

        let empty = body(&[b""], 0_u64);
        assert!(empty.finish().await.is_ok());
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_is_what_comes_until_it_ends() {
        let mut body = body(&[b"abc", b"", b"de"], None);
        let mut buffer = Vec::new();
        assert_eq!(body.fill_some(&mut buffer, 4).await.unwrap(), 4);
        body.put_back(Bytes::from_static(b"bcd"));
        assert_eq!(body.taken(), 1);
        assert!(!body.is_repeated());
        assert!(body.has_more().await.unwrap());
        let mut rest = Vec::new();
        assert_eq!(body.fill_some(&mut rest, 100).await.unwrap(), 4);
        assert_eq!(rest, b"bcde");
        assert!(!body.has_more().await.unwrap());
        assert_eq!(body.taken(), 5);
        assert!(body.finish().await.is_ok());
    }
}
