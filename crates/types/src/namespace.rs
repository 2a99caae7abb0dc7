//! What the metadata can be asked to change and to tell: the vocabulary between gateways and the state machine.
//!
//! A `Mutation` becomes a command of one Raft group; a `Query` is answered by one linearizable read of one group. Root
//! mutations and queries go to the root group, data ones to the group that the shard map names for the bucket and key.

pub mod account;
pub mod data;
pub mod refusal;
pub mod root;

use crate::id::{BucketId, Epoch, RequestId};
use crate::time::Timestamp;

pub use account::{AccountMutation, AccountRefusal};
pub use data::{DataMutation, DataQuery, DataReply, DataView};
pub use refusal::Refusal;
pub use root::{RootMutation, RootQuery, RootReply, RootView};

/// A change of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are of data groups, and few are held at a time"
)]
pub enum Mutation {
    /// Of the root group.
    Root(RootMutation),
    /// Of a data group.
    Data(DataMutation),
}

/// What a change that was applied answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// From the root group.
    Root(RootReply),
    /// From a data group.
    Data(DataReply),
}

/// A question to one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// To the root group.
    Root(RootQuery),
    /// To a data group.
    Data(DataQuery),
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// From the root group.
    Root(RootView),
    /// From a data group.
    Data(DataView),
}

/// A client's request to change something, before it is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutationRequest {
    /// The same for every try of the same request: it is applied once.
    pub request: RequestId,
    /// When the request id was made, by its maker's clock: an older one than the group remembers is refused.
    pub minted: Timestamp,
    /// What the client decided by; a change of the root group has none.
    pub guard: Option<SettingsGuard>,
    /// The change.
    pub mutation: Mutation,
}

/// What a client knew of a bucket's settings when it decided that something may be asked of it: where they are others by now,
/// or the bucket is not there, that is refused with `SettingsChanged`, and the client is to look and decide again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingsGuard {
    /// The bucket.
    pub bucket: BucketId,
    /// The epoch of its settings.
    pub settings: Epoch,
}

/// A mutation as it stands in the log: with everything that applying it may not ask the world for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The version of the rules of applying that the proposer ran; a node that does not know it stops.
    pub apply_version: u32,
    /// The client's request.
    pub request: MutationRequest,
    /// The proposer's clock.
    pub proposed: Timestamp,
    /// 128 random bits, for version and other ids made in applying.
    pub random: u128,
}
