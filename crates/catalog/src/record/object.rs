//! Rows of a key: its current object, its versions.

use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::id::{Order, VersionId};
use cairn_types::name::ObjectKey;
use cairn_types::object::{Content, ObjectHeaders, ObjectVersion};
use cairn_types::time::Timestamp;

use super::Record;

/// The newest version of a key, as listings and conditions see it. A key without a current object has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrentRow {
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Its ETag.
    pub(crate) etag: ETag,
    /// When it was committed.
    pub(crate) last_modified: Timestamp,
    /// The algorithm and kind of its checksum.
    pub(crate) checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

impl Record for CurrentRow {
    const KIND: &'static str = "CurrentRecord";
    type Message = proto::CurrentRecord;

    fn to_message(&self) -> proto::CurrentRecord {
        proto::CurrentRecord {
            len: self.len,
            etag: Some((&self.etag).into()),
            last_modified_ms: self.last_modified.as_millis(),
            checksum: self.checksum.as_ref().map(Into::into),
        }
    }

    fn from_message(message: proto::CurrentRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            len: message.len,
            etag: Field::new(Self::KIND, "etag").noun(message.etag)?,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
        })
    }
}

/// Which versions of a key are found without looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    /// The newest.
    pub(crate) newest: Order,
    /// The null version, if there is one.
    pub(crate) null: Option<Order>,
}

impl Record for KeyRow {
    const KIND: &'static str = "KeyRecord";
    type Message = proto::KeyRecord;

    fn to_message(&self) -> proto::KeyRecord {
        proto::KeyRecord {
            newest_order: self.newest.get(),
            null_order: self.null.map(Order::get),
        }
    }

    fn from_message(message: proto::KeyRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            newest: Order::new(message.newest_order),
            null: message.null_order.map(Order::new),
        })
    }
}

/// A version, whole, but for what the key of its row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionRow {
    /// What makes its id unguessable.
    pub(crate) random: u64,
    /// Whether it is the null version.
    pub(crate) is_null: bool,
    /// When it was committed.
    pub(crate) last_modified: Timestamp,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Its ETag.
    pub(crate) etag: ETag,
    /// Its checksum.
    pub(crate) checksum: Option<ObjectChecksum>,
    /// Its headers.
    pub(crate) headers: ObjectHeaders,
    /// Its bytes.
    pub(crate) content: Content,
}

impl VersionRow {
    /// The version at `order` of `key`.
    pub(crate) fn into_version(self, key: ObjectKey, order: Order) -> ObjectVersion {
        ObjectVersion {
            key,
            version: VersionId::new(order, self.random),
            is_null: self.is_null,
            last_modified: self.last_modified,
            len: self.len,
            etag: self.etag,
            checksum: self.checksum,
            headers: self.headers,
            content: self.content,
        }
    }
}

impl Record for VersionRow {
    const KIND: &'static str = "VersionRecord";
    type Message = proto::VersionRecord;

    fn to_message(&self) -> proto::VersionRecord {
        proto::VersionRecord {
            random: self.random,
            is_null: self.is_null,
            last_modified_ms: self.last_modified.as_millis(),
            len: self.len,
            etag: Some((&self.etag).into()),
            checksum: self.checksum.as_ref().map(Into::into),
            headers: Some((&self.headers).into()),
            content: Some((&self.content).into()),
        }
    }

    fn from_message(message: proto::VersionRecord) -> Result<Self, DecodeError> {
        let at = |name| Field::new(Self::KIND, name);
        Ok(Self {
            random: message.random,
            is_null: message.is_null,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            headers: at("headers").required(message.headers)?.into(),
            content: at("content").noun(message.content)?,
        })
    }
}
