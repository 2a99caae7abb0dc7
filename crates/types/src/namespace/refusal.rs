//! Why a mutation or query was refused: certain, and without any effect.

use super::account::AccountRefusal;
use crate::id::{BlobId, BucketId, VersionId};
use crate::time::Timestamp;

/// A definite no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The cluster was made before, with another id or other numbers.
    #[error("this group already belongs to another cluster")]
    GenesisConflict,
    /// Something the mutation names is not in the topology, or contradicts it.
    #[error("the topology does not allow it: {reason}")]
    TopologyConflict {
        /// What does not fit, in words. Empty in the answer to a request that was refused before: words are not remembered.
        reason: String,
    },
    /// The name is taken by a bucket that exists.
    #[error("the bucket exists")]
    BucketExists,
    /// No such bucket here, or no longer: look it up in the directory again.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket is being made or deleted by somebody else just now; finish that and try again.
    #[error("bucket {bucket} is between two states")]
    BucketInTransition {
        /// The bucket that the name stands for now.
        bucket: BucketId,
    },
    /// The bucket's settings are not those that the asker decided by, or it is not there: look and decide again.
    #[error("the settings of the bucket have changed")]
    SettingsChanged,
    /// Object lock and versioning of the bucket do not allow each other that.
    #[error("the state of the bucket does not allow it")]
    InvalidBucketState,
    /// The bucket has no object lock.
    #[error("the bucket has no object lock")]
    NoObjectLock,
    /// The version is retained.
    #[error("the version is locked")]
    ObjectLocked,
    /// The bucket holds objects.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// No such key.
    #[error("no such key")]
    NoSuchKey,
    /// No such version of the key.
    #[error("no such version")]
    NoSuchVersion,
    /// The version that was asked for, or the newest one where none was named, is a delete marker: it has no bytes.
    #[error("a delete marker is there")]
    DeleteMarker {
        /// Its id.
        version: VersionId,
        /// Whether it is the null version.
        is_null: bool,
        /// When it was made.
        last_modified: Timestamp,
    },
    /// The condition does not hold.
    #[error("the condition does not hold")]
    PreconditionFailed,
    /// No such upload: never begun, completed or aborted.
    #[error("no such upload")]
    NoSuchUpload,
    /// A part that completion names was not uploaded, or has another ETag or checksum.
    #[error("part {number} is missing or differs")]
    InvalidPart {
        /// The first such part.
        number: u16,
    },
    /// The parts are not in ascending order.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part that is not the last is smaller than 5 MiB.
    #[error("part {number} of {len} bytes is too small")]
    PartTooSmall {
        /// The first such part.
        number: u16,
        /// Its length in bytes.
        len: u64,
    },
    /// The object would be larger than 5 TiB (50 TB since 2025 at AWS; 5 TiB here).
    #[error("the object would be too large")]
    ObjectTooLarge,
    /// The checksum of the whole that was declared is not the one of the parts.
    #[error("the checksum of the whole differs")]
    ChecksumMismatch,
    /// The checksum type or algorithm is not the one the upload was begun with.
    #[error("the checksum is not of the kind the upload was begun with")]
    ChecksumKindMismatch,
    /// A blob was condemned, or is older than the group's collection horizon: write it anew.
    #[error("{blob:?} may no longer be committed")]
    BlobCondemned {
        /// The first such blob.
        blob: BlobId,
    },
    /// The request id was made longer ago than requests are remembered. Under a new id, made at the group's clock, it may be
    /// asked for again.
    #[error("the request is too old to be applied exactly once")]
    RequestTooOld {
        /// The group's clock, which may be ahead of all others and never goes back.
        clock: Timestamp,
    },
    /// The request id says that it was made ten minutes and more ahead of the group's clock: it would have to be remembered for
    /// too long. As for one that is too old, it may be asked for again under a new id.
    #[error("the request is from too far ahead to be applied exactly once")]
    RequestTooNew {
        /// The group's clock.
        clock: Timestamp,
    },
    /// An account or an access key does not allow it.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
    /// The mutation breaks a rule that its maker should have kept (a limit, an inconsistent length).
    #[error("malformed: {reason}")]
    Malformed {
        /// Which rule, in words. Empty in the answer to a request that was refused before: words are not remembered.
        reason: String,
    },
}

impl Refusal {
    /// The same refusal without words, which are another in another release: what replicas keep must be the same.
    #[must_use]
    pub fn without_words(self) -> Self {
        let reason = String::new();
        match self {
            Self::TopologyConflict { .. } => Self::TopologyConflict { reason },
            Self::Malformed { .. } => Self::Malformed { reason },
            other => other,
        }
    }
}
