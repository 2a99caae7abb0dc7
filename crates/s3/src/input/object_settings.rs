//! What requests that make objects say beside bytes and headers, and requests about one setting of an object.

use cairn_types::lock::ObjectLock;
use cairn_types::name::{BucketName, ObjectKey};
use cairn_types::tag::Tags;
use cairn_types::version::NamedVersion;

use super::acl::AclInput;
use super::lock::object_lock;
use super::request::Request;
use super::tags::header_tags;
use crate::error::S3Error;

/// The input of an operation that takes nothing but a version of an object: `GetObjectAcl`, `GetObjectTagging`,
/// `DeleteObjectTagging`, `GetObjectRetention`, `GetObjectLegalHold`, `PutObjectLegalHold`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Which version, if not the newest.
    pub version: Option<NamedVersion>,
}

/// What the headers of a request say that an object is to be: of `PutObject`, `CreateMultipartUpload` and `CopyObject`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectSettingsInput {
    /// Its ACL.
    pub acl: AclInput,
    /// Its tags; of a copy, unless its directive is to replace them, they are those of the source.
    pub tags: Tags,
    /// What keeps it from being removed. That a retention ends in the future is not checked yet.
    pub lock: ObjectLock,
}

impl ObjectInput {
    /// Reads the input.
    ///
    /// # Errors
    /// `InvalidURI` when the request names no object, `InvalidArgument` for a version that cannot be.
    pub fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            version: request.version()?,
        })
    }
}

impl ObjectSettingsInput {
    /// Reads the headers.
    ///
    /// # Errors
    /// Those of the ACL, the tags and the lock.
    pub(super) fn parse(request: &Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            acl: AclInput::parse(request)?,
            tags: header_tags(request)?,
            lock: object_lock(request)?,
        })
    }
}
