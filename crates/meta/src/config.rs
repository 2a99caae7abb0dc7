//! What a metadata node is told when it starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cairn_rpc::channel::{AddressError, connect};
use cairn_types::id::NodeId;
use tonic::transport::Channel;

use crate::consensus::Pace;

/// Opens the way to another metadata node, by its id and the address that the membership has for it. It need not go by the
/// address: whoever knows a newer one of that node uses that. It does not wait for a connection, and is called again when
/// the way that it gave leads nowhere.
pub type Dial = Arc<dyn Fn(NodeId, &str) -> Result<Channel, AddressError> + Send + Sync>;

/// The configuration of a metadata node.
#[derive(Clone)]
pub struct MetaConfig {
    /// Where the log and the tables are. Made if it is missing.
    pub dir: PathBuf,
    /// What an operator calls this node; told to whoever asks who it is. May be empty.
    pub name: String,
    /// An id for a directory that is opened for the first time, instead of one that is drawn at random. It must never have
    /// been a node's. A directory that is another node's is refused.
    pub proposed_node: Option<NodeId>,
    /// How many data groups `genesis` gives a new cluster, 1 to 1,000.
    pub data_groups: u16,
    /// Entries of a group between two snapshots. Only what a snapshot has may go from the log.
    pub snapshot_entries: u64,
    /// Bytes of log that all groups of this node keep together, for followers that were away: who asks for older entries is
    /// sent a snapshot. Up to four times as much while snapshots are sent and for a while after, so that they can be
    /// followed up.
    pub log_bytes: u64,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// The shortest time without a leader after which a node stands for election.
    pub election_min: Duration,
    /// The longest.
    pub election_max: Duration,
    /// How other nodes are reached.
    pub dial: Dial,
}

impl MetaConfig {
    /// The defaults, with other nodes reached by TCP.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            name: String::new(),
            proposed_node: None,
            data_groups: 8,
            snapshot_entries: 10_000,
            log_bytes: 256 * 1024 * 1024,
            heartbeat: Duration::from_millis(100),
            election_min: Duration::from_millis(400),
            election_max: Duration::from_millis(600),
            dial: Arc::new(|_, address| connect(address)),
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace {
            heartbeat: self.heartbeat,
            election_min: self.election_min,
            election_max: self.election_max,
            snapshot_entries: self.snapshot_entries,
        }
    }
}

impl std::fmt::Debug for MetaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetaConfig")
            .field("dir", &self.dir)
            .field("name", &self.name)
            .field("proposed_node", &self.proposed_node)
            .field("data_groups", &self.data_groups)
            .field("snapshot_entries", &self.snapshot_entries)
            .field("log_bytes", &self.log_bytes)
            .field("heartbeat", &self.heartbeat)
            .field("election_min", &self.election_min)
            .field("election_max", &self.election_max)
            .finish_non_exhaustive()
    }
}
