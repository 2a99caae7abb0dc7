//! Copying: what is read is a body to be written.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_client::Indexed;
use cairn_types::checksum::{ChecksumKind, ObjectChecksum};
use cairn_types::namespace::data::{Committed, UploadKey, WriteCondition};
use cairn_types::namespace::root::BucketEntry;
use cairn_types::object::{Extent, ObjectVersion};

use crate::engine::{Engine, Target};
use crate::error::{PutError, ReadError};
use crate::get::Download;
use crate::put::{Described, PartCommitted};
use crate::source::{Declared, Source};

/// What is copied.
#[derive(Debug, Clone)]
pub struct CopyFrom {
    /// Its bucket.
    pub bucket: Arc<BucketEntry>,
    /// The version, whole.
    pub version: ObjectVersion,
    /// Which of its bytes; all of them when `None`.
    pub range: Option<Range<u64>>,
}

/// A version's bytes as a body to be written. Nothing is read before they are asked for.
#[derive(Debug)]
pub struct CopySource {
    download: Download,
    checksum: Option<ObjectChecksum>,
}

impl CopySource {
    /// How many bytes it has.
    #[expect(clippy::len_without_is_empty, reason = "it is no collection")]
    pub fn len(&self) -> u64 {
        self.download.len()
    }
}

impl Source for CopySource {
    type Error = ReadError;

    const IS_PROMPT: bool = true;

    async fn prepare(&mut self, patience: Duration) -> Result<(), ReadError> {
        self.download.prepare(patience).await
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.download.next().await
    }

    fn declared(&self) -> Declared {
        Declared {
            md5: None,
            checksum: self.checksum.clone(),
        }
    }
}

impl Engine {
    /// Copies bytes into the newest version of `target`. The copy is stored as if it had been put: a short one in its record.
    /// Its checksum is that of the original if that is one of the same bytes.
    ///
    /// # Errors
    /// As `put`; where the original cannot be read, `Source`.
    pub async fn copy(
        &self,
        from: &CopyFrom,
        target: &Target,
        described: impl Into<Described>,
        condition: &WriteCondition,
    ) -> Result<Indexed<Committed>, PutError<ReadError>> {
        let source = self.copy_source(from).await.map_err(PutError::Source)?;
        let len = source.len();
        self.put(target, described, len, source, condition).await
    }

    /// Copies bytes into part `number` of an upload.
    ///
    /// # Errors
    /// As `copy`.
    pub async fn copy_part(
        &self,
        from: &CopyFrom,
        bucket: &BucketEntry,
        upload: &UploadKey,
        number: u16,
    ) -> Result<Indexed<PartCommitted>, PutError<ReadError>> {
        let source = self.copy_source(from).await.map_err(PutError::Source)?;
        let len = source.len();
        self.put_part(bucket, upload, number, len, source).await
    }

    /// The bytes of blobs that nothing refers to yet, as a body to be written elsewhere.
    pub(crate) async fn staged_source(
        &self,
        extents: &[Extent],
        len: u64,
    ) -> Result<CopySource, ReadError> {
        let download = Box::pin(self.get_staged(extents, len)).await?;
        Ok(CopySource {
            download,
            checksum: None,
        })
    }

    /// The bytes to be copied as a body, for a caller that looks at them on their way (to compute another checksum).
    ///
    /// # Errors
    /// See `get`.
    pub async fn copy_source(&self, from: &CopyFrom) -> Result<CopySource, ReadError> {
        let len = from.version.len;
        let range = from.range.clone().unwrap_or(0..len);
        let is_whole = range == (0..len);
        // On the heap: its callers hold the original and what it is copied into beside it.
        let download = Box::pin(self.get_for_copy(&from.bucket, &from.version, range));
        let checksum = from.version.checksum.clone();
        Ok(CopySource {
            download: download.await?,
            checksum: checksum
                .filter(|checksum| is_whole && checksum.kind == ChecksumKind::FullObject),
        })
    }
}
