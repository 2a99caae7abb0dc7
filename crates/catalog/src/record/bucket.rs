//! Rows of a bucket in a data group.

use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use cairn_schema::proto;
use cairn_types::id::{BucketId, Epoch, Order};
use cairn_types::lock::BucketLock;
use cairn_types::name::BucketName;
use cairn_types::namespace::data::Counters;
use cairn_types::version::Versioning;

use super::Record;

/// A bucket that the group knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketRow {
    /// Its name, for people who read tables.
    pub(crate) name: BucketName,
    /// Whether writes of objects are refused: it is being deleted.
    pub(crate) is_fenced: bool,
    /// The epoch of the latest step of its life that this group was told of. Earlier ones come too late.
    pub(crate) epoch: Epoch,
    /// Whether it keeps versions; `None`: it was never told to.
    pub(crate) versioning: Option<Versioning>,
    /// The epoch of its settings.
    pub(crate) settings_epoch: Epoch,
    /// Object lock, if it has it. Then it keeps versions, so no version is ever overwritten.
    pub(crate) lock: Option<BucketLock>,
}

impl Record for BucketRow {
    const KIND: &'static str = "BucketRecord";
    type Message = proto::BucketRecord;

    fn to_message(&self) -> proto::BucketRecord {
        proto::BucketRecord {
            name: self.name.as_str().to_owned(),
            is_fenced: self.is_fenced,
            epoch: self.epoch.get(),
            versioning: cairn_schema::versioning_number(self.versioning),
            settings_epoch: self.settings_epoch.get(),
            lock: self.lock.as_ref().map(Into::into),
        }
    }

    fn from_message(message: proto::BucketRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            name: Field::new(Self::KIND, "name").bucket_name(&message.name)?,
            is_fenced: message.is_fenced,
            epoch: Epoch::new(message.epoch),
            versioning: cairn_schema::versioning(
                Field::new(Self::KIND, "versioning"),
                message.versioning,
            )?,
            settings_epoch: Epoch::new(message.settings_epoch),
            lock: message.lock.map(TryInto::try_into).transpose()?,
        })
    }
}

/// What the group knows of buckets that it does not have: with the marks of those that are gone it tells one that is yet to be
/// opened from one whose opening comes too late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenedRow {
    /// No bucket with an id below this is opened any more.
    pub(crate) below: BucketId,
}

impl Record for OpenedRow {
    const KIND: &'static str = "OpenedRecord";
    type Message = proto::OpenedRecord;

    fn to_message(&self) -> proto::OpenedRecord {
        proto::OpenedRecord {
            below: self.below.get(),
        }
    }

    fn from_message(message: proto::OpenedRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            below: BucketId::new(message.below),
        })
    }
}

/// A range of a bucket's keys: what is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeRow {
    /// The order of the newest version; the next one gets the next.
    pub(crate) order: Order,
    /// What the range holds, exactly.
    pub(crate) counters: Counters,
}

impl Record for RangeRow {
    const KIND: &'static str = "RangeRecord";
    type Message = proto::RangeRecord;

    fn to_message(&self) -> proto::RangeRecord {
        proto::RangeRecord {
            order: self.order.get(),
            counters: Some((&self.counters).into()),
        }
    }

    fn from_message(message: proto::RangeRecord) -> Result<Self, DecodeError> {
        let at = Field::new(Self::KIND, "counters");
        Ok(Self {
            order: Order::new(message.order),
            counters: at.required(message.counters)?.into(),
        })
    }
}
