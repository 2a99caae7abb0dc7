//! Rows of every group: its clock, its hash, the requests it remembers.

use cairn_schema::DecodeError;
use cairn_schema::field::{Field, bits_128};
use cairn_schema::proto;
use cairn_schema::proto::request_record;
use cairn_types::namespace::{Refusal, Reply};
use cairn_types::time::Timestamp;

use super::Record;

/// What every command reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct GroupRow {
    /// The group's clock: the largest time of all commands so far.
    pub(crate) clock: Timestamp,
    /// Every request that was to be remembered until before this is forgotten. Where to look for the next.
    pub(crate) expired_to: Timestamp,
    /// No request is looked for to be forgotten before the clock says this.
    pub(crate) expire_next: Timestamp,
    /// Uploads that are gone, or whose version is, and whose parts are not.
    pub(crate) doomed_uploads: u64,
    /// Whether condemned blobs may be left that the horizon has passed.
    pub(crate) has_passed_blobs: bool,
}

impl Record for GroupRow {
    const KIND: &'static str = "GroupRecord";
    type Message = proto::GroupRecord;

    fn to_message(&self) -> proto::GroupRecord {
        proto::GroupRecord {
            clock_ms: self.clock.as_millis(),
            expired_to_ms: self.expired_to.as_millis(),
            expire_next_ms: self.expire_next.as_millis(),
            doomed_uploads: self.doomed_uploads,
            has_passed_blobs: self.has_passed_blobs,
        }
    }

    fn from_message(message: proto::GroupRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            clock: Timestamp::from_millis(message.clock_ms),
            expired_to: Timestamp::from_millis(message.expired_to_ms),
            expire_next: Timestamp::from_millis(message.expire_next_ms),
            doomed_uploads: message.doomed_uploads,
            has_passed_blobs: message.has_passed_blobs,
        })
    }
}

/// The hash chained over everything applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StateHashRow {
    /// 0 before the first command.
    pub(crate) hash: u128,
}

impl Record for StateHashRow {
    const KIND: &'static str = "StateHashRecord";
    type Message = proto::StateHashRecord;

    fn to_message(&self) -> proto::StateHashRecord {
        proto::StateHashRecord {
            hash: bits_128(self.hash),
        }
    }

    fn from_message(message: proto::StateHashRecord) -> Result<Self, DecodeError> {
        let at = Field::new(Self::KIND, "hash");
        Ok(Self {
            hash: at.bits_128(&message.hash)?,
        })
    }
}

/// What a request came to, so that it is not applied again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestRow {
    /// The group's clock when it was applied.
    pub(crate) applied: Timestamp,
    /// It may be forgotten when the group's clock is later than this: it would be refused as too old then.
    pub(crate) remembered_until: Timestamp,
    /// What was answered.
    pub(crate) result: Result<Reply, Refusal>,
}

impl Record for RequestRow {
    const KIND: &'static str = "RequestRecord";
    type Message = proto::RequestRecord;

    fn to_message(&self) -> proto::RequestRecord {
        let result = match &self.result {
            Ok(reply) => request_record::Result::Reply(reply.into()),
            Err(refusal) => request_record::Result::Refusal(refusal.into()),
        };
        proto::RequestRecord {
            applied_ms: self.applied.as_millis(),
            remembered_until_ms: self.remembered_until.as_millis(),
            result: Some(result),
        }
    }

    fn from_message(message: proto::RequestRecord) -> Result<Self, DecodeError> {
        let at = Field::new(Self::KIND, "result");
        let result = match at.required(message.result)? {
            request_record::Result::Reply(reply) => Ok(reply.try_into()?),
            request_record::Result::Refusal(refusal) => Err(refusal.try_into()?),
        };
        Ok(Self {
            applied: Timestamp::from_millis(message.applied_ms),
            remembered_until: Timestamp::from_millis(message.remembered_until_ms),
            result,
        })
    }
}
