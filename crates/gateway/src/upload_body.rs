//! A request's body as the engine takes it.

use std::time::Duration;

use bytes::Bytes;
use cairn_engine::{Declared, Source};
use cairn_runtime::metrics::Counter;
use cairn_s3::body::{BodyError, VerifiedBody};
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use hyper::body::Incoming;

/// A request's body, verified as it flows, that is given up when nothing arrives for a while.
#[derive(Debug)]
pub(crate) struct UploadBody {
    body: VerifiedBody<Incoming>,
    idle_timeout: Duration,
    received: Counter,
}

/// A body that cannot be had to its end, or is not what was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadBodyError {
    /// It cannot be trusted.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Nothing arrives any more.
    #[error("nothing of the body arrived for too long")]
    Idle,
}

impl UploadBody {
    /// Takes a body.
    pub(crate) fn new(
        body: VerifiedBody<Incoming>,
        idle_timeout: Duration,
        received: Counter,
    ) -> Self {
        Self {
            body,
            idle_timeout,
            received,
        }
    }

    /// All of it, at most `limit` bytes.
    ///
    /// # Errors
    /// As `next`, and when it is longer.
    pub(crate) async fn read_document(mut self, limit: usize) -> Result<Bytes, UploadBodyError> {
        // A document is one or a few frames: it has the time of one frame, several times over.
        let read = self.body.read_document(limit);
        let document = tokio::time::timeout(self.idle_timeout * 2, read)
            .await
            .map_err(|_| UploadBodyError::Idle)??;
        self.received
            .inc_by(u64::try_from(document.len()).unwrap_or(u64::MAX));
        Ok(document)
    }
}

impl Source for UploadBody {
    type Error = UploadBodyError;

    async fn next(&mut self) -> Result<Option<Bytes>, UploadBodyError> {
        let chunk = tokio::time::timeout(self.idle_timeout, self.body.next())
            .await
            .map_err(|_| UploadBodyError::Idle)??;
        if let Some(chunk) = &chunk {
            self.received
                .inc_by(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        }
        Ok(chunk)
    }

    fn declared(&self) -> Declared {
        Declared {
            md5: self.body.declaration().md5(),
            checksum: self.body.checksum().cloned(),
        }
    }
}

impl From<UploadBodyError> for S3Error {
    fn from(error: UploadBodyError) -> Self {
        match error {
            UploadBodyError::Body(error) => error.into(),
            UploadBodyError::Idle => Self::new(Code::RequestTimeout),
        }
    }
}
