//! Data groups: buckets, objects, uploads, blobs.

mod mutation;
mod query;
mod reply;
mod view;

use bytes::Bytes;
use cairn_types::id::{BucketId, UploadId};
use cairn_types::namespace::data::{CompletedPart, UploadKey, WriteCondition};

use crate::field::{DecodeError, Field, bits_128};
use crate::proto;
use crate::proto::{Empty, write_condition};

impl From<&WriteCondition> for proto::WriteCondition {
    fn from(condition: &WriteCondition) -> Self {
        use write_condition::Kind;
        let kind = match condition {
            WriteCondition::Always => Kind::Always(Empty {}),
            WriteCondition::IfAbsent => Kind::IfAbsent(Empty {}),
            WriteCondition::IfMatch(etag) => Kind::IfMatch(etag.into()),
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
                Kind::IfMatch(etag) => Self::IfMatch(etag.try_into()?),
            },
        )
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
