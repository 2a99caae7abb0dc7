//! Rows of a key: its current object, its versions.

use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_schema::{
    canonical_id_text, object_settings, object_settings_message, optional_canonical_id,
};
use cairn_types::account::CanonicalId;
use cairn_types::checksum::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::id::{Order, VersionId};
use cairn_types::name::ObjectKey;
use cairn_types::object::{Content, ObjectHeaders, ObjectVersion};
use cairn_types::settings::ObjectSettings;
use cairn_types::time::Timestamp;

use super::Record;

/// The newest version of a key, as listings and conditions see it. A key whose newest version is a delete marker has none.
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
    /// Whose it is.
    pub(crate) owner: Option<CanonicalId>,
}

impl CurrentRow {
    /// What is to be seen of an object that is its key's newest version.
    pub(crate) fn of(object: &ObjectRow) -> Self {
        let checksum = object.checksum.as_ref();
        Self {
            len: object.len,
            etag: object.etag.clone(),
            last_modified: object.last_modified,
            checksum: checksum.map(|whole| (whole.checksum.algorithm(), whole.kind)),
            owner: object.settings.owner.clone(),
        }
    }
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
            owner: canonical_id_text(self.owner.as_ref()),
        }
    }

    fn from_message(message: proto::CurrentRecord) -> Result<Self, DecodeError> {
        let at = |name| Field::new(Self::KIND, name);
        Ok(Self {
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            owner: optional_canonical_id(at("owner"), message.owner.as_deref())?,
        })
    }
}

/// Which versions of a key are found without looking. A key that has a version has this row.
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
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are objects, and few are held at a time"
)]
pub(crate) enum VersionRow {
    /// An object.
    Object(ObjectRow),
    /// A delete marker: the key is deleted, unless a newer version says otherwise.
    Marker(MarkerRow),
}

/// A version that is an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectRow {
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
    /// Owner, ACL, tags and lock.
    pub(crate) settings: ObjectSettings,
    /// Its bytes.
    pub(crate) content: Content,
}

/// A version that is a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MarkerRow {
    /// What makes its id unguessable.
    pub(crate) random: u64,
    /// Whether it is the null version.
    pub(crate) is_null: bool,
    /// When it was committed.
    pub(crate) last_modified: Timestamp,
    /// Whose it is.
    pub(crate) owner: Option<CanonicalId>,
}

impl VersionRow {
    /// What makes its id unguessable.
    pub(crate) fn random(&self) -> u64 {
        match self {
            Self::Object(object) => object.random,
            Self::Marker(marker) => marker.random,
        }
    }

    /// Whether it is the null version.
    pub(crate) fn is_null(&self) -> bool {
        match self {
            Self::Object(object) => object.is_null,
            Self::Marker(marker) => marker.is_null,
        }
    }

    /// When it was committed.
    pub(crate) fn last_modified(&self) -> Timestamp {
        match self {
            Self::Object(object) => object.last_modified,
            Self::Marker(marker) => marker.last_modified,
        }
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> Option<&CanonicalId> {
        match self {
            Self::Object(object) => object.settings.owner.as_ref(),
            Self::Marker(marker) => marker.owner.as_ref(),
        }
    }

    /// Its length in bytes; a delete marker has none.
    pub(crate) fn len(&self) -> u64 {
        self.object().map_or(0, |object| object.len)
    }

    /// The object that it is, if it is one.
    pub(crate) fn object(&self) -> Option<&ObjectRow> {
        match self {
            Self::Object(object) => Some(object),
            Self::Marker(_) => None,
        }
    }

    /// The object that it is, if it is one.
    pub(crate) fn into_object(self) -> Option<ObjectRow> {
        match self {
            Self::Object(object) => Some(object),
            Self::Marker(_) => None,
        }
    }
}

impl ObjectRow {
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
            settings: self.settings,
            content: self.content,
        }
    }
}

impl Record for VersionRow {
    const KIND: &'static str = "VersionRecord";
    type Message = proto::VersionRecord;

    fn to_message(&self) -> proto::VersionRecord {
        let common = proto::VersionRecord {
            random: self.random(),
            is_null: self.is_null(),
            last_modified_ms: self.last_modified().as_millis(),
            ..proto::VersionRecord::default()
        };
        match self {
            Self::Object(object) => proto::VersionRecord {
                len: object.len,
                etag: Some((&object.etag).into()),
                checksum: object.checksum.as_ref().map(Into::into),
                headers: Some((&object.headers).into()),
                settings: object_settings_message(&object.settings),
                content: Some((&object.content).into()),
                ..common
            },
            Self::Marker(marker) => proto::VersionRecord {
                is_delete_marker: true,
                settings: object_settings_message(&ObjectSettings {
                    owner: marker.owner.clone(),
                    ..ObjectSettings::default()
                }),
                ..common
            },
        }
    }

    fn from_message(message: proto::VersionRecord) -> Result<Self, DecodeError> {
        let at = |name| Field::new(Self::KIND, name);
        if message.is_delete_marker {
            let marker = Self::Marker(MarkerRow {
                random: message.random,
                is_null: message.is_null,
                last_modified: Timestamp::from_millis(message.last_modified_ms),
                owner: object_settings(message.settings.clone())?.owner,
            });
            if marker.to_message() != message {
                return Err(at("is_delete_marker").breaks("a delete marker holds nothing"));
            }
            return Ok(marker);
        }
        Ok(Self::Object(ObjectRow {
            random: message.random,
            is_null: message.is_null,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            headers: at("headers").required(message.headers)?.into(),
            settings: object_settings(message.settings)?,
            content: at("content").noun(message.content)?,
        }))
    }
}
