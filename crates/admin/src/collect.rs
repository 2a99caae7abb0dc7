//! Asks the cluster how it is.

use std::collections::HashMap;

use cairn_client::shards::DiskSummary;
use cairn_client::topology::Layout;
use cairn_client::{Blobs, QueryError, ShardClient, TopologyCache};
use cairn_types::cluster::{Disk, PlacementGroup};
use cairn_types::id::DiskId;

use crate::status::{ClusterStatus, DiskStatus, GroupStatus, NodeStatus, PoolStatus};

/// Gathers the state of a cluster from its parts.
#[derive(Clone)]
pub struct Collector {
    topology: TopologyCache,
    blobs: Blobs,
    shards: ShardClient,
}

/// What the nodes say of their disks.
type Summaries = HashMap<DiskId, DiskSummary>;

impl Collector {
    /// A collector that asks by these clients.
    pub fn new(topology: TopologyCache, blobs: Blobs, shards: ShardClient) -> Self {
        Self {
            topology,
            blobs,
            shards,
        }
    }

    /// The state now. Asks every data group and every storage node once.
    ///
    /// # Errors
    /// When the metadata does not answer. A storage node that does not is part of the answer.
    pub async fn status(&self) -> Result<ClusterStatus, QueryError> {
        let layout = self.topology.refresh().await?;
        let topology = layout.topology();
        let mut problems = Vec::new();
        let mut groups = Vec::new();
        for group in &topology.data_groups {
            let status = self.blobs.status(*group).await?;
            if status.degraded_blobs > 0 {
                problems.push(format!(
                    "group {group}: {} blobs lack shards",
                    status.degraded_blobs
                ));
            }
            groups.push(GroupStatus {
                group: group.get(),
                clock_ms: status.clock.as_millis(),
                freed_blobs: status.freed_blobs,
                condemned_blobs: status.condemned_blobs,
                degraded_blobs: status.degraded_blobs,
                state_hash: format!("{:032x}", status.state_hash),
            });
        }
        let (nodes, summaries) = self.nodes(&layout, &mut problems).await;
        Ok(ClusterStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: topology.cluster.to_string(),
            topology_epoch: topology.epoch.get(),
            groups,
            nodes,
            pools: pools(&layout, &summaries, &mut problems),
            problems,
        })
    }

    async fn nodes(
        &self,
        layout: &Layout,
        problems: &mut Vec<String>,
    ) -> (Vec<NodeStatus>, Summaries) {
        let mut all = Summaries::new();
        let mut nodes = Vec::new();
        for node in &layout.topology().nodes {
            let described = self.shards.describe(node).await;
            if let Err(error) = &described {
                problems.push(format!("storage node {} does not answer: {error}", node.id));
            }
            let reachable = described.is_ok();
            let summaries: Summaries = described
                .unwrap_or_default()
                .into_iter()
                .map(|summary| (summary.disk, summary))
                .collect();
            let disks = layout
                .topology()
                .disks
                .iter()
                .filter(|disk| disk.node == node.id)
                .map(|disk| disk_status(disk, summaries.get(&disk.id), problems))
                .collect();
            nodes.push(NodeStatus {
                node: node.id.get(),
                address: node.address.clone(),
                zone: node.location.zone.clone(),
                reachable,
                disks,
            });
            all.extend(summaries);
        }
        (nodes, all)
    }
}

fn disk_status(
    disk: &Disk,
    summary: Option<&DiskSummary>,
    problems: &mut Vec<String>,
) -> DiskStatus {
    let (state, reason) = match summary {
        None => ("missing", String::new()),
        Some(summary) => match &summary.out_of_service {
            None => ("in service", String::new()),
            Some(reason) => ("out of service", reason.clone()),
        },
    };
    if state != "in service" {
        problems.push(format!("disk {} is {state}", disk.id));
    }
    let damaged_cells = summary.map_or(0, |summary| summary.damaged_cells);
    if damaged_cells > 0 {
        problems.push(format!("disk {}: {damaged_cells} damaged cells", disk.id));
    }
    DiskStatus {
        disk: disk.id.to_string(),
        path: summary.map_or_else(String::new, |summary| summary.path.clone()),
        state: state.to_owned(),
        reason,
        capacity_bytes: disk.capacity_bytes,
        available_bytes: summary.map_or(0, |summary| summary.available_bytes),
        live_bytes: summary.map_or(0, |summary| summary.live_bytes),
        removed_bytes: summary.map_or(0, |summary| summary.removed_bytes),
        damaged_cells,
    }
}

fn pools(layout: &Layout, summaries: &Summaries, problems: &mut Vec<String>) -> Vec<PoolStatus> {
    let topology = layout.topology();
    let is_whole = |group: &&PlacementGroup| {
        group.members.iter().all(|disk| {
            summaries
                .get(disk)
                .is_some_and(|summary| summary.out_of_service.is_none())
        })
    };
    topology
        .pools
        .iter()
        .map(|pool| {
            let groups = || {
                topology
                    .placement_groups
                    .iter()
                    .filter(|group| group.pool == pool.id)
            };
            let whole = groups().filter(is_whole).count();
            if whole == 0 {
                problems.push(format!(
                    "pool {}: no placement group has all its disks in service",
                    pool.name
                ));
            }
            PoolStatus {
                pool: pool.id.get(),
                name: pool.name.clone(),
                profile: pool.profile.to_string(),
                placement_groups: groups().count(),
                whole_placement_groups: whole,
            }
        })
        .collect()
}
