//! An object's bytes on their way into a copy, with a checksum of them.

use std::time::Duration;

use bytes::Bytes;
use cairn_engine::{CopySource, Declared, ReadError, Source};
use cairn_runtime::CpuPool;
use cairn_s3::checksum::Hasher;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};

/// Longer pieces are hashed on the CPU pool: SHA-256 takes some 200 µs for this.
const INLINE_LEN: usize = 64 * 1024;

/// What is copied, and the checksum of what came by so far.
pub(crate) struct CopyBody {
    source: CopySource,
    cpu: CpuPool,
    hasher: Option<Hasher>,
    checksum: Option<ObjectChecksum>,
}

impl CopyBody {
    /// The bytes of `source`, with a checksum of this algorithm.
    pub(crate) fn new(source: CopySource, algorithm: ChecksumAlgorithm, cpu: CpuPool) -> Self {
        Self {
            source,
            cpu,
            hasher: Some(Hasher::new(algorithm)),
            checksum: None,
        }
    }
}

impl Source for CopyBody {
    type Error = ReadError;

    const IS_PROMPT: bool = true;

    async fn prepare(&mut self, patience: Duration) -> Result<(), ReadError> {
        self.source.prepare(patience).await
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let bytes = self.source.next().await?;
        let Some(hasher) = self.hasher.take() else {
            return Ok(bytes);
        };
        match &bytes {
            Some(bytes) => self.hasher = Some(take_in(&self.cpu, hasher, bytes.clone()).await),
            None => {
                self.checksum = Some(ObjectChecksum {
                    checksum: hasher.finish(),
                    kind: ChecksumKind::FullObject,
                });
            }
        }
        Ok(bytes)
    }

    fn declared(&self) -> Declared {
        Declared {
            md5: None,
            checksum: self.checksum.clone(),
        }
    }
}

async fn take_in(cpu: &CpuPool, mut hasher: Hasher, bytes: Bytes) -> Hasher {
    if bytes.len() <= INLINE_LEN {
        hasher.update(&bytes);
        return hasher;
    }
    cpu.run(move || {
        hasher.update(&bytes);
        hasher
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_of_any_size_give_the_checksum_of_the_whole() {
        let cpu = CpuPool::new(1).unwrap();
        let bytes = Bytes::from(vec![b'a'; 3 * INLINE_LEN]);
        for algorithm in ChecksumAlgorithm::ALL {
            let mut whole = Hasher::new(algorithm);
            whole.update(&bytes);
            let mut pieces = Hasher::new(algorithm);
            for piece in [bytes.slice(..7), bytes.slice(7..)] {
                pieces = take_in(&cpu, pieces, piece).await;
            }
            assert_eq!(whole.finish(), pieces.finish());
        }
    }
}
