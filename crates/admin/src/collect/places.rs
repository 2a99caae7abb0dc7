//! Storage nodes, disks and pools, as they are told. Nothing in here asks anybody.

use std::collections::HashMap;

use cairn_client::shards::DiskSummary;
use cairn_client::topology::Layout;
use cairn_types::cluster::{Disk, PlacementGroup, StorageNode};
use cairn_types::id::DiskId;

use crate::status::{DiskStatus, NodeRole, NodeState, NodeStatus, PoolStatus};

/// What a storage node said of its disks, or why it said nothing.
pub(super) type Described = Result<Vec<DiskSummary>, String>;

/// What the nodes say of their disks.
type Summaries = HashMap<DiskId, DiskSummary>;

/// Storage nodes, disks and pools.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) nodes: Vec<NodeStatus>,
    pub(super) disks: Vec<DiskStatus>,
    pub(super) pools: Vec<PoolStatus>,
    /// What is wrong with them, one line each.
    pub(super) problems: Vec<String>,
}

impl Places {
    /// Those of a topology, whose nodes said this, in its order.
    pub(super) fn new(layout: &Layout, described: Vec<Described>) -> Self {
        let mut places = Self::default();
        let mut all = Summaries::new();
        let topology = layout.topology();
        for (node, described) in topology.nodes.iter().zip(described) {
            if let Err(error) = &described {
                places.problems.push(format!(
                    "storage node {} does not answer: {error}",
                    node.name
                ));
            }
            let is_up = described.is_ok();
            let summaries = described.unwrap_or_default().into_iter();
            let summaries: Summaries = summaries.map(|summary| (summary.disk, summary)).collect();
            for disk in topology.disks.iter().filter(|disk| disk.node == node.id) {
                places.add_disk(node, disk, summaries.get(&disk.id), is_up);
            }
            places.nodes.push(NodeStatus {
                name: node.name.clone(),
                role: NodeRole::Storage,
                id: node.id.get(),
                address: node.address.clone(),
                admin: node.admin_address.clone(),
                zone: node.location.zone.clone(),
                state: if is_up {
                    NodeState::Up
                } else {
                    NodeState::Down
                },
            });
            all.extend(summaries);
        }
        places.add_pools(layout, &all);
        places
    }

    fn add_disk(
        &mut self,
        node: &StorageNode,
        disk: &Disk,
        summary: Option<&DiskSummary>,
        is_node_up: bool,
    ) {
        let (state, reason) = match summary {
            None if is_node_up => ("missing", String::new()),
            None => ("missing", "its node does not answer".to_owned()),
            Some(summary) => match &summary.out_of_service {
                None => ("in service", String::new()),
                Some(reason) => ("out of service", reason.clone()),
            },
        };
        if is_node_up && state != "in service" {
            self.problems
                .push(format!("disk {} of {} is {state}", disk.id, node.name));
        }
        let damaged_cells = summary.map_or(0, |summary| summary.damaged_cells);
        if damaged_cells > 0 {
            self.problems.push(format!(
                "disk {} of {}: {damaged_cells} damaged cells",
                disk.id, node.name
            ));
        }
        self.disks.push(DiskStatus {
            disk: disk.id.to_string(),
            node: node.name.clone(),
            path: summary.map_or_else(String::new, |summary| summary.path.clone()),
            state: state.to_owned(),
            reason,
            capacity_bytes: disk.capacity_bytes,
            available_bytes: summary.map_or(0, |summary| summary.available_bytes),
            live_bytes: summary.map_or(0, |summary| summary.live_bytes),
            removed_bytes: summary.map_or(0, |summary| summary.removed_bytes),
            damaged_cells,
        });
    }

    fn add_pools(&mut self, layout: &Layout, summaries: &Summaries) {
        let topology = layout.topology();
        let is_whole = |group: &&PlacementGroup| {
            group.members.iter().all(|disk| {
                summaries
                    .get(disk)
                    .is_some_and(|summary| summary.out_of_service.is_none())
            })
        };
        for pool in &topology.pools {
            let groups = || {
                let groups = topology.placement_groups.iter();
                groups.filter(|group| group.pool == pool.id)
            };
            let whole = groups().filter(is_whole).count();
            // Groups of a fallback pool are made when they are needed.
            let is_unused = pool.is_fallback && groups().next().is_none();
            if whole == 0 && !is_unused {
                self.problems.push(format!(
                    "pool {}: no placement group has all its disks in service",
                    pool.name
                ));
            }
            self.pools.push(PoolStatus {
                pool: pool.id.get(),
                name: pool.name.clone(),
                profile: pool.profile.to_string(),
                placement_groups: groups().count(),
                whole_placement_groups: whole,
            });
        }
        if layout.pool(topology.write_pool).is_none() {
            self.problems.push(
                "there is no pool to write to yet: are there enough storage nodes?".to_owned(),
            );
        }
    }
}
