//! Why a write or a read failed.

use std::error::Error;

use cairn_client::{MutateError, QueryError, ShardError};
use cairn_types::id::BlobId;
use cairn_types::outcome::Outcome;

use crate::budget::Busy;

/// A write that failed. Only `Commit` can be anything but certain to have had no effect.
#[derive(Debug, thiserror::Error)]
pub enum PutError<E: Error + Send + Sync + 'static> {
    /// The body could not be read to its end, or is not what was signed.
    #[error("read the body")]
    Source(#[source] E),
    /// The body is not as long as was said.
    #[error("the body has {got} bytes or more, not {expected}")]
    Length {
        /// Bytes that were declared.
        expected: u64,
        /// Bytes that were seen.
        got: u64,
    },
    /// The MD5 of the body is not the one that was declared.
    #[error("the MD5 of the body is not the one that was declared")]
    DigestMismatch {
        /// What it is.
        computed: [u8; 16],
    },
    /// Too many bytes are in flight.
    #[error("too many bytes are in flight")]
    Busy(#[from] Busy),
    /// There are no disks to write to, or too many of them failed.
    #[error("the shards cannot be made durable: {reason}")]
    Unavailable {
        /// What is missing, or what the last disk said.
        reason: String,
    },
    /// The shards are durable, and the metadata did not say that the version is committed.
    #[error("commit the version")]
    Commit(#[source] MutateError),
}

impl<E: Error + Send + Sync + 'static> PutError<E> {
    /// What is known of the effect.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Source(_)
            | Self::Length { .. }
            | Self::DigestMismatch { .. }
            | Self::Busy(_)
            | Self::Unavailable { .. } => Outcome::Refused,
            Self::Commit(error) => error.outcome(),
        }
    }
}

/// A read that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The range reaches beyond the object.
    #[error("bytes {start} to {end} of {len} are asked for")]
    Range {
        /// The first byte asked for.
        start: u64,
        /// Behind the last byte asked for.
        end: u64,
        /// The object's length.
        len: u64,
    },
    /// The version went away between its record and its parts: look it up again.
    #[error("the version was replaced while its parts were looked up")]
    Superseded,
    /// Too many bytes are in flight.
    #[error("too many bytes are in flight")]
    Busy(#[from] Busy),
    /// The metadata did not answer.
    #[error("ask the metadata")]
    Metadata(#[from] QueryError),
    /// Fewer than `k` cells of a stripe can be read.
    #[error("read stripe {stripe} of {blob:?}: too few cells")]
    Stripe {
        /// The blob.
        blob: BlobId,
        /// The stripe.
        stripe: u32,
        /// What the last disk said.
        #[source]
        source: Option<ShardError>,
    },
    /// The record contradicts itself or the topology.
    #[error("the record of the version makes no sense: {reason}")]
    Record {
        /// What does not fit.
        reason: String,
    },
    /// Nothing more is read: the process is stopping, or the download has failed before.
    #[error("nothing more is read")]
    Stopping,
}
