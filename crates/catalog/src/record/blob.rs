//! Rows of blobs: who refers to them, which are to go, which may never come.

use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_schema::proto::blob_record;
use cairn_types::id::{BucketId, Order};
use cairn_types::name::ObjectKey;
use cairn_types::namespace::data::UploadKey;
use cairn_types::time::Timestamp;

use super::Record;

/// What the group knows of its blobs as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CollectionRow {
    /// Blobs begun before this can no longer be committed.
    pub(crate) horizon: Timestamp,
    /// Rows of freed blobs.
    pub(crate) freed: u64,
    /// Rows of condemned blobs.
    pub(crate) condemned: u64,
    /// Rows of degraded blobs.
    pub(crate) degraded: u64,
}

impl Record for CollectionRow {
    const KIND: &'static str = "CollectionRecord";
    type Message = proto::CollectionRecord;

    fn to_message(&self) -> proto::CollectionRecord {
        proto::CollectionRecord {
            horizon_ms: self.horizon.as_millis(),
            freed_blobs: self.freed,
            condemned_blobs: self.condemned,
            degraded_blobs: self.degraded,
        }
    }

    fn from_message(message: proto::CollectionRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            horizon: Timestamp::from_millis(message.horizon_ms),
            freed: message.freed_blobs,
            condemned: message.condemned_blobs,
            degraded: message.degraded_blobs,
        })
    }
}

/// What a blob is just now. A blob without a row is unknown: not committed yet, or forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlobRow {
    /// A version or a part refers to it.
    Held(Holder),
    /// Nothing refers to it any more; its shards are to go.
    Freed {
        /// Since when.
        freed: Timestamp,
    },
    /// It may never be committed.
    Condemned {
        /// Since when.
        condemned: Timestamp,
    },
}

/// What refers to a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A version.
    Version {
        /// Its bucket.
        bucket: BucketId,
        /// Its key.
        key: ObjectKey,
        /// Itself.
        order: Order,
    },
    /// A part, of an open upload or of a version.
    Part {
        /// Its upload.
        upload: UploadKey,
        /// Itself.
        number: u16,
    },
}

impl Record for BlobRow {
    const KIND: &'static str = "BlobRecord";
    type Message = proto::BlobRecord;

    fn to_message(&self) -> proto::BlobRecord {
        let state = match self {
            Self::Held(Holder::Version { bucket, key, order }) => {
                blob_record::State::Version(blob_record::VersionHolder {
                    bucket: bucket.get(),
                    key: key.as_str().to_owned(),
                    order: order.get(),
                })
            }
            Self::Held(Holder::Part { upload, number }) => {
                blob_record::State::Part(blob_record::PartHolder {
                    upload: Some(upload.into()),
                    number: (*number).into(),
                })
            }
            Self::Freed { freed } => blob_record::State::Freed(blob_record::Freed {
                freed_ms: freed.as_millis(),
            }),
            Self::Condemned { condemned } => {
                blob_record::State::Condemned(blob_record::Condemned {
                    condemned_ms: condemned.as_millis(),
                })
            }
        };
        proto::BlobRecord { state: Some(state) }
    }

    fn from_message(message: proto::BlobRecord) -> Result<Self, DecodeError> {
        let state = Field::new(Self::KIND, "state").required(message.state)?;
        Ok(match state {
            blob_record::State::Version(version) => Self::Held(Holder::Version {
                bucket: BucketId::new(version.bucket),
                key: Field::new("VersionHolder", "key").object_key(&version.key)?,
                order: Order::new(version.order),
            }),
            blob_record::State::Part(part) => Self::Held(Holder::Part {
                upload: Field::new("PartHolder", "upload").noun(part.upload)?,
                number: Field::new("PartHolder", "number").narrow(part.number)?,
            }),
            blob_record::State::Freed(freed) => Self::Freed {
                freed: Timestamp::from_millis(freed.freed_ms),
            },
            blob_record::State::Condemned(condemned) => Self::Condemned {
                condemned: Timestamp::from_millis(condemned.condemned_ms),
            },
        })
    }
}

/// A committed blob that lacks shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DegradedRow {
    /// Which, ascending.
    pub(crate) missing_shards: Vec<u8>,
}

impl Record for DegradedRow {
    const KIND: &'static str = "DegradedRecord";
    type Message = proto::DegradedRecord;

    fn to_message(&self) -> proto::DegradedRecord {
        proto::DegradedRecord {
            missing_shards: self.missing_shards.iter().copied().map(u32::from).collect(),
        }
    }

    fn from_message(message: proto::DegradedRecord) -> Result<Self, DecodeError> {
        let at = Field::new(Self::KIND, "missing_shards");
        let shards = message.missing_shards.into_iter();
        let missing_shards: Vec<u8> = shards
            .map(|shard| at.narrow(shard))
            .collect::<Result<_, _>>()?;
        if !missing_shards.is_sorted_by(|left, right| left < right) {
            return Err(at.breaks("ascending"));
        }
        Ok(Self { missing_shards })
    }
}
