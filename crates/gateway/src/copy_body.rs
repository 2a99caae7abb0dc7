//! An object's bytes on their way into a copy, with a checksum of them.

use bytes::Bytes;
use cairn_engine::{CopySource, Declared, ReadError, Source};
use cairn_s3::checksum::Hasher;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};

/// What is copied, and the checksum of what came by so far.
pub(crate) struct CopyBody {
    source: CopySource,
    hasher: Option<Hasher>,
    checksum: Option<ObjectChecksum>,
}

impl CopyBody {
    /// The bytes of `source`, with a checksum of this algorithm.
    pub(crate) fn new(source: CopySource, algorithm: ChecksumAlgorithm) -> Self {
        Self {
            source,
            hasher: Some(Hasher::new(algorithm)),
            checksum: None,
        }
    }
}

impl Source for CopyBody {
    type Error = ReadError;

    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let bytes = self.source.next().await?;
        match (&bytes, &mut self.hasher) {
            (Some(bytes), Some(hasher)) => hasher.update(bytes),
            (None, hasher) => {
                self.checksum = hasher.take().map(|hasher| ObjectChecksum {
                    checksum: hasher.finish(),
                    kind: ChecksumKind::FullObject,
                });
            }
            (Some(_), None) => {}
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
