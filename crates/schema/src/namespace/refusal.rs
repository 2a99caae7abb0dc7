//! Why a mutation or query was refused.

use cairn_types::id::{BlobId, BucketId};
use cairn_types::namespace::Refusal;
use cairn_types::time::Timestamp;

use crate::account::{account_refusal, account_refusal_message};
use crate::field::{DecodeError, Field, bits_128};
use crate::object::{version_id, version_id_bytes};
use crate::proto;
use crate::proto::refusal::{
    BlobCondemned, DeleteMarker, GroupClock, Kind, PartNumber, PartTooSmall, Reason,
};
use crate::proto::{BucketTarget, Empty};

impl From<&Refusal> for proto::Refusal {
    fn from(refusal: &Refusal) -> Self {
        let kind = match refusal {
            Refusal::GenesisConflict => Kind::GenesisConflict(Empty {}),
            Refusal::TopologyConflict { reason } => Kind::TopologyConflict(Reason {
                reason: reason.clone(),
            }),
            Refusal::BucketExists => Kind::BucketExists(Empty {}),
            Refusal::NoSuchBucket => Kind::NoSuchBucket(Empty {}),
            Refusal::BucketInTransition { bucket } => Kind::BucketInTransition(BucketTarget {
                bucket: bucket.get(),
            }),
            Refusal::SettingsChanged => Kind::SettingsChanged(Empty {}),
            Refusal::InvalidBucketState => Kind::InvalidBucketState(Empty {}),
            Refusal::NoObjectLock => Kind::NoObjectLock(Empty {}),
            Refusal::ObjectLocked => Kind::ObjectLocked(Empty {}),
            Refusal::BucketNotEmpty => Kind::BucketNotEmpty(Empty {}),
            Refusal::NoSuchKey => Kind::NoSuchKey(Empty {}),
            Refusal::NoSuchVersion => Kind::NoSuchVersion(Empty {}),
            Refusal::DeleteMarker {
                version,
                is_null,
                last_modified,
            } => Kind::DeleteMarker(DeleteMarker {
                version: version_id_bytes(*version),
                is_null: *is_null,
                last_modified_ms: last_modified.as_millis(),
            }),
            Refusal::PreconditionFailed => Kind::PreconditionFailed(Empty {}),
            Refusal::NoSuchUpload => Kind::NoSuchUpload(Empty {}),
            Refusal::InvalidPart { number } => Kind::InvalidPart(PartNumber {
                number: (*number).into(),
            }),
            Refusal::InvalidPartOrder => Kind::InvalidPartOrder(Empty {}),
            Refusal::PartTooSmall { number, len } => Kind::PartTooSmall(PartTooSmall {
                number: (*number).into(),
                len: *len,
            }),
            Refusal::ObjectTooLarge => Kind::ObjectTooLarge(Empty {}),
            Refusal::ChecksumMismatch => Kind::ChecksumMismatch(Empty {}),
            Refusal::ChecksumKindMismatch => Kind::ChecksumKindMismatch(Empty {}),
            Refusal::BlobCondemned { blob } => Kind::BlobCondemned(BlobCondemned {
                blob: bits_128(blob.get()),
            }),
            Refusal::RequestTooOld { clock } => Kind::RequestTooOld(GroupClock {
                clock_ms: clock.as_millis(),
            }),
            Refusal::RequestTooNew { clock } => Kind::RequestTooNew(GroupClock {
                clock_ms: clock.as_millis(),
            }),
            Refusal::Account(refusal) => Kind::Account(account_refusal_message(*refusal).into()),
            Refusal::Malformed { reason } => Kind::Malformed(Reason {
                reason: reason.clone(),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::Refusal> for Refusal {
    type Error = DecodeError;

    fn try_from(message: proto::Refusal) -> Result<Self, DecodeError> {
        Ok(
            match Field::new("Refusal", "kind").required(message.kind)? {
                Kind::GenesisConflict(Empty {}) => Self::GenesisConflict,
                Kind::TopologyConflict(Reason { reason }) => Self::TopologyConflict { reason },
                Kind::BucketExists(Empty {}) => Self::BucketExists,
                Kind::NoSuchBucket(Empty {}) => Self::NoSuchBucket,
                Kind::BucketInTransition(BucketTarget { bucket }) => Self::BucketInTransition {
                    bucket: BucketId::new(bucket),
                },
                Kind::SettingsChanged(Empty {}) => Self::SettingsChanged,
                Kind::InvalidBucketState(Empty {}) => Self::InvalidBucketState,
                Kind::NoObjectLock(Empty {}) => Self::NoObjectLock,
                Kind::ObjectLocked(Empty {}) => Self::ObjectLocked,
                Kind::BucketNotEmpty(Empty {}) => Self::BucketNotEmpty,
                Kind::NoSuchKey(Empty {}) => Self::NoSuchKey,
                Kind::NoSuchVersion(Empty {}) => Self::NoSuchVersion,
                Kind::DeleteMarker(marker) => Self::DeleteMarker {
                    version: version_id(
                        Field::new("Refusal.DeleteMarker", "version"),
                        &marker.version,
                    )?,
                    is_null: marker.is_null,
                    last_modified: Timestamp::from_millis(marker.last_modified_ms),
                },
                Kind::PreconditionFailed(Empty {}) => Self::PreconditionFailed,
                Kind::NoSuchUpload(Empty {}) => Self::NoSuchUpload,
                Kind::InvalidPart(PartNumber { number }) => Self::InvalidPart {
                    number: Field::new("Refusal.PartNumber", "number").narrow(number)?,
                },
                Kind::InvalidPartOrder(Empty {}) => Self::InvalidPartOrder,
                Kind::PartTooSmall(PartTooSmall { number, len }) => Self::PartTooSmall {
                    number: Field::new("Refusal.PartTooSmall", "number").narrow(number)?,
                    len,
                },
                Kind::ObjectTooLarge(Empty {}) => Self::ObjectTooLarge,
                Kind::ChecksumMismatch(Empty {}) => Self::ChecksumMismatch,
                Kind::ChecksumKindMismatch(Empty {}) => Self::ChecksumKindMismatch,
                Kind::BlobCondemned(BlobCondemned { blob }) => Self::BlobCondemned {
                    blob: BlobId::from_bits(
                        Field::new("Refusal.BlobCondemned", "blob").bits_128(&blob)?,
                    ),
                },
                Kind::RequestTooOld(GroupClock { clock_ms }) => Self::RequestTooOld {
                    clock: Timestamp::from_millis(clock_ms),
                },
                Kind::RequestTooNew(GroupClock { clock_ms }) => Self::RequestTooNew {
                    clock: Timestamp::from_millis(clock_ms),
                },
                Kind::Account(number) => {
                    Self::Account(account_refusal(Field::new("Refusal", "account"), number)?)
                }
                Kind::Malformed(Reason { reason }) => Self::Malformed { reason },
            },
        )
    }
}
