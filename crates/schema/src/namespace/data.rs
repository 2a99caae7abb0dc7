//! Data groups: buckets, objects, uploads, blobs.

mod mutation;
mod query;
mod reply;
mod view;

use bytes::Bytes;
use cairn_types::id::{BucketId, UploadId};
use cairn_types::namespace::data::{
    CompletedPart, DeleteCondition, ETagCondition, UploadKey, VersionTarget, WriteCondition,
};
use cairn_types::time::Timestamp;

use crate::field::{DecodeError, Field, bits_128};
use crate::object::{named_version, named_version_bytes};
use crate::proto;
use crate::proto::{Empty, e_tag_condition, write_condition};

impl From<&WriteCondition> for proto::WriteCondition {
    fn from(condition: &WriteCondition) -> Self {
        use write_condition::Kind;
        let kind = match condition {
            WriteCondition::Always => Kind::Always(Empty {}),
            WriteCondition::IfAbsent => Kind::IfAbsent(Empty {}),
            WriteCondition::IfPresent => Kind::IfPresent(Empty {}),
            WriteCondition::IfMatch(etag) => Kind::IfMatch(etag.into()),
            WriteCondition::IfNoneMatch(etag) => Kind::IfNoneMatch(etag.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::WriteCondition> for WriteCondition {
    type Error = DecodeError;

    fn try_from(message: proto::WriteCondition) -> Result<Self, DecodeError> {
        use write_condition::Kind;
        Ok(
            match Field::new("WriteCondition", "kind").required(message.kind)? {
                Kind::Always(Empty {}) => Self::Always,
                Kind::IfAbsent(Empty {}) => Self::IfAbsent,
                Kind::IfPresent(Empty {}) => Self::IfPresent,
                Kind::IfMatch(etag) => Self::IfMatch(etag.try_into()?),
                Kind::IfNoneMatch(etag) => Self::IfNoneMatch(etag.try_into()?),
            },
        )
    }
}

impl From<&ETagCondition> for proto::ETagCondition {
    fn from(condition: &ETagCondition) -> Self {
        use e_tag_condition::Kind;
        let kind = match condition {
            ETagCondition::Any => Kind::Any(Empty {}),
            ETagCondition::Is(etag) => Kind::Is(etag.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::ETagCondition> for ETagCondition {
    type Error = DecodeError;

    fn try_from(message: proto::ETagCondition) -> Result<Self, DecodeError> {
        use e_tag_condition::Kind;
        let at = Field::new("ETagCondition", "kind");
        Ok(match at.required(message.kind)? {
            Kind::Any(Empty {}) => Self::Any,
            Kind::Is(etag) => Self::Is(etag.try_into()?),
        })
    }
}

impl From<&DeleteCondition> for proto::DeleteCondition {
    fn from(condition: &DeleteCondition) -> Self {
        Self {
            etag: condition.etag.as_ref().map(Into::into),
            last_modified_ms: condition.last_modified.map(Timestamp::as_millis),
            len: condition.len,
        }
    }
}

impl TryFrom<proto::DeleteCondition> for DeleteCondition {
    type Error = DecodeError;

    fn try_from(message: proto::DeleteCondition) -> Result<Self, DecodeError> {
        Ok(Self {
            etag: message.etag.map(TryInto::try_into).transpose()?,
            last_modified: message.last_modified_ms.map(Timestamp::from_millis),
            len: message.len,
        })
    }
}

impl From<&VersionTarget> for proto::VersionTarget {
    fn from(target: &VersionTarget) -> Self {
        Self {
            bucket: target.bucket.get(),
            key: target.key.as_str().to_owned(),
            version: target.version.map(named_version_bytes),
        }
    }
}

impl TryFrom<proto::VersionTarget> for VersionTarget {
    type Error = DecodeError;

    fn try_from(message: proto::VersionTarget) -> Result<Self, DecodeError> {
        let at = |name| Field::new("VersionTarget", name);
        let version = message.version.as_ref();
        Ok(Self {
            bucket: BucketId::new(message.bucket),
            key: at("key").object_key(&message.key)?,
            version: version
                .map(|bytes| named_version(at("version"), bytes))
                .transpose()?,
        })
    }
}

impl From<&CompletedPart> for proto::CompletedPart {
    fn from(part: &CompletedPart) -> Self {
        Self {
            number: part.number.into(),
            etag: Some((&part.etag).into()),
            checksum: part.checksum.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<proto::CompletedPart> for CompletedPart {
    type Error = DecodeError;

    fn try_from(message: proto::CompletedPart) -> Result<Self, DecodeError> {
        let at = |name| Field::new("CompletedPart", name);
        Ok(Self {
            number: at("number").narrow(message.number)?,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&UploadKey> for proto::UploadKey {
    fn from(upload: &UploadKey) -> Self {
        Self {
            bucket: upload.bucket.get(),
            key: upload.key.as_str().to_owned(),
            upload: bits_128(upload.upload.get()),
        }
    }
}

impl TryFrom<proto::UploadKey> for UploadKey {
    type Error = DecodeError;

    fn try_from(message: proto::UploadKey) -> Result<Self, DecodeError> {
        let at = |name| Field::new("UploadKey", name);
        Ok(Self {
            bucket: BucketId::new(message.bucket),
            key: at("key").object_key(&message.key)?,
            upload: UploadId::new(at("upload").bits_128(&message.upload)?),
        })
    }
}

/// An upload's id where there may be none, as the schema writes it.
fn upload_id_bytes(upload: Option<UploadId>) -> Option<Bytes> {
    upload.map(|upload| bits_128(upload.get()))
}

/// The upload's id in these bytes, where there may be none.
fn upload_id(at: Field, bytes: Option<Bytes>) -> Result<Option<UploadId>, DecodeError> {
    let bits = bytes.map(|bytes| at.bits_128(&bytes)).transpose()?;
    Ok(bits.map(UploadId::new))
}
