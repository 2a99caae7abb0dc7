//! Owners, ACLs, tags, object lock, and what buckets were told to be.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use bytes::Bytes;
use cairn_types::account::CanonicalId;
use cairn_types::acl::{Acl, Grant, Grantee, Group, Permission};
use cairn_types::id::{BucketId, Epoch};
use cairn_types::lock::{
    BucketLock, DefaultRetention, LegalHold, ObjectLock, Retention, RetentionMode, RetentionPeriod,
};
use cairn_types::namespace::SettingsGuard;
use cairn_types::settings::{
    BucketPolicy, BucketSettings, Document, DocumentKind, InitialSettings, ObjectSettings,
    SettingChange,
};
use cairn_types::tag::Tags;
use cairn_types::time::Timestamp;

use crate::field::{DecodeError, Field, messages, nouns};
use crate::object::{versioning, versioning_number};
use crate::proto;
use crate::proto::acl_grant::Grantee as GranteeKind;
use crate::proto::default_retention::Period;
use crate::proto::{AclGrant, BucketDocument, Tag, TagList, setting_change};

impl From<&Grant> for AclGrant {
    fn from(grant: &Grant) -> Self {
        let grantee = match &grant.grantee {
            Grantee::Account(id) => GranteeKind::Account(id.as_str().to_owned()),
            Grantee::Group(group) => GranteeKind::Group(group_number(*group)),
        };
        Self {
            grantee: Some(grantee),
            permission: permission_number(grant.permission),
        }
    }
}

impl TryFrom<AclGrant> for Grant {
    type Error = DecodeError;

    fn try_from(message: AclGrant) -> Result<Self, DecodeError> {
        let at = |name| Field::new("AclGrant", name);
        let grantee = match at("grantee").required(message.grantee)? {
            GranteeKind::Account(id) => Grantee::Account(at("account").canonical_id(&id)?),
            GranteeKind::Group(number) => Grantee::Group(group(at("group"), number)?),
        };
        Ok(Self {
            grantee,
            permission: permission(at("permission"), message.permission)?,
        })
    }
}

impl From<&Acl> for proto::Acl {
    fn from(acl: &Acl) -> Self {
        Self {
            grants: messages(acl.grants()),
        }
    }
}

impl TryFrom<proto::Acl> for Acl {
    type Error = DecodeError;

    fn try_from(message: proto::Acl) -> Result<Self, DecodeError> {
        let at = Field::new("Acl", "grants");
        Self::new(nouns(message.grants)?).map_err(|_| at.breaks("at most 100 grants"))
    }
}

impl From<&Tags> for TagList {
    fn from(tags: &Tags) -> Self {
        let tags = tags.iter().map(|(key, value)| Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        });
        Self {
            tags: tags.collect(),
        }
    }
}

impl TryFrom<TagList> for Tags {
    type Error = DecodeError;

    fn try_from(message: TagList) -> Result<Self, DecodeError> {
        let at = Field::new("TagList", "tags");
        let tags = message.tags.into_iter();
        Self::of_object(tags.map(|tag| (tag.key, tag.value)).collect())
            .map_err(|_| at.breaks("tags are few, short, and of different keys"))
    }
}

impl From<&Retention> for proto::Retention {
    fn from(retention: &Retention) -> Self {
        Self {
            mode: mode_number(retention.mode),
            until_ms: retention.until.as_millis(),
        }
    }
}

impl TryFrom<proto::Retention> for Retention {
    type Error = DecodeError;

    fn try_from(message: proto::Retention) -> Result<Self, DecodeError> {
        Ok(Self {
            mode: mode(Field::new("Retention", "mode"), message.mode)?,
            until: Timestamp::from_millis(message.until_ms),
        })
    }
}

impl From<&BucketLock> for proto::BucketLock {
    fn from(lock: &BucketLock) -> Self {
        let default = lock.default.map(|default| proto::DefaultRetention {
            mode: mode_number(default.mode),
            period: Some(match default.period {
                RetentionPeriod::Days(days) => Period::Days(days.get()),
                RetentionPeriod::Years(years) => Period::Years(years.get()),
            }),
        });
        Self {
            default_retention: default,
        }
    }
}

impl TryFrom<proto::BucketLock> for BucketLock {
    type Error = DecodeError;

    fn try_from(message: proto::BucketLock) -> Result<Self, DecodeError> {
        let Some(default) = message.default_retention else {
            return Ok(Self { default: None });
        };
        let at = |name| Field::new("DefaultRetention", name);
        let count = |name, count| {
            NonZeroU32::new(count).ok_or_else(|| at(name).breaks("a period is not empty"))
        };
        let period = match at("period").required(default.period)? {
            Period::Days(days) => RetentionPeriod::Days(count("days", days)?),
            Period::Years(years) => RetentionPeriod::Years(count("years", years)?),
        };
        let mode = mode(at("mode"), default.mode)?;
        Ok(Self {
            default: Some(DefaultRetention { mode, period }),
        })
    }
}

/// What is kept of a version beside bytes and headers; nothing for one of which nothing was said.
pub fn object_settings_message(settings: &ObjectSettings) -> Option<proto::ObjectSettings> {
    if *settings == ObjectSettings::default() {
        return None;
    }
    let tags = &settings.tags;
    Some(proto::ObjectSettings {
        owner: canonical_id_text(settings.owner.as_ref()),
        acl: settings.acl.as_ref().map(Into::into),
        tags: (!tags.is_empty()).then(|| tags.into()),
        retention: settings.lock.retention.as_ref().map(Into::into),
        legal_hold: legal_hold_number(settings.lock.legal_hold),
    })
}

/// What `object_settings_message` wrote.
///
/// # Errors
/// What is wrong, and where.
pub fn object_settings(
    message: Option<proto::ObjectSettings>,
) -> Result<ObjectSettings, DecodeError> {
    let Some(message) = message else {
        return Ok(ObjectSettings::default());
    };
    let at = |name| Field::new("ObjectSettings", name);
    let tags = message.tags.map(TryInto::try_into).transpose()?;
    Ok(ObjectSettings {
        owner: optional_canonical_id(at("owner"), message.owner.as_deref())?,
        acl: message.acl.map(TryInto::try_into).transpose()?,
        tags: tags.unwrap_or_default(),
        lock: ObjectLock {
            retention: message.retention.map(TryInto::try_into).transpose()?,
            legal_hold: legal_hold(at("legal_hold"), message.legal_hold)?,
        },
    })
}

/// An id that may be unset, as the schema writes it.
pub fn canonical_id_text(id: Option<&CanonicalId>) -> Option<String> {
    id.map(|id| id.as_str().to_owned())
}

/// The id that `canonical_id_text` wrote.
///
/// # Errors
/// A text that is no canonical id.
pub fn optional_canonical_id(
    at: Field,
    text: Option<&str>,
) -> Result<Option<CanonicalId>, DecodeError> {
    text.map(|text| at.canonical_id(text)).transpose()
}

impl From<&BucketPolicy> for proto::BucketPolicy {
    fn from(policy: &BucketPolicy) -> Self {
        Self {
            text: policy.text.text().clone(),
            is_owner_locked_out: policy.is_owner_locked_out,
        }
    }
}

impl TryFrom<proto::BucketPolicy> for BucketPolicy {
    type Error = DecodeError;

    fn try_from(message: proto::BucketPolicy) -> Result<Self, DecodeError> {
        Ok(Self {
            text: document(Field::new("BucketPolicy", "text"), message.text)?,
            is_owner_locked_out: message.is_owner_locked_out,
        })
    }
}

/// A document of a bucket.
///
/// # Errors
/// One that is too long.
pub fn document(at: Field, text: Bytes) -> Result<Document, DecodeError> {
    Document::new(text).map_err(|_| at.breaks("a document has at most 256 KiB"))
}

/// What a bucket is made with; nothing for one that is made with nothing.
pub fn initial_settings_message(initial: &InitialSettings) -> Option<proto::InitialSettings> {
    let controls = initial.ownership_controls.as_ref();
    (*initial != InitialSettings::default()).then(|| proto::InitialSettings {
        acl: initial.acl.as_ref().map(Into::into),
        ownership_controls: controls.map(|document| document.text().clone()),
        is_lock_enabled: initial.is_lock_enabled,
    })
}

/// What `initial_settings_message` wrote.
///
/// # Errors
/// What is wrong, and where.
pub fn initial_settings(
    message: Option<proto::InitialSettings>,
) -> Result<InitialSettings, DecodeError> {
    let Some(message) = message else {
        return Ok(InitialSettings::default());
    };
    let at = Field::new("InitialSettings", "ownership_controls");
    let controls = message.ownership_controls;
    Ok(InitialSettings {
        acl: message.acl.map(TryInto::try_into).transpose()?,
        ownership_controls: controls.map(|text| document(at, text)).transpose()?,
        is_lock_enabled: message.is_lock_enabled,
    })
}

impl From<&SettingChange> for proto::SettingChange {
    fn from(change: &SettingChange) -> Self {
        use setting_change::Kind;
        let kind = match change {
            SettingChange::Versioning(versioning) => {
                Kind::Versioning(versioning_number(Some(*versioning)))
            }
            SettingChange::Lock(lock) => Kind::Lock(lock.into()),
            SettingChange::Acl(acl) => Kind::Acl(acl.into()),
            SettingChange::Policy(policy) => Kind::Policy(setting_change::Policy {
                policy: policy.as_ref().map(Into::into),
            }),
            SettingChange::Document { kind, document } => {
                Kind::Document(setting_change::Document {
                    kind: document_kind_number(*kind),
                    text: document.as_ref().map(|document| document.text().clone()),
                })
            }
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::SettingChange> for SettingChange {
    type Error = DecodeError;

    fn try_from(message: proto::SettingChange) -> Result<Self, DecodeError> {
        use setting_change::Kind;
        let at = |name| Field::new("SettingChange", name);
        Ok(match at("kind").required(message.kind)? {
            Kind::Versioning(number) => {
                let versioning = versioning(at("versioning"), number)?;
                Self::Versioning(versioning.ok_or_else(|| at("versioning").unknown(number))?)
            }
            Kind::Lock(lock) => Self::Lock(lock.try_into()?),
            Kind::Acl(acl) => Self::Acl(acl.try_into()?),
            Kind::Policy(change) => Self::Policy(change.policy.map(TryInto::try_into).transpose()?),
            Kind::Document(change) => Self::Document {
                kind: document_kind(at("kind"), change.kind)?,
                document: change
                    .text
                    .map(|text| document(at("text"), text))
                    .transpose()?,
            },
        })
    }
}

impl From<&BucketSettings> for proto::BucketSettings {
    fn from(settings: &BucketSettings) -> Self {
        let documents = settings.documents.iter();
        let documents = documents.map(|(kind, document)| BucketDocument {
            kind: document_kind_number(*kind),
            text: document.text().clone(),
        });
        Self {
            epoch: settings.epoch.get(),
            versioning: versioning_number(settings.versioning),
            lock: settings.lock.as_ref().map(Into::into),
            acl: settings.acl.as_ref().map(Into::into),
            policy: settings.policy.as_ref().map(Into::into),
            documents: documents.collect(),
        }
    }
}

impl TryFrom<proto::BucketSettings> for BucketSettings {
    type Error = DecodeError;

    fn try_from(message: proto::BucketSettings) -> Result<Self, DecodeError> {
        let at = |name| Field::new("BucketSettings", name);
        let mut documents = BTreeMap::new();
        for one in message.documents {
            let kind = document_kind(Field::new("BucketDocument", "kind"), one.kind)?;
            let text = document(Field::new("BucketDocument", "text"), one.text)?;
            if documents.insert(kind, text).is_some() {
                return Err(at("documents").breaks("one document of each kind"));
            }
        }
        Ok(Self {
            epoch: Epoch::new(message.epoch),
            versioning: versioning(at("versioning"), message.versioning)?,
            lock: message.lock.map(TryInto::try_into).transpose()?,
            acl: message.acl.map(TryInto::try_into).transpose()?,
            policy: message.policy.map(TryInto::try_into).transpose()?,
            documents,
        })
    }
}

impl From<&SettingsGuard> for proto::SettingsGuard {
    fn from(guard: &SettingsGuard) -> Self {
        Self {
            bucket: guard.bucket.get(),
            settings_epoch: guard.settings.get(),
        }
    }
}

impl From<proto::SettingsGuard> for SettingsGuard {
    fn from(message: proto::SettingsGuard) -> Self {
        Self {
            bucket: BucketId::new(message.bucket),
            settings: Epoch::new(message.settings_epoch),
        }
    }
}

/// The number of a kind of document: never 0, and less than 256.
pub fn document_kind_number(kind: DocumentKind) -> i32 {
    match kind {
        DocumentKind::OwnershipControls => proto::DocumentKind::OwnershipControls,
        DocumentKind::PublicAccessBlock => proto::DocumentKind::PublicAccessBlock,
        DocumentKind::Cors => proto::DocumentKind::Cors,
        DocumentKind::Tagging => proto::DocumentKind::Tagging,
        DocumentKind::RequestPayment => proto::DocumentKind::RequestPayment,
        DocumentKind::Accelerate => proto::DocumentKind::Accelerate,
        DocumentKind::Encryption => proto::DocumentKind::Encryption,
        DocumentKind::Lifecycle => proto::DocumentKind::Lifecycle,
        DocumentKind::Website => proto::DocumentKind::Website,
        DocumentKind::Logging => proto::DocumentKind::Logging,
        DocumentKind::Notification => proto::DocumentKind::Notification,
        DocumentKind::Replication => proto::DocumentKind::Replication,
    }
    .into()
}

/// The kind of document with this number.
///
/// # Errors
/// `UnknownValue`.
pub fn document_kind(at: Field, number: i32) -> Result<DocumentKind, DecodeError> {
    DocumentKind::ALL
        .into_iter()
        .find(|kind| document_kind_number(*kind) == number)
        .ok_or_else(|| at.unknown(number))
}

/// What was said of a legal hold, as the schema writes it.
pub(crate) fn legal_hold_number(hold: Option<LegalHold>) -> i32 {
    match hold {
        None => proto::LegalHold::Unspecified,
        Some(LegalHold::On) => proto::LegalHold::On,
        Some(LegalHold::Off) => proto::LegalHold::Off,
    }
    .into()
}

/// What `legal_hold_number` wrote.
pub(crate) fn legal_hold(at: Field, number: i32) -> Result<Option<LegalHold>, DecodeError> {
    Ok(match at.value(number)? {
        proto::LegalHold::Unspecified => None,
        proto::LegalHold::On => Some(LegalHold::On),
        proto::LegalHold::Off => Some(LegalHold::Off),
    })
}

fn mode_number(mode: RetentionMode) -> i32 {
    match mode {
        RetentionMode::Governance => proto::RetentionMode::Governance,
        RetentionMode::Compliance => proto::RetentionMode::Compliance,
    }
    .into()
}

fn mode(at: Field, number: i32) -> Result<RetentionMode, DecodeError> {
    match at.value(number)? {
        proto::RetentionMode::Unspecified => Err(at.unknown(number)),
        proto::RetentionMode::Governance => Ok(RetentionMode::Governance),
        proto::RetentionMode::Compliance => Ok(RetentionMode::Compliance),
    }
}

fn group_number(group: Group) -> i32 {
    match group {
        Group::AllUsers => proto::AclGroup::AllUsers,
        Group::AuthenticatedUsers => proto::AclGroup::AuthenticatedUsers,
        Group::LogDelivery => proto::AclGroup::LogDelivery,
    }
    .into()
}

fn group(at: Field, number: i32) -> Result<Group, DecodeError> {
    match at.value(number)? {
        proto::AclGroup::Unspecified => Err(at.unknown(number)),
        proto::AclGroup::AllUsers => Ok(Group::AllUsers),
        proto::AclGroup::AuthenticatedUsers => Ok(Group::AuthenticatedUsers),
        proto::AclGroup::LogDelivery => Ok(Group::LogDelivery),
    }
}

fn permission_number(permission: Permission) -> i32 {
    match permission {
        Permission::Read => proto::AclPermission::Read,
        Permission::Write => proto::AclPermission::Write,
        Permission::ReadAcp => proto::AclPermission::ReadAcp,
        Permission::WriteAcp => proto::AclPermission::WriteAcp,
        Permission::FullControl => proto::AclPermission::FullControl,
    }
    .into()
}

fn permission(at: Field, number: i32) -> Result<Permission, DecodeError> {
    match at.value(number)? {
        proto::AclPermission::Unspecified => Err(at.unknown(number)),
        proto::AclPermission::Read => Ok(Permission::Read),
        proto::AclPermission::Write => Ok(Permission::Write),
        proto::AclPermission::ReadAcp => Ok(Permission::ReadAcp),
        proto::AclPermission::WriteAcp => Ok(Permission::WriteAcp),
        proto::AclPermission::FullControl => Ok(Permission::FullControl),
    }
}
