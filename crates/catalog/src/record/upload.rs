//! Rows of uploads.

use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_schema::proto::upload_record;
use cairn_schema::{canonical_id_text, optional_canonical_id};
use cairn_types::account::CanonicalId;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::id::Order;
use cairn_types::namespace::data::UploadInfo;
use cairn_types::object::Content;
use cairn_types::time::Timestamp;

use super::Record;

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all that are read are open, and few are held at a time"
)]
pub(crate) enum UploadRow {
    /// It takes parts.
    Open(UploadInfo),
    /// It became a version, which exists: completing it again answers the same.
    Completed {
        /// The version's order.
        order: Order,
    },
}

impl Record for UploadRow {
    const KIND: &'static str = "UploadRecord";
    type Message = proto::UploadRecord;

    fn to_message(&self) -> proto::UploadRecord {
        let state = match self {
            Self::Open(info) => upload_record::State::Open(info.into()),
            Self::Completed { order } => {
                upload_record::State::Completed(upload_record::Completed { order: order.get() })
            }
        };
        proto::UploadRecord { state: Some(state) }
    }

    fn from_message(message: proto::UploadRecord) -> Result<Self, DecodeError> {
        match Field::new(Self::KIND, "state").required(message.state)? {
            upload_record::State::Open(info) => Ok(Self::Open(info.try_into()?)),
            upload_record::State::Completed(completed) => Ok(Self::Completed {
                order: Order::new(completed.order),
            }),
        }
    }
}

/// An open upload, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadEntryRow {
    /// The checksum it was begun with.
    pub(crate) checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// Whose the object is to be.
    pub(crate) owner: Option<CanonicalId>,
    /// Who began it.
    pub(crate) initiator: Option<CanonicalId>,
}

impl Record for UploadEntryRow {
    const KIND: &'static str = "UploadEntryRecord";
    type Message = proto::UploadEntryRecord;

    fn to_message(&self) -> proto::UploadEntryRecord {
        proto::UploadEntryRecord {
            checksum: self.checksum.as_ref().map(Into::into),
            owner: canonical_id_text(self.owner.as_ref()),
            initiator: canonical_id_text(self.initiator.as_ref()),
        }
    }

    fn from_message(message: proto::UploadEntryRecord) -> Result<Self, DecodeError> {
        let at = |name| Field::new(Self::KIND, name);
        Ok(Self {
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            owner: optional_canonical_id(at("owner"), message.owner.as_deref())?,
            initiator: optional_canonical_id(at("initiator"), message.initiator.as_deref())?,
        })
    }
}

/// A part, of an open upload or of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartRow {
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Its ETag.
    pub(crate) etag: ETag,
    /// Its checksum.
    pub(crate) checksum: Option<ObjectChecksum>,
    /// When it was committed.
    pub(crate) last_modified: Timestamp,
    /// Its bytes: never parts.
    pub(crate) content: Content,
}

impl Record for PartRow {
    const KIND: &'static str = "PartRecord";
    type Message = proto::PartRecord;

    fn to_message(&self) -> proto::PartRecord {
        proto::PartRecord {
            len: self.len,
            etag: Some((&self.etag).into()),
            checksum: self.checksum.as_ref().map(Into::into),
            last_modified_ms: self.last_modified.as_millis(),
            content: Some((&self.content).into()),
        }
    }

    fn from_message(message: proto::PartRecord) -> Result<Self, DecodeError> {
        let at = |name| Field::new(Self::KIND, name);
        let content = at("content").noun(message.content)?;
        if matches!(content, Content::Parts { .. }) {
            return Err(at("content").breaks("never parts"));
        }
        Ok(Self {
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
            content,
        })
    }
}
