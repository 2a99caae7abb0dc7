//! Which S3 error an error of the cluster is: the one place where codes are chosen.

use cairn_client::{MutateError, QueryError};
use cairn_engine::{PutError, ReadError};
use cairn_s3::code::Code;
use cairn_s3::error::S3Error;
use cairn_s3::route::Route;
use cairn_types::namespace::Refusal;
use cairn_types::outcome::Outcome;

use crate::upload_body::UploadBodyError;

/// A request that was not done.
#[derive(Debug)]
pub struct Fault {
    /// What the client is told.
    pub error: S3Error,
    /// Whether the request certainly had no effect.
    pub outcome: Outcome,
    /// What the operator's log is told, where it is more than the client is.
    pub cause: Option<String>,
}

impl Fault {
    /// A server that cannot do it now. The request certainly had no effect.
    pub fn unavailable(cause: &impl ToString) -> Self {
        Self {
            error: S3Error::new(Code::ServiceUnavailable),
            outcome: Outcome::Refused,
            cause: Some(cause.to_string()),
        }
    }

    /// A server that may have done it, or may yet do it.
    pub fn unknown(cause: &impl ToString) -> Self {
        Self {
            error: S3Error::new(Code::InternalError),
            outcome: Outcome::Unknown,
            cause: Some(cause.to_string()),
        }
    }

    /// The same fault, naming what of the request is missing, as S3 does.
    #[must_use]
    pub fn naming(mut self, route: &Route) -> Self {
        if !self.error.details().is_empty() {
            return self;
        }
        let named = match self.error.code() {
            Code::NoSuchBucket | Code::BucketNotEmpty => {
                let bucket = route.target.bucket();
                bucket.map(|bucket| ("BucketName", bucket.as_str()))
            }
            Code::NoSuchKey => route.target.key().map(|key| ("Key", key.as_str())),
            Code::NoSuchUpload => route.query.get("uploadId").map(|id| ("UploadId", id)),
            _ => None,
        };
        if let Some((name, value)) = named {
            let value: String = value.chars().take(1024).collect();
            self.error = self.error.detail(name, value);
        }
        self
    }

    /// A server with too much to do. The request certainly had no effect.
    pub fn slow_down() -> Self {
        Self {
            error: S3Error::new(Code::SlowDown),
            outcome: Outcome::Refused,
            cause: None,
        }
    }
}

impl From<S3Error> for Fault {
    fn from(error: S3Error) -> Self {
        Self {
            error,
            outcome: Outcome::Refused,
            cause: None,
        }
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        S3Error::new(code).into()
    }
}

impl From<MutateError> for Fault {
    fn from(error: MutateError) -> Self {
        match error {
            MutateError::Refused(refusal) => refusal.into(),
            MutateError::Unavailable { .. } => Self::unavailable(&error),
            MutateError::Unknown { .. } => Self::unknown(&error),
        }
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Refused(refusal) => refusal.into(),
            QueryError::Unavailable { .. } => Self::unavailable(&error),
            QueryError::Malformed { .. } => Self {
                error: S3Error::new(Code::InternalError),
                outcome: Outcome::Refused,
                cause: Some(error.to_string()),
            },
        }
    }
}

impl From<UploadBodyError> for Fault {
    fn from(error: UploadBodyError) -> Self {
        S3Error::from(error).into()
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Busy(_) => Self::slow_down(),
            ReadError::Metadata(error) => error.into(),
            ReadError::Range { .. } => Code::InvalidRange.into(),
            ReadError::Superseded | ReadError::Stopping | ReadError::Stripe { .. } => {
                Self::unavailable(&whole(&error))
            }
            ReadError::Record { .. } => Self {
                error: S3Error::new(Code::InternalError),
                outcome: Outcome::Refused,
                cause: Some(whole(&error)),
            },
        }
    }
}

impl<E> From<PutError<E>> for Fault
where
    E: std::error::Error + Send + Sync + Into<Fault> + 'static,
{
    fn from(error: PutError<E>) -> Self {
        match error {
            PutError::Source(error) => error.into(),
            PutError::Length { .. } => Code::IncompleteBody.into(),
            PutError::DigestMismatch { .. } => Code::BadDigest.into(),
            PutError::Busy(_) => Self::slow_down(),
            PutError::Unavailable { .. } => Self::unavailable(&whole(&error)),
            PutError::Commit(error) => error.into(),
        }
    }
}

/// An error with all its causes, on one line.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::BucketExists => Code::BucketAlreadyExists,
            Refusal::NoSuchBucket => Code::NoSuchBucket,
            Refusal::BucketInTransition { .. } => Code::OperationAborted,
            Refusal::BucketNotEmpty => Code::BucketNotEmpty,
            Refusal::NoSuchKey => Code::NoSuchKey,
            Refusal::NoSuchVersion => Code::NoSuchVersion,
            Refusal::PreconditionFailed => Code::PreconditionFailed,
            Refusal::NoSuchUpload => Code::NoSuchUpload,
            Refusal::InvalidPart { .. } => Code::InvalidPart,
            Refusal::InvalidPartOrder => Code::InvalidPartOrder,
            Refusal::PartTooSmall { number, len } => {
                return S3Error::new(Code::EntityTooSmall)
                    .detail("ProposedSize", len.to_string())
                    .detail("MinSizeAllowed", "5242880")
                    .detail("PartNumber", number.to_string())
                    .into();
            }
            Refusal::ObjectTooLarge => Code::EntityTooLarge,
            Refusal::ChecksumMismatch => {
                return S3Error::with_message(
                    Code::BadDigest,
                    "The checksum you specified did not match the calculated checksum.",
                )
                .into();
            }
            Refusal::ChecksumKindMismatch => {
                return S3Error::with_message(
                    Code::InvalidRequest,
                    "The checksum is not of the algorithm and type that the upload was created with.",
                )
                .into();
            }
            Refusal::Malformed { reason } => {
                return S3Error::with_message(Code::InvalidRequest, reason.clone()).into();
            }
            // None of these is the client's doing; a retry begins anew.
            Refusal::BlobCondemned { .. }
            | Refusal::RequestTooOld { .. }
            | Refusal::GenesisConflict
            | Refusal::TopologyConflict { .. } => return Self::unavailable(&refusal),
        };
        code.into()
    }
}
