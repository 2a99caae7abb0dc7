//! The state of a cluster, as `cairn admin status --json` prints it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a cluster. Fields are added over time and keep their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The release that answers.
    pub version: String,
    /// The cluster's id, 32 hexadecimal digits.
    pub cluster: String,
    /// Grows with each change of nodes, disks, pools and placement groups.
    pub topology_epoch: u64,
    /// The Raft groups.
    pub groups: Vec<GroupStatus>,
    /// The storage nodes and their disks.
    pub nodes: Vec<NodeStatus>,
    /// The pools.
    pub pools: Vec<PoolStatus>,
    /// What is wrong, one line each; empty when nothing is.
    pub problems: Vec<String>,
}

/// A data group's debts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its number.
    pub group: u16,
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

/// A storage node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its id.
    pub node: u64,
    /// Its address; empty in one process.
    pub address: String,
    /// Its zone, or empty.
    pub zone: String,
    /// Whether it answers.
    pub reachable: bool,
    /// Its disks.
    pub disks: Vec<DiskStatus>,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// Its id, 32 hexadecimal digits.
    pub disk: String,
    /// Where it is on its node; empty when the node does not say.
    pub path: String,
    /// `in service`, `out of service`, or `missing`: registered, but its node does not have it.
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

impl fmt::Display for ClusterStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cluster {} (cairn {})", self.cluster, self.version)?;
        for pool in &self.pools {
            writeln!(
                f,
                "pool {} {}: {} of {} placement groups whole",
                pool.name, pool.profile, pool.whole_placement_groups, pool.placement_groups
            )?;
        }
        for node in &self.nodes {
            let reach = if node.reachable {
                ""
            } else {
                " (does not answer)"
            };
            writeln!(f, "storage node {}{reach}", node.node)?;
            for disk in &node.disks {
                writeln!(f, "  {disk}")?;
            }
        }
        for group in &self.groups {
            writeln!(
                f,
                "group {}: {} blobs to remove, {} condemned, {} degraded",
                group.group, group.freed_blobs, group.condemned_blobs, group.degraded_blobs
            )?;
        }
        if self.problems.is_empty() {
            write!(f, "healthy")
        } else {
            write!(f, "problems:")?;
            self.problems
                .iter()
                .try_for_each(|problem| write!(f, "\n  {problem}"))
        }
    }
}

impl fmt::Display for DiskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk {} {}: {}", self.disk, self.path, self.state)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        write!(
            f,
            ", {} used, {} free of {}",
            Size(self.live_bytes),
            Size(self.available_bytes),
            Size(self.capacity_bytes)
        )?;
        if self.damaged_cells > 0 {
            write!(f, ", {} damaged cells", self.damaged_cells)?;
        }
        Ok(())
    }
}

/// Bytes for people: three digits and a binary unit.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        // In tenths of the unit, so that no floating point is needed.
        let mut tenths = u128::from(self.0) * 10;
        let mut unit = "B";
        for name in UNITS {
            if tenths < 10_240 {
                break;
            }
            tenths /= 1024;
            unit = name;
        }
        write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    #[test]
    fn a_status_survives_json() {
        let status = ClusterStatus {
            version: "0.1.0".to_owned(),
            cluster: "0".repeat(32),
            topology_epoch: 3,
            groups: vec![],
            nodes: vec![],
            pools: vec![PoolStatus {
                pool: 1,
                name: "default".to_owned(),
                profile: "4+2".to_owned(),
                placement_groups: 64,
                whole_placement_groups: 64,
            }],
            problems: vec!["disk away".to_owned()],
        };
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(
            serde_json::from_str::<ClusterStatus>(&json).unwrap(),
            status
        );
        assert!(status.to_string().ends_with("problems:\n  disk away"));
    }
}
