//! The state of a cluster, as `cairn admin status --json` prints it.

mod text;

use serde::{Deserialize, Serialize};

pub(crate) use text::table;
pub use text::{disks_table, groups_table, nodes_table};

/// The state of a cluster. Fields are added over time and keep their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The release that answers.
    pub version: String,
    /// The cluster's id, 32 hexadecimal digits.
    pub cluster: String,
    /// Grows with each change of nodes, disks, pools and placement groups.
    pub topology_epoch: u64,
    /// The Raft groups, the root group first.
    pub groups: Vec<GroupStatus>,
    /// The nodes that keep something: metadata first, then storage.
    pub nodes: Vec<NodeStatus>,
    /// The disks of the storage nodes.
    pub disks: Vec<DiskStatus>,
    /// The pools.
    pub pools: Vec<PoolStatus>,
    /// What is wrong, one line each; empty when nothing is.
    pub problems: Vec<String>,
}

/// A Raft group. Metadata nodes are named as in `nodes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its number; 0 is the root group.
    pub group: u16,
    /// Who leads it; nothing while nobody answers for it.
    pub leader: Option<String>,
    /// The newest term that any of its members knows.
    pub term: u64,
    /// Who votes.
    pub voters: Vec<String>,
    /// Who only follows.
    pub learners: Vec<String>,
    /// What each node has of it that can be asked.
    pub replicas: Vec<ReplicaStatus>,
    /// What a data group owes; absent for the root group, and where the group does not answer.
    #[serde(flatten)]
    pub debts: Option<GroupDebts>,
}

/// What one metadata node has of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// The node.
    pub node: String,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`, as the node believes.
    pub state: String,
    /// The term.
    pub term: u64,
    /// The last entry of its log.
    pub last_log_index: u64,
    /// The last entry that its tables have.
    pub applied_index: u64,
    /// The last entry that its newest snapshot has.
    pub snapshot_index: u64,
    /// The last entry that it purged from its log.
    pub purged_index: u64,
    /// The hash chained over everything that it applied, 32 hexadecimal digits.
    pub state_hash: String,
}

/// A data group's debts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupDebts {
    /// Its clock, in milliseconds since 1970.
    pub clock_ms: u64,
    /// Blobs freed and not yet removed from their disks.
    pub freed_blobs: u64,
    /// Condemned blobs that are remembered.
    pub condemned_blobs: u64,
    /// Committed blobs that lack shards.
    pub degraded_blobs: u64,
    /// The hash chained over everything applied, 32 hexadecimal digits.
    pub state_hash: String,
}

/// A node that keeps something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name; `node-<id>` where it has none.
    pub name: String,
    /// What it keeps.
    pub role: NodeRole,
    /// Its id.
    pub id: u64,
    /// Where other roles reach it; empty in one process.
    pub address: String,
    /// Where its health and its metrics are; empty if it has no such address of its own.
    pub admin: String,
    /// Its zone, or empty.
    pub zone: String,
    /// Whether it answers.
    pub state: NodeState,
}

/// What a node keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// Replicas of the metadata.
    Meta,
    /// Shards on disks.
    Storage,
}

/// Whether a node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It does.
    Up,
    /// It does not, or not in time.
    Down,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// Its id, 32 hexadecimal digits.
    pub disk: String,
    /// The name of its node.
    pub node: String,
    /// Where it is on its node; empty when the node does not say.
    pub path: String,
    /// `in service`, `out of service`, or `missing`: registered, but nobody says that he has it.
    pub state: String,
    /// Why it is not in service, or empty.
    pub reason: String,
    /// Its size.
    pub capacity_bytes: u64,
    /// What it has left.
    pub available_bytes: u64,
    /// Bytes of shards that are in use.
    pub live_bytes: u64,
    /// Bytes of removed shards whose space is not given back yet.
    pub removed_bytes: u64,
    /// Damaged cells that reads found since its node started.
    pub damaged_cells: u64,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its id.
    pub pool: u32,
    /// Its name.
    pub name: String,
    /// Its erasure profile, `4+2`.
    pub profile: String,
    /// How many placement groups it has.
    pub placement_groups: usize,
    /// How many of them have all their disks in service.
    pub whole_placement_groups: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_json_and_the_root_group_owes_nothing() {
        let mut status = text::example();
        let json = serde_json::to_string_pretty(&status).unwrap();
        assert_eq!(json.matches("freed_blobs").count(), 1, "{json}");
        for part in [
            "\"leader\": null",
            "\"role\": \"meta\"",
            "\"state\": \"down\"",
            "\"condemned_blobs\": 0,",
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
        assert_eq!(
            serde_json::from_str::<ClusterStatus>(&json).unwrap(),
            status
        );
        status.groups.clear();
        assert_ne!(
            serde_json::from_str::<ClusterStatus>(&json).unwrap(),
            status
        );
    }
}
