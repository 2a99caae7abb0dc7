//! The topology as this process knows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use cairn_runtime::Tasks;
use cairn_types::cluster::{Disk, PlacementGroup, Pool, StorageNode, Topology};
use cairn_types::id::{DiskId, Epoch, NodeId, PlacementGroupId, PoolId};
use cairn_types::namespace::{RootQuery, RootView};

use crate::meta::{MetaClient, QueryError};

/// How often the root group is asked whether the topology changed.
const POLL: Duration = Duration::from_secs(2);

/// A topology with tables for looking things up. It does not change.
#[derive(Debug)]
pub struct Layout {
    topology: Topology,
    nodes: HashMap<NodeId, usize>,
    disks: HashMap<DiskId, usize>,
    /// The place of a disk among those of its node, by id.
    slots: HashMap<DiskId, usize>,
    pools: HashMap<PoolId, usize>,
    placement_groups: HashMap<PlacementGroupId, usize>,
}

impl Layout {
    /// Makes the tables.
    pub fn new(topology: Topology) -> Self {
        Self {
            nodes: positions(topology.nodes.iter().map(|node| node.id)),
            disks: positions(topology.disks.iter().map(|disk| disk.id)),
            slots: slots(&topology.disks),
            pools: positions(topology.pools.iter().map(|pool| pool.id)),
            placement_groups: positions(topology.placement_groups.iter().map(|group| group.id)),
            topology,
        }
    }

    /// The topology itself.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> Option<&StorageNode> {
        self.topology.nodes.get(*self.nodes.get(&id)?)
    }

    /// The disk with this id.
    pub fn disk(&self, id: DiskId) -> Option<&Disk> {
        self.topology.disks.get(*self.disks.get(&id)?)
    }

    /// The node that a disk is in.
    pub fn node_of(&self, disk: DiskId) -> Option<&StorageNode> {
        self.node(self.disk(disk)?.node)
    }

    /// The place of a disk among the disks of its node: 0, 1, …
    pub fn slot_of(&self, disk: DiskId) -> Option<usize> {
        self.slots.get(&disk).copied()
    }

    /// The pool with this id.
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.topology.pools.get(*self.pools.get(&id)?)
    }

    /// The placement group with this id.
    pub fn placement_group(&self, id: PlacementGroupId) -> Option<&PlacementGroup> {
        self.topology
            .placement_groups
            .get(*self.placement_groups.get(&id)?)
    }
}

/// The newest topology that this process has heard of. Cloning shares it.
#[derive(Clone)]
pub struct TopologyCache {
    shared: Arc<Shared>,
}

struct Shared {
    meta: Option<MetaClient>,
    current: ArcSwap<Layout>,
    /// How often the root group was begun to be asked.
    begun: AtomicU64,
    /// Held while the root group is asked, so that many who miss the same thing ask once.
    last: tokio::sync::Mutex<Option<Asked>>,
}

/// How asking the root group ended.
#[derive(Clone)]
struct Asked {
    /// Which ask it was: 1, 2, …
    number: u64,
    outcome: Result<Arc<Layout>, QueryError>,
}

impl TopologyCache {
    /// Asks the root group for the topology.
    ///
    /// # Errors
    /// When the root group does not answer.
    pub async fn load(meta: MetaClient) -> Result<Self, QueryError> {
        let topology = ask(&meta, Epoch::new(0))
            .await?
            .ok_or_else(QueryError::unexpected_view)?;
        tell_nodes(&meta, &topology);
        Ok(Self::with(Some(meta), topology))
    }

    /// A topology that never changes, for tools and tests.
    pub fn fixed(topology: Topology) -> Self {
        Self::with(None, topology)
    }

    /// Keeps it up to date from now on.
    pub fn watch(&self, tasks: &Tasks) {
        let cache = self.clone();
        tasks.spawn_essential("watch topology", async move {
            loop {
                tokio::time::sleep(POLL).await;
                // The old one stays in use: what it misses is found when somebody needs it.
                if let Err(error) = cache.refresh().await {
                    tracing::debug!(%error, "topology not refreshed");
                }
            }
        });
    }

    /// The newest known. Does not wait.
    pub fn current(&self) -> Arc<Layout> {
        self.shared.current.load_full()
    }

    /// What the root group says now: the outcome of an ask that began after this call. Who calls while another one is under
    /// way waits for it to end and shares the next one with all others who wait, so that nobody waits longer than two asks
    /// take.
    ///
    /// # Errors
    /// When the root group does not answer.
    pub async fn refresh(&self) -> Result<Arc<Layout>, QueryError> {
        let Some(meta) = &self.shared.meta else {
            return Ok(self.current());
        };
        let begun_before = self.shared.begun.load(Ordering::SeqCst);
        let mut last = self.shared.last.lock().await;
        if let Some(asked) = &*last
            && asked.number > begun_before
        {
            return asked.outcome.clone();
        }
        let number = self.shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let outcome = self.renew(meta).await;
        *last = Some(Asked {
            number,
            outcome: outcome.clone(),
        });
        outcome
    }

    async fn renew(&self, meta: &MetaClient) -> Result<Arc<Layout>, QueryError> {
        let current = self.current();
        match ask(meta, current.topology().epoch).await? {
            Some(topology) => {
                tell_nodes(meta, &topology);
                let layout = Arc::new(Layout::new(topology));
                self.shared.current.store(Arc::clone(&layout));
                Ok(layout)
            }
            None => Ok(current),
        }
    }

    /// The newest topology that has this placement group; asks the root group when the known one has not.
    ///
    /// # Errors
    /// When the root group does not answer, or does not know it either: `Malformed`.
    pub async fn with_placement_group(
        &self,
        id: PlacementGroupId,
    ) -> Result<Arc<Layout>, QueryError> {
        let current = self.current();
        if current.placement_group(id).is_some() {
            return Ok(current);
        }
        let newest = self.refresh().await?;
        match newest.placement_group(id) {
            Some(_) => Ok(newest),
            None => Err(QueryError::malformed(&format!(
                "{id:?} is not in the topology"
            ))),
        }
    }

    fn with(meta: Option<MetaClient>, topology: Topology) -> Self {
        Self {
            shared: Arc::new(Shared {
                meta,
                current: ArcSwap::from_pointee(Layout::new(topology)),
                begun: AtomicU64::new(0),
                last: tokio::sync::Mutex::default(),
            }),
        }
    }
}

impl std::fmt::Debug for TopologyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "topology at {:?}", self.current().topology().epoch)
    }
}

async fn ask(meta: &MetaClient, known: Epoch) -> Result<Option<Topology>, QueryError> {
    match meta.ask_root(RootQuery::Topology { known }).await?.value {
        RootView::Topology(topology) => Ok(topology),
        _ => Err(QueryError::unexpected_view()),
    }
}

/// Lets the client know where the metadata nodes are. They may have moved since it heard of them.
fn tell_nodes(meta: &MetaClient, topology: &Topology) {
    let nodes = topology.meta_nodes.iter();
    let nodes = nodes.filter(|node| !node.address.is_empty());
    let nodes: Vec<_> = nodes.map(|node| (node.id, node.address.clone())).collect();
    meta.set_nodes(&nodes);
}

fn positions<Id: std::hash::Hash + Eq>(ids: impl Iterator<Item = Id>) -> HashMap<Id, usize> {
    ids.enumerate().map(|(at, id)| (id, at)).collect()
}

fn slots(disks: &[Disk]) -> HashMap<DiskId, usize> {
    let mut used: HashMap<NodeId, usize> = HashMap::new();
    disks
        .iter()
        .map(|disk| {
            let next = used.entry(disk.node).or_default();
            let slot = *next;
            *next += 1;
            (disk.id, slot)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use cairn_types::cluster::Profile;
    use cairn_types::id::{ClusterId, GroupId};

    use super::*;

    #[tokio::test]
    async fn things_are_found_by_their_ids_and_nothing_else_is() {
        let layout = Layout::new(topology());
        let node = layout.node_of(DiskId::new(12)).unwrap();
        assert_eq!(node.id, NodeId::new(2));
        let slots = [11, 12, 13].map(|disk| layout.slot_of(DiskId::new(disk)));
        assert_eq!(slots, [Some(0), Some(0), Some(1)]);
        assert_eq!(layout.pool(PoolId::new(1)).unwrap().name, "default");
        let group = layout.placement_group(PlacementGroupId::new(7)).unwrap();
        assert_eq!(group.members, [DiskId::new(12), DiskId::new(11)]);
        assert!(layout.node_of(DiskId::new(14)).is_none());

        let cache = TopologyCache::fixed(topology());
        assert!(
            cache
                .with_placement_group(PlacementGroupId::new(7))
                .await
                .is_ok()
        );
        assert!(
            cache
                .with_placement_group(PlacementGroupId::new(8))
                .await
                .is_err()
        );
    }

    fn topology() -> Topology {
        let node = |id| StorageNode {
            id: NodeId::new(id),
            name: format!("storage-{id}"),
            address: String::new(),
            admin_address: String::new(),
            incarnation: 0,
            location: cairn_types::cluster::Location::default(),
        };
        let disk = |id, node| Disk {
            id: DiskId::new(id),
            node: NodeId::new(node),
            capacity_bytes: 1,
        };
        Topology {
            cluster: ClusterId::new(1),
            epoch: Epoch::new(3),
            data_groups: vec![GroupId::new(1)],
            nodes: vec![node(1), node(2)],
            disks: vec![disk(11, 1), disk(12, 2), disk(13, 2)],
            pools: vec![Pool {
                id: PoolId::new(1),
                name: "default".to_owned(),
                profile: Profile::new(1, 1).unwrap(),
                cell_len: 1 << 20,
                is_fallback: false,
            }],
            placement_groups: vec![PlacementGroup {
                id: PlacementGroupId::new(7),
                pool: PoolId::new(1),
                epoch: Epoch::new(1),
                members: vec![DiskId::new(12), DiskId::new(11)],
            }],
            meta_nodes: Vec::new(),
            write_pool: PoolId::new(1),
        }
    }
}
