//! A request's body as the engine takes it.

use std::time::Duration;

use bytes::Bytes;
use cairn_engine::{Declared, Source};
use cairn_s3::body::{BodyError, VerifiedBody};
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use http_body::Body;

use crate::request_body::{RequestBody, Stalled};

/// A request's body, or the file in it, verified as it flows.
#[derive(Debug)]
pub(crate) struct UploadBody<B = RequestBody> {
    body: VerifiedBody<B>,
}

/// A body that cannot be had to its end, or is not what was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadBodyError {
    /// It cannot be trusted, or nothing of it arrives any more.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It is a document and has taken too long as a whole.
    #[error("the document did not arrive in time")]
    Late,
}

impl<B> UploadBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Takes a body.
    pub(crate) fn new(body: VerifiedBody<B>) -> Self {
        Self { body }
    }

    /// All of it, at most `limit` bytes, if it comes within `patience`.
    ///
    /// # Errors
    /// As `next`, and when it is longer or later.
    pub(crate) async fn read_document(
        mut self,
        limit: usize,
        patience: Duration,
    ) -> Result<Bytes, UploadBodyError> {
        let read = self.body.read_document(limit);
        let document = tokio::time::timeout(patience, read).await;
        Ok(document.map_err(|_| UploadBodyError::Late)??)
    }
}

impl<B> Source for UploadBody<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Error = UploadBodyError;

    async fn next(&mut self) -> Result<Option<Bytes>, UploadBodyError> {
        Ok(self.body.next().await?)
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
            UploadBodyError::Body(BodyError::Transport(cause)) if cause.is::<Stalled>() => {
                Self::new(Code::RequestTimeout)
            }
            UploadBodyError::Body(error) => error.into(),
            UploadBodyError::Late => Self::new(Code::RequestTimeout),
        }
    }
}
