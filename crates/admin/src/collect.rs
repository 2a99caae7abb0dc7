//! Asks the cluster how it is.

pub(crate) mod metadata;
mod places;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cairn_client::topology::Layout;
use cairn_client::{Blobs, MetaClient, ShardClient, TopologyCache};
use cairn_types::cluster::{PlacementGroup, StorageNode};
use cairn_types::id::{DiskId, GroupId, NodeId};
use cairn_types::namespace::data;
use futures::future::{join_all, try_join_all};
use tokio::time::timeout;

use crate::Readiness;
use crate::status::{ClusterStatus, GroupDebts, NodeRole, NodeState, NodeStatus};
use metadata::{Heard, Metadata};
use places::{Described, Places};

/// How long a group or a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Gathers the state of a cluster from its parts.
#[derive(Clone)]
pub struct Collector {
    meta: MetaClient,
    topology: TopologyCache,
    blobs: Blobs,
    shards: ShardClient,
}

impl Collector {
    /// A collector that asks by these clients.
    pub fn new(meta: MetaClient, topology: TopologyCache, shards: ShardClient) -> Self {
        Self {
            blobs: Blobs::new(meta.clone()),
            meta,
            topology,
            shards,
        }
    }

    /// The state now. Asks every group and every node once, all at the same time, and takes four seconds at the most: who
    /// does not answer is part of the answer. Where the root group does not, nodes and disks are those that this process
    /// heard of last.
    pub async fn status(&self) -> ClusterStatus {
        let refreshed = timeout(PATIENCE, self.topology.refresh()).await;
        let layout = refreshed.ok().and_then(Result::ok);
        let is_root_led = layout.is_some();
        let layout = layout.unwrap_or_else(|| self.topology.current());
        let topology = layout.topology();
        let (metadata, owed, described) = futures::join!(
            hear(&self.meta, &layout),
            join_all(topology.data_groups.iter().map(|group| self.owed(*group))),
            join_all(topology.nodes.iter().map(|node| self.describe(node))),
        );
        let mut problems = Vec::new();
        let mut groups = Vec::new();
        let root = (GroupId::ROOT, is_root_led, None);
        let data = topology.data_groups.iter().zip(owed);
        let data = data.map(|(group, owed)| (*group, owed.is_some(), owed));
        for (group, is_led, owed) in std::iter::once(root).chain(data) {
            let mut status = metadata.status(group, self.leader(&metadata, group, is_led));
            if !is_led {
                problems.push(no_leader(group, &layout));
            }
            if let Some(owed) = owed.as_ref().filter(|owed| owed.degraded_blobs > 0) {
                let blobs = owed.degraded_blobs;
                problems.push(format!("group {group}: {blobs} blobs lack shards"));
            }
            status.debts = owed.as_ref().map(debts);
            groups.push(status);
        }
        let ids: Vec<GroupId> = all_groups(&layout).collect();
        problems.extend(metadata.problems(&ids));
        let mut places = Places::new(&layout, described);
        problems.extend(places.problems);
        let mut nodes: Vec<NodeStatus> = metadata.nodes().iter().map(meta_node).collect();
        nodes.extend(places.nodes);
        nodes.sort_by_key(|node| (node.role, by_name(&node.name)));
        places
            .disks
            .sort_by_key(|disk| (by_name(&disk.node), disk.path.clone()));
        ClusterStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: topology.cluster.to_string(),
            topology_epoch: topology.epoch.get(),
            groups,
            nodes,
            disks: places.disks,
            pools: places.pools,
            problems,
        }
    }

    /// Whether every group takes commits and some placement group takes shards. Asks every group once, for two seconds at the
    /// most; what is known of disks is up to two seconds old.
    pub async fn writable(&self) -> Readiness {
        let Ok(Ok(layout)) = timeout(PATIENCE, self.topology.refresh()).await else {
            return Readiness::NotReady("no-metadata-leader");
        };
        let groups = layout.topology().data_groups.iter();
        let asked = try_join_all(groups.map(|group| self.blobs.status(*group)));
        if !matches!(timeout(PATIENCE, asked).await, Ok(Ok(_))) {
            return Readiness::NotReady("no-metadata-leader");
        }
        if self.has_place(&layout) {
            Readiness::Ready
        } else {
            Readiness::NotReady("no-write-quorum")
        }
    }

    /// Whether the pool that is written to has a group that takes shards, or two nodes are left for a fallback group.
    fn has_place(&self, layout: &Layout) -> bool {
        let topology = layout.topology();
        let Some(pool) = layout.pool(topology.write_pool) else {
            return false;
        };
        let is_live = |disk: &DiskId| self.shards.is_writable(*disk);
        let has_quorum = |group: &PlacementGroup| {
            group.pool == pool.id
                && group.members.iter().filter(|disk| is_live(disk)).count()
                    >= pool.profile.write_quorum()
        };
        let live_nodes: BTreeSet<NodeId> = topology
            .disks
            .iter()
            .filter(|disk| is_live(&disk.id))
            .map(|disk| disk.node)
            .collect();
        live_nodes.len() >= 2 || topology.placement_groups.iter().any(has_quorum)
    }

    /// Who leads a group that answers: who says so, or else who answered.
    fn leader(&self, metadata: &Metadata, group: GroupId, is_led: bool) -> Option<NodeId> {
        if !is_led {
            return None;
        }
        let claimed = metadata.group(group).and_then(|view| view.leader);
        claimed.or_else(|| self.meta.leader(group))
    }

    /// What a group owes; nothing if it does not answer.
    async fn owed(&self, group: GroupId) -> Option<data::GroupStatus> {
        let asked = timeout(PATIENCE, self.blobs.status(group)).await;
        asked.ok()?.ok()
    }

    async fn describe(&self, node: &StorageNode) -> Described {
        match timeout(PATIENCE, self.shards.describe(node)).await {
            Ok(described) => described.map_err(|error| error.reason),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

/// Asks all metadata nodes how their groups are: those on record or, where none are, those that the client knows.
pub(crate) async fn hear(meta: &MetaClient, layout: &Layout) -> Metadata {
    let on_record = &layout.topology().meta_nodes;
    let mut nodes: Vec<_> = on_record
        .iter()
        .map(|row| (row.id, Some(row.clone())))
        .collect();
    if nodes.is_empty() {
        let mut known = meta.nodes();
        known.sort_unstable();
        nodes.extend(known.into_iter().map(|id| (id, None)));
    }
    let asked = nodes.into_iter().map(|(id, row)| async move {
        let said = meta.node_status(id).await;
        Heard { id, row, said }
    });
    Metadata::new(join_all(asked).await)
}

/// The root group and all data groups.
pub(crate) fn all_groups(layout: &Layout) -> impl Iterator<Item = GroupId> {
    let data = layout.topology().data_groups.iter().copied();
    std::iter::once(GroupId::ROOT).chain(data)
}

/// Names in the order in which people count: `meta-10` behind `meta-9`.
fn by_name(name: &str) -> (usize, String) {
    (name.len(), name.to_owned())
}

fn no_leader(group: GroupId, layout: &Arc<Layout>) -> String {
    if group == GroupId::ROOT {
        let epoch = layout.topology().epoch;
        format!(
            "group 0 has no leader that answers: nodes, disks and pools are those of epoch {epoch}, which may be out of date"
        )
    } else {
        format!("group {group} has no leader that answers")
    }
}

fn debts(owed: &data::GroupStatus) -> GroupDebts {
    GroupDebts {
        clock_ms: owed.clock.as_millis(),
        freed_blobs: owed.freed_blobs,
        condemned_blobs: owed.condemned_blobs,
        degraded_blobs: owed.degraded_blobs,
        state_hash: format!("{:032x}", owed.state_hash),
    }
}

fn meta_node(heard: &Heard) -> NodeStatus {
    let row = heard.row.as_ref();
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    NodeStatus {
        name: heard.name(),
        role: NodeRole::Meta,
        id: heard.id.get(),
        address: text(row.map(|row| &row.address)),
        admin: text(row.map(|row| &row.admin_address)),
        zone: String::new(),
        state: if heard.said.is_ok() {
            NodeState::Up
        } else {
            NodeState::Down
        },
    }
}
