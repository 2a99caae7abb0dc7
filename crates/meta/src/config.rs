//! What a metadata node is told when it starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cairn_rpc::channel::{AddressError, connect};
use cairn_types::id::NodeId;
use tonic::transport::Channel;

use crate::consensus::Pace;

/// Opens the way to another metadata node, by its id and the address that the membership has for it. It does not wait for
/// a connection.
pub type Dial = Arc<dyn Fn(NodeId, &str) -> Result<Channel, AddressError> + Send + Sync>;

/// The configuration of a metadata node.
#[derive(Clone)]
pub struct MetaConfig {
    /// Where the log and the tables are. Made if it is missing.
    pub dir: PathBuf,
    /// This node. Never used again for another, not even after its directory was lost.
    pub node: NodeId,
    /// How many data groups a new cluster gets, 1 to 1,000. A node that belongs to a cluster keeps to what that has.
    pub data_groups: u16,
    /// Entries of a group between two snapshots; half of it stays in the log.
    pub snapshot_entries: u64,
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
    pub fn new(dir: impl Into<PathBuf>, node: NodeId) -> Self {
        Self {
            dir: dir.into(),
            node,
            data_groups: 8,
            snapshot_entries: 10_000,
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
            .field("node", &self.node)
            .field("data_groups", &self.data_groups)
            .field("snapshot_entries", &self.snapshot_entries)
            .field("heartbeat", &self.heartbeat)
            .field("election_min", &self.election_min)
            .field("election_max", &self.election_max)
            .finish_non_exhaustive()
    }
}
