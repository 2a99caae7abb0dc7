//! The state of a cluster for people.

use std::fmt;

use super::{
    ClusterStatus, DiskStatus, GroupStatus, NodeRole, NodeState, NodeStatus, PoolStatus,
    ReplicaStatus,
};

impl fmt::Display for ClusterStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cluster {} (cairn {})", self.cluster, self.version)?;
        for pool in &self.pools {
            writeln!(f, "{pool}")?;
        }
        write!(f, "\n{}", nodes_table(&self.nodes))?;
        write!(f, "\n{}", disks_table(&self.disks))?;
        write!(f, "\n{}\n", groups_table(&self.groups))?;
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

impl fmt::Display for PoolStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pool {} {}: {} of {} placement groups whole",
            self.name, self.profile, self.whole_placement_groups, self.placement_groups
        )
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Meta => "meta",
            Self::Storage => "storage",
        })
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// One line for each node, under a head.
pub fn nodes_table(nodes: &[NodeStatus]) -> String {
    let head = ["NODE", "ROLE", "STATE", "ADDRESS", "ADMIN", "ZONE", "ID"];
    table(head, nodes, |node| {
        [
            node.name.clone(),
            node.role.to_string(),
            node.state.to_string(),
            node.address.clone(),
            node.admin.clone(),
            node.zone.clone(),
            node.id.to_string(),
        ]
    })
}

/// One line for each disk, under a head.
pub fn disks_table(disks: &[DiskStatus]) -> String {
    let head = ["DISK", "NODE", "STATE", "USED", "FREE", "SIZE", "PATH"];
    table(head, disks, |disk| {
        let state = match (disk.reason.as_str(), disk.damaged_cells) {
            ("", 0) => disk.state.clone(),
            ("", cells) => format!("{}, {cells} damaged cells", disk.state),
            (reason, _) => format!("{} ({reason})", disk.state),
        };
        [
            disk.disk.clone(),
            disk.node.clone(),
            state,
            Size(disk.live_bytes).to_string(),
            Size(disk.available_bytes).to_string(),
            Size(disk.capacity_bytes).to_string(),
            disk.path.clone(),
        ]
    })
}

/// One line for each group, under a head.
pub fn groups_table(groups: &[GroupStatus]) -> String {
    let head = [
        "GROUP", "LEADER", "TERM", "VOTERS", "LEARNERS", "APPLIED", "OWED",
    ];
    table(head, groups, |group| {
        let debts = group.debts.as_ref();
        [
            group.group.to_string(),
            group.leader.clone().unwrap_or_else(|| "none".to_owned()),
            group.term.to_string(),
            group.voters.join(","),
            group.learners.join(","),
            applied(&group.replicas),
            debts.map_or_else(String::new, |debts| {
                format!(
                    "{} to remove, {} condemned, {} degraded",
                    debts.freed_blobs, debts.condemned_blobs, debts.degraded_blobs
                )
            }),
        ]
    })
}

/// How far the replicas are: one number, or that of the last and that of the first.
fn applied(replicas: &[ReplicaStatus]) -> String {
    let applied = || replicas.iter().map(|replica| replica.applied_index);
    match (applied().min(), applied().max()) {
        (Some(least), Some(most)) if least == most => most.to_string(),
        (Some(least), Some(most)) => format!("{least}-{most}"),
        _ => String::new(),
    }
}

/// Columns as wide as what is in them. An empty cell is a dash, so that each line has as many words for tools.
pub(crate) fn table<T, const N: usize>(
    head: [&str; N],
    rows: &[T],
    cells: impl Fn(&T) -> [String; N],
) -> String {
    let dashed = |cell: String| {
        if cell.is_empty() {
            "-".to_owned()
        } else {
            cell
        }
    };
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| cells(row).map(dashed)));
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines {
        let padded = line.iter().zip(widths);
        let padded: Vec<String> = padded
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
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

/// A small cluster in which a metadata node is down.
#[cfg(test)]
pub(super) fn example() -> ClusterStatus {
    let node = |name: &str, role, id, state| NodeStatus {
        name: name.to_owned(),
        role,
        id,
        address: format!("127.0.0.1:{id}"),
        admin: String::new(),
        zone: String::new(),
        state,
    };
    let group = |group, leader: Option<&str>, debts| GroupStatus {
        group,
        leader: leader.map(str::to_owned),
        term: 3,
        voters: vec!["meta-1".to_owned(), "meta-2".to_owned()],
        learners: Vec::new(),
        replicas: vec![ReplicaStatus {
            node: "meta-1".to_owned(),
            state: "follower".to_owned(),
            term: 3,
            last_log_index: 8,
            applied_index: 7,
            snapshot_index: 0,
            purged_index: 0,
            state_hash: "0".repeat(32),
        }],
        debts,
    };
    let debts = super::GroupDebts {
        clock_ms: 1,
        freed_blobs: 2,
        condemned_blobs: 0,
        degraded_blobs: 4,
        state_hash: "0".repeat(32),
    };
    ClusterStatus {
        version: "0.1.0".to_owned(),
        cluster: "0".repeat(32),
        topology_epoch: 3,
        groups: vec![group(0, None, None), group(1, Some("meta-1"), Some(debts))],
        nodes: vec![
            node("meta-1", NodeRole::Meta, 1, NodeState::Up),
            node("meta-2", NodeRole::Meta, 22, NodeState::Down),
            node("storage-1", NodeRole::Storage, u64::MAX, NodeState::Up),
        ],
        disks: vec![DiskStatus {
            disk: "f".repeat(32),
            node: "storage-1".to_owned(),
            path: "/d".to_owned(),
            state: "out of service".to_owned(),
            reason: "a sync failed".to_owned(),
            capacity_bytes: 1 << 30,
            available_bytes: 1536,
            live_bytes: 0,
            removed_bytes: 0,
            damaged_cells: 0,
        }],
        pools: vec![PoolStatus {
            pool: 1,
            name: "default".to_owned(),
            profile: "4+2".to_owned(),
            placement_groups: 64,
            whole_placement_groups: 63,
        }],
        problems: vec!["group 0 has no leader".to_owned()],
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
    fn tables_have_a_line_for_each_and_no_empty_cell() {
        let status = example();
        assert_eq!(
            nodes_table(&status.nodes),
            "NODE       ROLE     STATE  ADDRESS                         ADMIN  ZONE  ID\n\
             meta-1     meta     up     127.0.0.1:1                     -      -     1\n\
             meta-2     meta     down   127.0.0.1:22                    -      -     22\n\
             storage-1  storage  up     127.0.0.1:18446744073709551615  -      -     18446744073709551615\n"
        );
        let groups = groups_table(&status.groups);
        assert!(groups.contains("0      none    3     meta-1,meta-2  -         7        -\n"));
        assert!(groups.contains("meta-1  3  "), "{groups}");
        assert!(groups.contains("2 to remove, 0 condemned, 4 degraded\n"));
        assert!(disks_table(&status.disks).contains("out of service (a sync failed)  0 B"));
        assert_eq!(nodes_table(&[]).lines().count(), 1, "the head");
    }

    #[test]
    fn a_status_ends_with_what_is_wrong() {
        let mut status = example();
        assert!(
            status
                .to_string()
                .ends_with("\nproblems:\n  group 0 has no leader")
        );
        status.problems.clear();
        let text = status.to_string();
        assert!(text.ends_with("\n\nhealthy"), "{text}");
        assert!(text.contains("pool default 4+2: 63 of 64 placement groups whole\n"));
    }

    #[test]
    fn replicas_that_are_not_equally_far_show_it() {
        let mut replicas = vec![];
        assert_eq!(applied(&replicas), "");
        replicas.extend(example().groups.remove(0).replicas);
        replicas.extend(replicas.clone());
        assert_eq!(applied(&replicas), "7");
        for replica in replicas.iter_mut().take(1) {
            replica.applied_index = 14;
        }
        assert_eq!(applied(&replicas), "7-14");
    }
}
