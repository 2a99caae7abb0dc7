//! The MD5 of a body, computed off the async threads.

use bytes::Bytes;
use cairn_runtime::CpuPool;
use md5::{Digest as _, Md5};

/// Up to here the way to the CPU pool takes longer than it saves: 16 KiB take some 30 µs.
const INLINE_LEN: usize = 32 * 1024;

/// The digest of what was taken in so far.
#[derive(Clone)]
pub(super) struct Digest {
    state: Md5,
}

impl Digest {
    /// Of nothing yet.
    pub(super) fn new() -> Self {
        Self { state: Md5::new() }
    }

    /// Takes in the next bytes, in order.
    pub(super) async fn update(&mut self, cpu: &CpuPool, pieces: Vec<Bytes>) {
        let len: usize = pieces.iter().map(Bytes::len).sum();
        let mut state = std::mem::take(&mut self.state);
        let update = move || {
            for piece in pieces {
                state.update(&piece);
            }
            state
        };
        self.state = if len <= INLINE_LEN {
            update()
        } else {
            cpu.run(update).await
        };
    }

    /// The MD5.
    pub(super) fn finish(self) -> [u8; 16] {
        self.state.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_of_any_size_give_the_digest_of_the_whole() {
        let cpu = CpuPool::new(1).unwrap();
        let bytes = Bytes::from(vec![b'a'; 3 * INLINE_LEN]);
        let mut whole = Digest::new();
        whole.update(&cpu, vec![bytes.clone()]).await;
        let mut pieces = Digest::new();
        pieces.update(&cpu, vec![bytes.slice(..7)]).await;
        let rest = vec![bytes.slice(7..100), bytes.slice(100..)];
        pieces.update(&cpu, rest).await;
        assert_eq!(whole.finish(), pieces.finish());
        let mut abc = Digest::new();
        abc.update(&cpu, vec![Bytes::from_static(b"abc")]).await;
        // RFC 1321, appendix A.5.
        let expected = 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72_u128;
        assert_eq!(u128::from_be_bytes(abc.finish()), expected);
    }
}
