//! Versions, uploads and parts, their headers and checksums, and where their bytes are.

mod content;

use cairn_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectChecksum};
use cairn_types::etag::ETag;
use cairn_types::id::{Order, VersionId};
use cairn_types::object::{NewObject, NewPart, NewUpload, ObjectHeaders, ObjectVersion};
use cairn_types::time::Timestamp;
use cairn_types::version::{NamedVersion, Versioning};

use bytes::Bytes;

use crate::field::{DecodeError, Field, bits_128};
use crate::proto;
use crate::settings::{
    canonical_id_text, object_settings, object_settings_message, optional_canonical_id,
};

impl From<&ObjectVersion> for proto::ObjectVersion {
    fn from(object: &ObjectVersion) -> Self {
        Self {
            key: object.key.as_str().to_owned(),
            version: version_id_bytes(object.version),
            is_null: object.is_null,
            last_modified_ms: object.last_modified.as_millis(),
            len: object.len,
            etag: Some((&object.etag).into()),
            checksum: object.checksum.as_ref().map(Into::into),
            headers: Some((&object.headers).into()),
            content: Some((&object.content).into()),
            settings: object_settings_message(&object.settings),
        }
    }
}

impl TryFrom<proto::ObjectVersion> for ObjectVersion {
    type Error = DecodeError;

    fn try_from(message: proto::ObjectVersion) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ObjectVersion", name);
        Ok(Self {
            key: at("key").object_key(&message.key)?,
            version: version_id(at("version"), &message.version)?,
            is_null: message.is_null,
            last_modified: Timestamp::from_millis(message.last_modified_ms),
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            headers: at("headers").required(message.headers)?.into(),
            settings: object_settings(message.settings)?,
            content: at("content").noun(message.content)?,
        })
    }
}

impl From<&NewObject> for proto::NewObject {
    fn from(object: &NewObject) -> Self {
        Self {
            len: object.len,
            etag: Some((&object.etag).into()),
            checksum: object.checksum.as_ref().map(Into::into),
            headers: Some((&object.headers).into()),
            content: Some((&object.content).into()),
            settings: object_settings_message(&object.settings),
        }
    }
}

impl TryFrom<proto::NewObject> for NewObject {
    type Error = DecodeError;

    fn try_from(message: proto::NewObject) -> Result<Self, DecodeError> {
        let at = |name| Field::new("NewObject", name);
        Ok(Self {
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            headers: at("headers").required(message.headers)?.into(),
            settings: object_settings(message.settings)?,
            content: at("content").noun(message.content)?,
        })
    }
}

impl From<&NewUpload> for proto::NewUpload {
    fn from(upload: &NewUpload) -> Self {
        Self {
            headers: Some((&upload.headers).into()),
            checksum: upload.checksum.as_ref().map(Into::into),
            settings: object_settings_message(&upload.settings),
            initiator: canonical_id_text(upload.initiator.as_ref()),
        }
    }
}

impl TryFrom<proto::NewUpload> for NewUpload {
    type Error = DecodeError;

    fn try_from(message: proto::NewUpload) -> Result<Self, DecodeError> {
        let at = |name| Field::new("NewUpload", name);
        Ok(Self {
            headers: at("headers").required(message.headers)?.into(),
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            settings: object_settings(message.settings)?,
            initiator: optional_canonical_id(at("initiator"), message.initiator.as_deref())?,
        })
    }
}

impl From<&NewPart> for proto::NewPart {
    fn from(part: &NewPart) -> Self {
        Self {
            len: part.len,
            etag: Some((&part.etag).into()),
            checksum: part.checksum.as_ref().map(Into::into),
            content: Some((&part.content).into()),
        }
    }
}

impl TryFrom<proto::NewPart> for NewPart {
    type Error = DecodeError;

    fn try_from(message: proto::NewPart) -> Result<Self, DecodeError> {
        let at = |name| Field::new("NewPart", name);
        Ok(Self {
            len: message.len,
            etag: at("etag").noun(message.etag)?,
            checksum: message.checksum.map(TryInto::try_into).transpose()?,
            content: at("content").noun(message.content)?,
        })
    }
}

impl From<&ObjectHeaders> for proto::ObjectHeaders {
    fn from(headers: &ObjectHeaders) -> Self {
        let user = headers.user.iter().map(|(name, value)| proto::UserHeader {
            name: name.clone(),
            value: value.clone(),
        });
        Self {
            content_type: headers.content_type.clone(),
            content_encoding: headers.content_encoding.clone(),
            content_language: headers.content_language.clone(),
            content_disposition: headers.content_disposition.clone(),
            cache_control: headers.cache_control.clone(),
            expires: headers.expires.clone(),
            website_redirect: headers.website_redirect.clone(),
            user: user.collect(),
        }
    }
}

impl From<proto::ObjectHeaders> for ObjectHeaders {
    fn from(message: proto::ObjectHeaders) -> Self {
        let user = message.user.into_iter();
        Self {
            content_type: message.content_type,
            content_encoding: message.content_encoding,
            content_language: message.content_language,
            content_disposition: message.content_disposition,
            cache_control: message.cache_control,
            expires: message.expires,
            website_redirect: message.website_redirect,
            user: user.map(|header| (header.name, header.value)).collect(),
        }
    }
}

impl From<&ETag> for proto::ETag {
    fn from(etag: &ETag) -> Self {
        Self {
            md5: Bytes::copy_from_slice(&etag.md5()),
            part_count: etag.part_count().into(),
        }
    }
}

impl TryFrom<proto::ETag> for ETag {
    type Error = DecodeError;

    fn try_from(message: proto::ETag) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ETag", name);
        let md5 = at("md5").bytes_16(&message.md5)?;
        Ok(match at("part_count").narrow(message.part_count)? {
            0 => Self::from_md5(md5),
            part_count => Self::from_parts(md5, part_count),
        })
    }
}

impl From<&Checksum> for proto::Checksum {
    fn from(checksum: &Checksum) -> Self {
        Self {
            algorithm: algorithm_number(checksum.algorithm()),
            value: Bytes::copy_from_slice(checksum.value()),
        }
    }
}

impl TryFrom<proto::Checksum> for Checksum {
    type Error = DecodeError;

    fn try_from(message: proto::Checksum) -> Result<Self, DecodeError> {
        let at = |name| Field::new("Checksum", name);
        let algorithm = algorithm(at("algorithm"), message.algorithm)?;
        Self::new(algorithm, &message.value).ok_or(DecodeError::Length {
            at: at("value"),
            len: message.value.len(),
            wanted: algorithm.value_len(),
        })
    }
}

impl From<&ObjectChecksum> for proto::ObjectChecksum {
    fn from(checksum: &ObjectChecksum) -> Self {
        Self {
            checksum: Some((&checksum.checksum).into()),
            kind: kind_number(checksum.kind),
        }
    }
}

impl TryFrom<proto::ObjectChecksum> for ObjectChecksum {
    type Error = DecodeError;

    fn try_from(message: proto::ObjectChecksum) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ObjectChecksum", name);
        Ok(Self {
            checksum: at("checksum").noun(message.checksum)?,
            kind: kind(at("kind"), message.kind)?,
        })
    }
}

impl From<&(ChecksumAlgorithm, ChecksumKind)> for proto::ChecksumSpec {
    fn from(&(algorithm, kind): &(ChecksumAlgorithm, ChecksumKind)) -> Self {
        Self {
            algorithm: algorithm_number(algorithm),
            kind: kind_number(kind),
        }
    }
}

impl TryFrom<proto::ChecksumSpec> for (ChecksumAlgorithm, ChecksumKind) {
    type Error = DecodeError;

    fn try_from(message: proto::ChecksumSpec) -> Result<Self, DecodeError> {
        let at = |name| Field::new("ChecksumSpec", name);
        Ok((
            algorithm(at("algorithm"), message.algorithm)?,
            kind(at("kind"), message.kind)?,
        ))
    }
}

/// A version id as the schema writes it: its order, then its random bits, big endian.
pub(crate) fn version_id_bytes(version: VersionId) -> Bytes {
    bits_128(u128::from(version.order().get()) << 64 | u128::from(version.random()))
}

/// The version id in these bytes.
pub(crate) fn version_id(at: Field, bytes: &[u8]) -> Result<VersionId, DecodeError> {
    let bits = at.bits_128(bytes)?;
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).expect("masked to 64 bits");
    Ok(VersionId::new(Order::new(half(bits >> 64)), half(bits)))
}

/// A version as a client names it, as the schema writes it: its id, or nothing for the null version.
pub(crate) fn named_version_bytes(version: NamedVersion) -> Bytes {
    match version {
        NamedVersion::Null => Bytes::new(),
        NamedVersion::Id(version) => version_id_bytes(version),
    }
}

/// The version as a client names it in these bytes.
pub(crate) fn named_version(at: Field, bytes: &[u8]) -> Result<NamedVersion, DecodeError> {
    match bytes {
        [] => Ok(NamedVersion::Null),
        bytes => version_id(at, bytes).map(NamedVersion::Id),
    }
}

/// Whether a bucket keeps versions, as the schema writes it: zero where it was never told to.
pub fn versioning_number(versioning: Option<Versioning>) -> i32 {
    match versioning {
        None => proto::Versioning::Unspecified,
        Some(Versioning::Enabled) => proto::Versioning::Enabled,
        Some(Versioning::Suspended) => proto::Versioning::Suspended,
    }
    .into()
}

/// Whether a bucket keeps versions, by this number.
///
/// # Errors
/// `UnknownValue`.
pub fn versioning(at: Field, number: i32) -> Result<Option<Versioning>, DecodeError> {
    Ok(match at.value(number)? {
        proto::Versioning::Unspecified => None,
        proto::Versioning::Enabled => Some(Versioning::Enabled),
        proto::Versioning::Suspended => Some(Versioning::Suspended),
    })
}

fn algorithm_number(algorithm: ChecksumAlgorithm) -> i32 {
    match algorithm {
        ChecksumAlgorithm::Crc32 => proto::ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c => proto::ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme => proto::ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1 => proto::ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256 => proto::ChecksumAlgorithm::Sha256,
    }
    .into()
}

fn algorithm(at: Field, number: i32) -> Result<ChecksumAlgorithm, DecodeError> {
    match at.value(number)? {
        proto::ChecksumAlgorithm::Unspecified => Err(at.unknown(number)),
        proto::ChecksumAlgorithm::Crc32 => Ok(ChecksumAlgorithm::Crc32),
        proto::ChecksumAlgorithm::Crc32c => Ok(ChecksumAlgorithm::Crc32c),
        proto::ChecksumAlgorithm::Crc64Nvme => Ok(ChecksumAlgorithm::Crc64Nvme),
        proto::ChecksumAlgorithm::Sha1 => Ok(ChecksumAlgorithm::Sha1),
        proto::ChecksumAlgorithm::Sha256 => Ok(ChecksumAlgorithm::Sha256),
    }
}

fn kind_number(kind: ChecksumKind) -> i32 {
    match kind {
        ChecksumKind::FullObject => proto::ChecksumKind::FullObject,
        ChecksumKind::Composite => proto::ChecksumKind::Composite,
    }
    .into()
}

fn kind(at: Field, number: i32) -> Result<ChecksumKind, DecodeError> {
    match at.value(number)? {
        proto::ChecksumKind::Unspecified => Err(at.unknown(number)),
        proto::ChecksumKind::FullObject => Ok(ChecksumKind::FullObject),
        proto::ChecksumKind::Composite => Ok(ChecksumKind::Composite),
    }
}
