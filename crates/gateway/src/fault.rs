//! Which S3 error an error of the cluster is: the one place where codes are chosen.

use std::panic::AssertUnwindSafe;

use cairn_client::{MutateError, QueryError};
use cairn_engine::{PutError, ReadError};
use cairn_s3::code::Code;
use cairn_s3::date::format_http_date;
use cairn_s3::error::S3Error;
use cairn_s3::input::CopySource;
use cairn_s3::output::{set_marker, set_version};
use cairn_s3::route::Route;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::namespace::Refusal;
use cairn_types::namespace::data::DeleteRefusal;
use cairn_types::outcome::Outcome;
use cairn_types::time::Timestamp;
use cairn_types::version::NamedVersion;

use futures::FutureExt;
use http::{HeaderMap, HeaderValue, header};

use crate::upload_body::UploadBodyError;

/// A request that was not done.
#[derive(Debug)]
pub struct Fault {
    /// What the client is told.
    pub error: S3Error,
    /// Whether the request certainly had no effect.
    pub outcome: Outcome,
    /// Why a server cannot do it now.
    pub reason: Option<Reason>,
    /// What the operator's log is told, where it is more than the client is.
    pub cause: Option<String>,
    /// The delete marker that was met, where that is the fault.
    pub marker: Option<Box<Marker>>,
}

/// A delete marker, as the answer about it tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    version: NamedVersion,
    last_modified: Timestamp,
    /// Whether it was asked for by its name.
    is_named: bool,
}

impl Marker {
    /// Says of an answer that it is about this marker.
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        set_marker(headers);
        set_version(headers, self.version);
        if self.is_named {
            let date = format_http_date(self.last_modified);
            let date = HeaderValue::try_from(date).expect("a date is header text");
            headers.insert(header::LAST_MODIFIED, date);
            headers.insert(header::ALLOW, HeaderValue::from_static("DELETE"));
        }
    }
}

/// Why a server cannot do something now, for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No metadata node leads, or none can be reached.
    NoMetadataLeader,
    /// Too few disks take shards.
    NoWriteQuorum,
    /// Too few shards can be read.
    TooFewShards,
    /// What the request built on was replaced meanwhile; another try begins anew.
    Overtaken,
    /// The bucket was told otherwise since it was decided.
    SettingsChanged,
    /// Too much is in flight.
    Busy,
    /// The process has not found its cluster yet.
    Starting,
    /// The process is stopping.
    Stopping,
    /// The master key is missing, or another one than a secret is sealed under.
    SealedSecret,
}

impl Reason {
    /// As `x-cairn-reason` and the element `Reason` say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoMetadataLeader => "no-metadata-leader",
            Self::NoWriteQuorum => "no-write-quorum",
            Self::TooFewShards => "too-few-shards",
            Self::Overtaken => "overtaken",
            Self::SettingsChanged => "settings-changed",
            Self::Busy => "busy",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::SealedSecret => "sealed-secret",
        }
    }
}

impl Fault {
    /// A server that cannot do it now. The request certainly had no effect.
    pub fn unavailable(reason: Reason, cause: &impl ToString) -> Self {
        Self {
            error: S3Error::new(Code::ServiceUnavailable).detail("Reason", reason.name()),
            outcome: Outcome::Refused,
            reason: Some(reason),
            cause: Some(cause.to_string()),
            marker: None,
        }
    }

    /// A server that may have done it, or may yet do it.
    pub fn unknown(cause: &impl ToString) -> Self {
        Self {
            error: S3Error::new(Code::InternalError),
            outcome: Outcome::Unknown,
            reason: None,
            cause: Some(cause.to_string()),
            marker: None,
        }
    }

    /// A server with too much to do. The request certainly had no effect.
    pub fn slow_down() -> Self {
        Self {
            error: S3Error::new(Code::SlowDown).detail("Reason", Reason::Busy.name()),
            outcome: Outcome::Refused,
            reason: Some(Reason::Busy),
            cause: None,
            marker: None,
        }
    }

    /// A delete marker on top: to whoever names no version the key is not there. See `naming` for who does.
    fn at_marker(version: NamedVersion, last_modified: Timestamp) -> Self {
        let marker = Marker {
            version,
            last_modified,
            is_named: false,
        };
        Self {
            marker: Some(Box::new(marker)),
            ..Self::from(Code::NoSuchKey)
        }
    }

    /// A server that does not understand its own records. The request certainly had no effect.
    pub(crate) fn senseless(cause: String) -> Self {
        Self {
            error: S3Error::new(Code::InternalError),
            outcome: Outcome::Refused,
            reason: None,
            cause: Some(cause),
            marker: None,
        }
    }

    /// The same fault, naming what of the request is missing, as S3 does.
    #[must_use]
    pub fn naming(mut self, route: &Route) -> Self {
        let version = route.query.get("versionId");
        if let Some(marker) = self.marker.as_mut().filter(|_| version.is_some()) {
            marker.is_named = true;
            self.error = S3Error::new(Code::MethodNotAllowed)
                .detail("Method", route.operation.row().method.as_str())
                .detail("ResourceType", "DeleteMarker");
        }
        self.naming_one(&Named {
            bucket: route.target.bucket(),
            key: route.target.key(),
            version,
            upload: route.query.get("uploadId"),
        })
    }

    /// The same fault, naming what is missing of what is copied.
    #[must_use]
    pub fn naming_source(mut self, source: &CopySource) -> Self {
        // The answer is not about the marker: it is not what the request is for.
        if self.marker.take().is_some() && source.version.is_some() {
            self.error = S3Error::with_message(
                Code::InvalidRequest,
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            );
        }
        let version = source.version.map(|version| version.to_string());
        self.naming_one(&Named {
            bucket: Some(&source.bucket),
            key: Some(&source.key),
            version: version.as_deref(),
            upload: None,
        })
    }

    fn naming_one(mut self, named: &Named<'_>) -> Self {
        if !self.error.details().is_empty() {
            return self;
        }
        let bucket = named.bucket.map(|bucket| ("BucketName", bucket.as_str()));
        let key = named.key.map(|key| ("Key", key.as_str()));
        let missing = match self.error.code() {
            Code::NoSuchBucket
            | Code::BucketNotEmpty
            | Code::NoSuchBucketPolicy
            | Code::NoSuchCORSConfiguration
            | Code::NoSuchPublicAccessBlockConfiguration
            | Code::NoSuchTagSet
            | Code::OwnershipControlsNotFoundError => [bucket, None],
            Code::NoSuchKey => [key, None],
            Code::NoSuchVersion => [key, named.version.map(|id| ("VersionId", id))],
            Code::NoSuchUpload => [None, named.upload.map(|id| ("UploadId", id))],
            _ => [None, None],
        };
        for (name, value) in missing.into_iter().flatten() {
            let value: String = value.chars().take(1024).collect();
            self.error = self.error.detail(name, value);
        }
        self
    }
}

/// What a request names.
struct Named<'a> {
    bucket: Option<&'a BucketName>,
    key: Option<&'a ObjectKey>,
    version: Option<&'a str>,
    upload: Option<&'a str>,
}

/// What `work` gives, or a fault where it panics: what it had done by then is unknown.
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => done,
        Err(panic) => {
            let said = panic
                .downcast_ref::<&str>()
                .map(|said| (*said).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            let said = said.unwrap_or_default();
            tracing::error!(said, "a request panicked");
            Err(Fault::unknown(&"a panic"))
        }
    }
}

impl From<S3Error> for Fault {
    fn from(error: S3Error) -> Self {
        Self {
            error,
            outcome: Outcome::Refused,
            reason: None,
            cause: None,
            marker: None,
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
            MutateError::Unavailable { .. } => Self::unavailable(Reason::NoMetadataLeader, &error),
            MutateError::OtherGroup { .. } => Self::unavailable(Reason::Overtaken, &error),
            MutateError::Unknown { .. } => Self::unknown(&error),
        }
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Refused(refusal) => refusal.into(),
            QueryError::Unavailable { .. } => Self::unavailable(Reason::NoMetadataLeader, &error),
            QueryError::Malformed { .. } => Self::senseless(error.to_string()),
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
            ReadError::Superseded => Self::unavailable(Reason::Overtaken, &error),
            ReadError::Stopping => Self::unavailable(Reason::Stopping, &error),
            ReadError::Stripe { .. } => Self::unavailable(Reason::TooFewShards, &whole(&error)),
            ReadError::Record { .. } => Self::senseless(whole(&error)),
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
            PutError::Unavailable { .. } => {
                Self::unavailable(Reason::NoWriteQuorum, &whole(&error))
            }
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

impl From<DeleteRefusal> for Fault {
    fn from(refusal: DeleteRefusal) -> Self {
        match refusal {
            DeleteRefusal::Locked => S3Error::with_message(
                Code::AccessDenied,
                "Access Denied because object protected by object lock.",
            )
            .into(),
            DeleteRefusal::PreconditionFailed => Code::PreconditionFailed.into(),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::BucketExists => Code::BucketAlreadyExists,
            Refusal::NoSuchBucket => Code::NoSuchBucket,
            Refusal::BucketInTransition { .. } => Code::OperationAborted,
            Refusal::BucketNotEmpty => Code::BucketNotEmpty,
            Refusal::InvalidBucketState => Code::InvalidBucketState,
            Refusal::ObjectLocked => return DeleteRefusal::Locked.into(),
            Refusal::NoObjectLock => {
                return S3Error::with_message(
                    Code::InvalidRequest,
                    "Bucket is missing Object Lock Configuration",
                )
                .into();
            }
            Refusal::NoSuchKey => Code::NoSuchKey,
            Refusal::DeleteMarker {
                version,
                is_null,
                last_modified,
            } => return Self::at_marker(NamedVersion::of(*version, *is_null), *last_modified),
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
            Refusal::SettingsChanged => {
                return Self::unavailable(Reason::SettingsChanged, &refusal);
            }
            // None of these is the client's doing; a retry begins anew.
            Refusal::BlobCondemned { .. }
            | Refusal::RequestTooOld { .. }
            | Refusal::RequestTooNew { .. }
            | Refusal::GenesisConflict
            | Refusal::Account(_)
            | Refusal::TopologyConflict { .. } => {
                return Self::unavailable(Reason::Overtaken, &refusal);
            }
        };
        code.into()
    }
}

#[cfg(test)]
mod tests {
    use cairn_types::id::GroupId;

    use super::*;

    fn told(fault: &Fault) -> (Code, Outcome, Option<&'static str>) {
        let reason = fault.reason.map(Reason::name);
        // The document says it as well.
        let in_document = fault
            .error
            .details()
            .iter()
            .find(|(name, _)| *name == "Reason");
        assert_eq!(in_document.map(|(_, value)| value.as_str()), reason);
        (fault.error.code(), fault.outcome, reason)
    }

    #[test]
    fn only_an_unanswered_change_has_an_unknown_outcome() {
        let group = GroupId::ROOT;
        let reason = "nobody leads".to_owned();
        let unavailable = MutateError::Unavailable {
            group,
            reason: reason.clone(),
        };
        let no_leader = Some("no-metadata-leader");
        assert_eq!(
            told(&unavailable.into()),
            (Code::ServiceUnavailable, Outcome::Refused, no_leader)
        );
        let unanswered = QueryError::Unavailable {
            group,
            reason: reason.clone(),
        };
        assert_eq!(
            told(&unanswered.into()),
            (Code::ServiceUnavailable, Outcome::Refused, no_leader)
        );
        let unknown = MutateError::Unknown { group, reason };
        assert_eq!(
            told(&unknown.clone().into()),
            (Code::InternalError, Outcome::Unknown, None)
        );
        let put: PutError<ReadError> = PutError::Commit(unknown);
        assert_eq!(
            told(&put.into()),
            (Code::InternalError, Outcome::Unknown, None)
        );
        let put: PutError<ReadError> = PutError::Unavailable {
            reason: "no disks".to_owned(),
        };
        assert_eq!(
            told(&put.into()),
            (
                Code::ServiceUnavailable,
                Outcome::Refused,
                Some("no-write-quorum")
            )
        );
        assert_eq!(
            told(&MutateError::Refused(Refusal::NoSuchKey).into()),
            (Code::NoSuchKey, Outcome::Refused, None)
        );
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_an_unknown_outcome() {
        let broken = guarded::<()>(async { panic!("on purpose") }).await;
        assert_eq!(
            told(&broken.unwrap_err()),
            (Code::InternalError, Outcome::Unknown, None)
        );
        assert_eq!(guarded(async { Ok(7) }).await.unwrap(), 7);
    }

    #[test]
    fn what_is_missing_of_a_source_is_named_as_the_sources() {
        let source = CopySource {
            bucket: BucketName::parse("source").unwrap(),
            key: ObjectKey::parse("original").unwrap(),
            version: None,
            conditions: cairn_s3::input::ReadConditions::default(),
        };
        for (code, detail) in [
            (Code::NoSuchBucket, ("BucketName", "source")),
            (Code::NoSuchKey, ("Key", "original")),
        ] {
            let fault = Fault::from(code).naming_source(&source);
            let (name, value) = detail;
            assert_eq!(fault.error.details(), [(name, value.to_owned())]);
        }
    }

    #[test]
    fn a_delete_marker_is_absence_or_a_wrong_method_as_it_was_asked_for() {
        let marker = || Refusal::DeleteMarker {
            version: cairn_types::id::VersionId::new(cairn_types::id::Order::new(1), 2),
            is_null: false,
            last_modified: Timestamp::default(),
        };
        let route = |target: &str| {
            let request = http::Request::get(target).body(()).unwrap();
            let addressing = cairn_s3::route::Addressing::default();
            addressing.route(&request.into_parts().0).unwrap()
        };
        let told = |fault: &Fault| {
            let mut headers = HeaderMap::new();
            if let Some(marker) = &fault.marker {
                marker.describe(&mut headers);
            }
            headers
        };
        let id = "00000000000000010000000000000002";
        let current = Fault::from(marker()).naming(&route("/bucket/key"));
        assert_eq!(current.error.code(), Code::NoSuchKey);
        let headers = told(&current);
        assert_eq!(headers["x-amz-delete-marker"], "true");
        assert_eq!(headers["x-amz-version-id"], id);
        assert_eq!(headers.len(), 2);
        let named = Fault::from(marker()).naming(&route(&format!("/bucket/key?versionId={id}")));
        assert_eq!(named.error.code(), Code::MethodNotAllowed);
        let headers = told(&named);
        assert_eq!(headers["allow"], "DELETE");
        assert_eq!(headers["last-modified"], "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(headers.len(), 4);

        let mut source = CopySource {
            bucket: BucketName::parse("source").unwrap(),
            key: ObjectKey::parse("original").unwrap(),
            version: None,
            conditions: cairn_s3::input::ReadConditions::default(),
        };
        let absent = Fault::from(marker()).naming_source(&source);
        assert_eq!(absent.error.code(), Code::NoSuchKey);
        assert_eq!(told(&absent).len(), 0);
        source.version = Some(NamedVersion::parse(id).unwrap());
        let refused = Fault::from(marker()).naming_source(&source);
        assert_eq!(refused.error.code(), Code::InvalidRequest);
    }
}
