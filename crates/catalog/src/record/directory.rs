//! Rows of the bucket directory and the shard map.

use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_schema::{
    bucket_state, bucket_state_message, initial_settings, initial_settings_message,
};
use cairn_types::id::{BucketId, Epoch, GroupId};
use cairn_types::name::BucketName;
use cairn_types::namespace::root::BucketState;
use cairn_types::settings::InitialSettings;
use cairn_types::time::Timestamp;

use super::Record;

/// What a bucket's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirectoryRow {
    /// The bucket.
    pub(crate) bucket: BucketId,
    /// Whose it is.
    pub(crate) owner: String,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// Where it stands in its life.
    pub(crate) state: BucketState,
    /// Grows with each step of its life.
    pub(crate) epoch: Epoch,
    /// What it is to be made with, while it is being made.
    pub(crate) initial: InitialSettings,
}

impl Record for DirectoryRow {
    const KIND: &'static str = "DirectoryRecord";
    type Message = proto::DirectoryRecord;

    fn to_message(&self) -> proto::DirectoryRecord {
        let (state, opened_below) = bucket_state_message(self.state);
        proto::DirectoryRecord {
            bucket: self.bucket.get(),
            owner: self.owner.clone(),
            created_ms: self.created.as_millis(),
            state: state.into(),
            epoch: self.epoch.get(),
            opened_below,
            initial: initial_settings_message(&self.initial),
        }
    }

    fn from_message(message: proto::DirectoryRecord) -> Result<Self, DecodeError> {
        let at = Field::new(Self::KIND, "state");
        Ok(Self {
            bucket: BucketId::new(message.bucket),
            owner: message.owner,
            created: Timestamp::from_millis(message.created_ms),
            state: bucket_state(at, message.state, message.opened_below)?,
            epoch: Epoch::new(message.epoch),
            initial: initial_settings(message.initial)?,
        })
    }
}

/// The name of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketNameRow {
    /// The name.
    pub(crate) name: BucketName,
}

impl Record for BucketNameRow {
    const KIND: &'static str = "BucketNameRecord";
    type Message = proto::BucketNameRecord;

    fn to_message(&self) -> proto::BucketNameRecord {
        proto::BucketNameRecord {
            name: self.name.as_str().to_owned(),
        }
    }

    fn from_message(message: proto::BucketNameRecord) -> Result<Self, DecodeError> {
        let name = Field::new(Self::KIND, "name").bucket_name(&message.name)?;
        Ok(Self { name })
    }
}

/// Where a range of a bucket's keys is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardRow {
    /// The data group.
    pub(crate) group: GroupId,
    /// Grows when the range moves.
    pub(crate) epoch: Epoch,
}

impl Record for ShardRow {
    const KIND: &'static str = "ShardRecord";
    type Message = proto::ShardRecord;

    fn to_message(&self) -> proto::ShardRecord {
        proto::ShardRecord {
            group: self.group.get().into(),
            epoch: self.epoch.get(),
        }
    }

    fn from_message(message: proto::ShardRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            group: GroupId::new(Field::new(Self::KIND, "group").narrow(message.group)?),
            epoch: Epoch::new(message.epoch),
        })
    }
}
