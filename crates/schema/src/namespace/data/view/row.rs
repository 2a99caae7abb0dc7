//! The rows of a data group's answers.

use cairn_types::id::{BlobId, UploadId};
use cairn_types::namespace::data::{
    Counters, FreedBlob, GroupStatus, ListedContent, ListedObject, ListedPart, ListedUpload,
    ListedVersion, PartContent, UploadInfo,
};
use cairn_types::time::Timestamp;

use crate::field::{DecodeError, Field, bits_128};
use crate::object::{version_id, version_id_bytes};
use crate::proto;
use crate::settings::{
    canonical_id_text, object_settings, object_settings_message, optional_canonical_id,
};

impl From<&ListedObject> for proto::ListedObject {
    fn from(row: &ListedObject) -> Self {
        Self {
            key: row.key.as_str().to_owned(),
            len: row.len,
            etag: Some((&row.etag).into()),
            last_modified_ms: row.last_modified.as_millis(),
            checksum: row.checksum.as_ref().map(Into::into),
            owner: canonical_id_text(row.owner.as_ref()),
        }
    }
}

impl TryFrom<proto::ListedObject> for ListedObject {
    type Error = DecodeError;

    fn try_from(message: proto::ListedObject) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ListedObject", name);
        Ok(Self {
            key: at("key").object_key(&message.key)?,
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            owner: optional_canonical_id(at("owner"), message.owner.as_deref())?,
        })
    }
}

impl From<&ListedVersion> for proto::ListedVersion {
    fn from(row: &ListedVersion) -> Self {
        Self {
            key: row.key.as_str().to_owned(),
            version: version_id_bytes(row.version),
            is_null: row.is_null,
            is_latest: row.is_latest,
            last_modified_ms: row.last_modified.as_millis(),
            object: row.object.as_ref().map(Into::into),
            owner: canonical_id_text(row.owner.as_ref()),
        }
    }
}

impl TryFrom<proto::ListedVersion> for ListedVersion {
    type Error = DecodeError;

    fn try_from(message: proto::ListedVersion) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ListedVersion", name);
        Ok(Self {
            key: at("key").object_key(&message.key)?,
            version: version_id(at("version"), &message.version)?,
            is_null: message.is_null,
            is_latest: message.is_latest,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
            owner: optional_canonical_id(at("owner"), message.owner.as_deref())?,
            object: message.object.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&ListedContent> for proto::ListedContent {
    fn from(content: &ListedContent) -> Self {
        Self {
            len: content.len,
            etag: Some((&content.etag).into()),
            checksum: content.checksum.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<proto::ListedContent> for ListedContent {
    type Error = DecodeError;

    fn try_from(message: proto::ListedContent) -> Result<Self, DecodeError> {
        Ok(Self {
            len: message.len,
            etag: Field::new("ListedContent", "etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&ListedUpload> for proto::ListedUpload {
    fn from(row: &ListedUpload) -> Self {
        Self {
            key: row.key.as_str().to_owned(),
            upload: bits_128(row.upload.get()),
            initiated_ms: row.initiated.as_millis(),
            checksum: row.checksum.as_ref().map(Into::into),
            owner: canonical_id_text(row.owner.as_ref()),
            initiator: canonical_id_text(row.initiator.as_ref()),
        }
    }
}

impl TryFrom<proto::ListedUpload> for ListedUpload {
    type Error = DecodeError;

    fn try_from(message: proto::ListedUpload) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ListedUpload", name);
        Ok(Self {
            key: at("key").object_key(&message.key)?,
            upload: UploadId::new(at("upload").bits_128(&message.upload)?),
            initiated: Timestamp::from_millis(message.initiated_ms),
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            owner: optional_canonical_id(at("owner"), message.owner.as_deref())?,
            initiator: optional_canonical_id(at("initiator"), message.initiator.as_deref())?,
        })
    }
}

impl From<&ListedPart> for proto::ListedPart {
    fn from(row: &ListedPart) -> Self {
        Self {
            number: row.number.into(),
            len: row.len,
            etag: Some((&row.etag).into()),
            checksum: row.checksum.as_ref().map(Into::into),
            last_modified_ms: row.last_modified.as_millis(),
        }
    }
}

impl TryFrom<proto::ListedPart> for ListedPart {
    type Error = DecodeError;

    fn try_from(message: proto::ListedPart) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ListedPart", name);
        Ok(Self {
            number: at("number").narrow(message.number)?,
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
        })
    }
}

impl From<&PartContent> for proto::PartContent {
    fn from(part: &PartContent) -> Self {
        Self {
            number: part.number.into(),
            len: part.len,
            etag: Some((&part.etag).into()),
            checksum: part.checksum.as_ref().map(Into::into),
            content: Some((&part.content).into()),
        }
    }
}

impl TryFrom<proto::PartContent> for PartContent {
    type Error = DecodeError;

    fn try_from(message: proto::PartContent) -> Result<Self, DecodeError> {
        let at = |name| Field::new("PartContent", name);
        Ok(Self {
            number: at("number").narrow(message.number)?,
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            content: at("content").noun(message.content)?,
        })
    }
}

impl From<&Counters> for proto::Counters {
    fn from(counters: &Counters) -> Self {
        Self {
            objects: counters.objects,
            bytes: counters.bytes,
            versions: counters.versions,
            version_bytes: counters.version_bytes,
            uploads: counters.uploads,
            parts: counters.parts,
            part_bytes: counters.part_bytes,
        }
    }
}

impl From<proto::Counters> for Counters {
    fn from(message: proto::Counters) -> Self {
        Self {
            objects: message.objects,
            bytes: message.bytes,
            versions: message.versions,
            version_bytes: message.version_bytes,
            uploads: message.uploads,
            parts: message.parts,
            part_bytes: message.part_bytes,
        }
    }
}

impl From<&GroupStatus> for proto::GroupStatus {
    fn from(status: &GroupStatus) -> Self {
        Self {
            clock_ms: status.clock.as_millis(),
            horizon_ms: status.horizon.as_millis(),
            freed_blobs: status.freed_blobs,
            condemned_blobs: status.condemned_blobs,
            degraded_blobs: status.degraded_blobs,
            state_hash: bits_128(status.state_hash),
        }
    }
}

impl TryFrom<proto::GroupStatus> for GroupStatus {
    type Error = DecodeError;

    fn try_from(message: proto::GroupStatus) -> Result<Self, DecodeError> {
        let state_hash = Field::new("GroupStatus", "state_hash");
        Ok(Self {
            clock: Timestamp::from_millis(message.clock_ms),
            horizon: Timestamp::from_millis(message.horizon_ms),
            freed_blobs: message.freed_blobs,
            condemned_blobs: message.condemned_blobs,
            degraded_blobs: message.degraded_blobs,
            state_hash: state_hash.bits_128(&message.state_hash)?,
        })
    }
}

impl From<&FreedBlob> for proto::FreedBlob {
    fn from(row: &FreedBlob) -> Self {
        Self {
            blob: bits_128(row.blob.get()),
            freed_ms: row.freed.as_millis(),
        }
    }
}

impl TryFrom<proto::FreedBlob> for FreedBlob {
    type Error = DecodeError;

    fn try_from(message: proto::FreedBlob) -> Result<Self, DecodeError> {
        Ok(Self {
            blob: BlobId::from_bits(Field::new("FreedBlob", "blob").bits_128(&message.blob)?),
            freed: Timestamp::from_millis(message.freed_ms),
        })
    }
}

impl From<&UploadInfo> for proto::UploadInfo {
    fn from(info: &UploadInfo) -> Self {
        Self {
            initiated_ms: info.initiated.as_millis(),
            headers: Some((&info.headers).into()),
            checksum: info.checksum.as_ref().map(Into::into),
            settings: object_settings_message(&info.settings),
            initiator: canonical_id_text(info.initiator.as_ref()),
        }
    }
}

impl TryFrom<proto::UploadInfo> for UploadInfo {
    type Error = DecodeError;

    fn try_from(message: proto::UploadInfo) -> Result<Self, DecodeError> {
        let at = |name| Field::new("UploadInfo", name);
        Ok(Self {
            initiated: Timestamp::from_millis(message.initiated_ms),
            headers: at("headers").required(message.headers)?.into(),
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            settings: object_settings(message.settings)?,
            initiator: optional_canonical_id(at("initiator"), message.initiator.as_deref())?,
        })
    }
}
