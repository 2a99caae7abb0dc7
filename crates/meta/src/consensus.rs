//! The types with which openraft is used here.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use cairn_types::namespace::{Refusal, Reply};
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft::{BasicNode, Config, ConfigError, SnapshotPolicy};

use crate::state::{SnapshotData, StateMachine};

openraft::declare_raft_types!(
    /// Cairn's choice of types. Leader ids are totally ordered by term and node, so that two candidates of one term do
    /// not block each other.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Answer,
        NodeId = u64,
        Node = BasicNode,
);

/// A group's Raft.
pub(crate) type GroupRaft = openraft::Raft<TypeConfig, StateMachine>;
/// An entry of the log.
pub(crate) type Entry = EntryOf<TypeConfig>;
/// Term, node and index of an entry.
pub(crate) type LogId = LogIdOf<TypeConfig>;
/// For whom a node voted, and whether that one won.
pub(crate) type Vote = VoteOf<TypeConfig>;
/// Who takes part, and the entry that says so.
pub(crate) type StoredMembership = StoredMembershipOf<TypeConfig>;
/// Who takes part.
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
/// Up to where a snapshot reaches.
pub(crate) type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
/// A snapshot on its way.
pub(crate) type Snapshot = SnapshotOf<TypeConfig, SnapshotData>;

/// An encoded `Command`: it is decoded where it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal(pub(crate) Bytes);

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} bytes", self.0.len())
    }
}

/// What applying an entry answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The entry was not a command.
    Nothing,
    /// The state machine's answer; a refusal is one too.
    Applied(Result<Reply, Refusal>),
}

/// openraft's timers run that many heartbeats apart: coarse enough that many idle groups do not keep the processor awake, and
/// fine beside an election timeout.
const TIMER_HEARTBEATS: u32 = 3;

/// How a group's Raft keeps time and cuts its log.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Time between two heartbeats.
    pub(crate) heartbeat: Duration,
    /// The shortest time without a leader after which a node stands for election.
    pub(crate) election_min: Duration,
    /// The longest.
    pub(crate) election_max: Duration,
    /// Entries between two snapshots.
    pub(crate) snapshot_entries: u64,
}

impl Pace {
    /// openraft's configuration.
    ///
    /// # Errors
    /// When the times contradict each other.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Config {
            cluster_name: "cairn".to_owned(),
            // openraft looks at its timers five times in each, and beats are not sent by them but by `Starter::beat`.
            heartbeat_interval: millis(self.heartbeat * TIMER_HEARTBEATS),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            // Bounds one message only where entries are tiny; the log reader bounds it by bytes.
            max_payload_entries: 1024,
            // Entries that one write of the log takes: 256 × 64 KiB of inline bytes are 16 MiB.
            max_append_entries: Some(256),
            api_batch_capacity: 256,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            // What goes from the log is decided by bytes, in `housekeeping`.
            max_in_snapshot_log_to_keep: u64::MAX,
            // The sender watches over progress piece by piece; this bounds the whole.
            install_snapshot_timeout: 3_600_000,
            enable_pre_vote: Some(true),
            // With it a leader that was killed and came back quickly served stale reads as linearizable ones.
            enable_leader_restore: Some(false),
            // A follower whose log got shorter broke its word: what it had acknowledged counted towards a majority. It never
            // catches up under that id; it does not start (`watermark`), or comes back under a new one (`label`).
            allow_log_reversion: None,
            ..Config::default()
        }
        .validate()
    }
}
