//! What the cluster is made of: nodes, disks, pools, placement groups.

use crate::id::{ClusterId, DiskId, Epoch, GroupId, NodeId, PlacementGroupId, PoolId};

/// An erasure profile: `k` data cells and `m` parity cells to a stripe; any `k` of the `k + m` give it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Profile {
    k: u8,
    m: u8,
}

/// Text or numbers that are no erasure profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an erasure profile: one of 1+0, 1+1, 2+1, 2+2, 4+2, 8+4")]
pub struct ProfileError;

impl Profile {
    /// The profiles that Cairn offers, by the number of disks they need.
    pub const ALL: [Self; 6] = [
        Self { k: 1, m: 0 },
        Self { k: 1, m: 1 },
        Self { k: 2, m: 1 },
        Self { k: 2, m: 2 },
        Self { k: 4, m: 2 },
        Self { k: 8, m: 4 },
    ];

    /// The profile with `k` data and `m` parity cells.
    ///
    /// # Errors
    /// Numbers that are none of `ALL`.
    pub fn new(k: u8, m: u8) -> Result<Self, ProfileError> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.k == k && profile.m == m)
            .ok_or(ProfileError)
    }

    /// Reads `4+2`.
    ///
    /// # Errors
    /// Any text that is not the name of one of `ALL`.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.to_string() == text)
            .ok_or(ProfileError)
    }

    /// Data cells of a stripe.
    pub const fn k(self) -> usize {
        self.k as usize
    }

    /// Parity cells of a stripe.
    pub const fn m(self) -> usize {
        self.m as usize
    }

    /// All cells of a stripe.
    pub const fn width(self) -> usize {
        self.k() + self.m()
    }

    /// How many shards must be durable before a write is acknowledged: one more than reading needs, where there is one.
    pub const fn write_quorum(self) -> usize {
        if self.m == 0 { self.k() } else { self.k() + 1 }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}", self.k, self.m)
    }
}

/// Where a node stands, for spreading: zone and host, each may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location {
    /// The zone, or empty.
    pub zone: String,
    /// The host, or empty.
    pub host: String,
}

/// A storage node as the root group knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageNode {
    /// Its id.
    pub id: NodeId,
    /// The name of its process: 1 to 63 of a–z, 0–9, `.` and `-`.
    pub name: String,
    /// Where its gRPC service listens; empty in one process.
    pub address: String,
    /// Where its admin API listens; empty if it has none of its own.
    pub admin_address: String,
    /// Which start of the process this is; larger is newer. By custom the process's clock at its start, in milliseconds.
    pub incarnation: u64,
    /// Where it stands.
    pub location: Location,
}

/// A metadata node as the root group knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaNode {
    /// Its id. A node that lost its log comes back under another one.
    pub id: NodeId,
    /// The name of its process, as for storage nodes. No two metadata nodes have the same.
    pub name: String,
    /// Where its gRPC services listen; empty in one process.
    pub address: String,
    /// Where its admin API listens; empty if it has none of its own.
    pub admin_address: String,
    /// Which start of the process this is, as for storage nodes.
    pub incarnation: u64,
    /// Whether it is to be a voter of the groups, or a learner.
    pub is_voter: bool,
}

/// A disk as the root group knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its id, from its label.
    pub id: DiskId,
    /// The node it is in.
    pub node: NodeId,
    /// Its size in bytes.
    pub capacity_bytes: u64,
}

/// A pool: an erasure profile and the placement groups that follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Its name.
    pub name: String,
    /// Its erasure profile.
    pub profile: Profile,
    /// The largest cell in bytes.
    pub cell_len: u32,
    /// Whether it takes only what the write pool cannot just now: its groups are made on demand over the disks that are live.
    pub is_fallback: bool,
}

/// A placement group: the disks that hold shard 0, 1, … of each of its blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementGroup {
    /// Its id.
    pub id: PlacementGroupId,
    /// The pool it belongs to.
    pub pool: PoolId,
    /// Grows with each change of its members. A disk refuses writes that name an older one.
    pub epoch: Epoch,
    /// Its disks in shard order, `profile.width()` of them, all different.
    pub members: Vec<DiskId>,
}

/// The whole topology, as gateways and workers hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// The cluster.
    pub cluster: ClusterId,
    /// Grows with each change of anything in here.
    pub epoch: Epoch,
    /// The data groups, ascending.
    pub data_groups: Vec<GroupId>,
    /// The storage nodes, by id.
    pub nodes: Vec<StorageNode>,
    /// The disks, by id.
    pub disks: Vec<Disk>,
    /// The pools, by id.
    pub pools: Vec<Pool>,
    /// The placement groups, by id.
    pub placement_groups: Vec<PlacementGroup>,
    /// The metadata nodes, by id.
    pub meta_nodes: Vec<MetaNode>,
    /// The pool that new blobs go to; 0: none yet.
    pub write_pool: PoolId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_names_and_quorums() {
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(&profile.to_string()), Ok(profile));
            assert!(profile.write_quorum() >= profile.k());
            assert!(profile.write_quorum() <= profile.width());
        }
        assert_eq!(Profile::new(3, 1), Err(ProfileError));
        assert_eq!(Profile::parse("04+2"), Err(ProfileError));
    }
}
