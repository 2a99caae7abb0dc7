//! Telling the root group that a node is there, and making sure that it is the only one of its kind.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use cairn_client::{MetaClient, MutateError, Peers, ShardClient, TopologyCache};
use cairn_rpc::identity::{Introduce, Role};
use cairn_rpc::socket::Dialer;
use cairn_runtime::SharedClock;
use cairn_types::cluster::{Disk, MetaNode, StorageNode};
use cairn_types::id::{ClusterId, NodeId};
use cairn_types::namespace::{Refusal, RootMutation};

use super::discovery::{self, Pause};

/// How often what was registered is looked at again.
pub(super) const FOLLOW: Duration = Duration::from_secs(1);

/// Registers a metadata node. Waits for the root group as long as it takes.
///
/// # Errors
/// When another process is that node, or has its name; when the cluster does not take it any more.
pub(super) async fn register_meta(
    client: &MetaClient,
    dialer: &Dialer,
    mut node: MetaNode,
) -> Result<()> {
    let layout = topology(client).await.current();
    let known = layout.topology().meta_nodes.iter();
    let known = known.filter(|known| known.id == node.id || known.name == node.name);
    node.incarnation = newest(known.map(|known| known.incarnation), node.incarnation);
    for other in &layout.topology().meta_nodes {
        let is_rival = other.id == node.id || other.name == node.name;
        if !is_rival || other.address == node.address {
            continue;
        }
        let Ok(channel) = dialer.connect(&other.address) else {
            continue;
        };
        let identity = discovery::identify(channel).await;
        if identity.is_some_and(|identity| identity.node == other.id) {
            bail!(taken(
                other.id == node.id,
                other.id,
                &other.name,
                &other.address
            ));
        }
    }
    register(client, RootMutation::RegisterMeta { node }).await
}

/// Makes sure that no other process is this storage node or has its name.
///
/// # Errors
/// When there is one.
pub(super) async fn check_storage(
    topology: &TopologyCache,
    cluster: ClusterId,
    dialer: &Dialer,
    clock: &SharedClock,
    node: &StorageNode,
) -> Result<()> {
    // Storage nodes answer those who read and write, and not each other: this is asked as a gateway would.
    let introduce = Introduce::new(cluster, node.id, Role::Gateway);
    let peers = Peers::new(introduce, dialer.clone(), []);
    let shards = ShardClient::new(peers, topology.clone(), Arc::clone(clock));
    for other in &topology.current().topology().nodes {
        let is_rival = other.id == node.id || other.name == node.name;
        // The call names the node that it is meant for, and nobody else answers it.
        if is_rival && other.address != node.address && shards.describe(other).await.is_ok() {
            bail!(taken(
                other.id == node.id,
                other.id,
                &other.name,
                &other.address
            ));
        }
    }
    Ok(())
}

/// Which start of a process this is, at the time `started`: also with a clock that went back since the starts before it.
pub(super) fn newest(known: impl Iterator<Item = u64>, started: u64) -> u64 {
    known
        .map(|known| known.saturating_add(1))
        .fold(started, u64::max)
}

/// Registers a storage node and its disks. Waits for the root group as long as it takes.
///
/// # Errors
/// When the cluster does not take it any more.
pub(super) async fn register_storage(
    client: &MetaClient,
    node: StorageNode,
    disks: Vec<Disk>,
) -> Result<()> {
    register(client, RootMutation::RegisterStorage { node, disks }).await
}

/// The topology. Waits for the root group as long as it takes.
pub(super) async fn topology(client: &MetaClient) -> TopologyCache {
    let mut pause = Pause::new();
    loop {
        match TopologyCache::load(client.clone()).await {
            Ok(topology) => return topology,
            Err(error) => tracing::warn!(%error, "waiting for the metadata to answer"),
        }
        pause.wait().await;
    }
}

async fn register(client: &MetaClient, registration: RootMutation) -> Result<()> {
    let mut pause = Pause::new();
    loop {
        match client.change_root(registration.clone()).await {
            Ok(_) => return Ok(()),
            Err(MutateError::Refused(refusal @ Refusal::TopologyConflict { .. })) => bail!(
                "the cluster does not take this node: {refusal}; was it removed, or is a newer start of it running? \
                 With an empty directory it joins as a new one"
            ),
            // No waiting mends it.
            Err(MutateError::Refused(refusal @ Refusal::Malformed { .. })) => {
                bail!("the cluster does not take what this node says of itself: {refusal}")
            }
            Err(error) => tracing::warn!(%error, "not registered yet"),
        }
        pause.wait().await;
    }
}

/// Why a node cannot be what another one is.
fn taken(is_same: bool, id: NodeId, name: &str, address: &str) -> String {
    if is_same {
        format!(
            "node {id} is running at {address}: is this directory a copy of its? Start only one of them"
        )
    } else {
        format!("a node named {name} is running at {address}: give this one another node.name")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cairn_rpc::identity::{Check, STORAGE_CALLERS};
    use cairn_rpc::socket::listen;
    use cairn_runtime::{Metrics, SystemClock, Tasks};
    use cairn_storage::{Storage, StorageConfig};
    use cairn_types::cluster::{Location, Topology};
    use cairn_types::id::{Epoch, PoolId};
    use tonic::service::interceptor::InterceptedService;

    use super::*;

    const CLUSTER: ClusterId = ClusterId::new(1);

    #[test]
    fn a_start_is_newer_than_those_before_it_whatever_the_clock_says() {
        assert_eq!(newest([].into_iter(), 7), 7);
        assert_eq!(newest([3, 5].into_iter(), 7), 7);
        assert_eq!(newest([3, 7].into_iter(), 7), 8);
        assert_eq!(newest([9, 3].into_iter(), 7), 10);
    }

    fn row(id: u64, name: &str, address: &str) -> StorageNode {
        StorageNode {
            id: NodeId::new(id),
            name: name.to_owned(),
            address: address.to_owned(),
            admin_address: String::new(),
            incarnation: 1,
            location: Location::default(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_storage_node_that_runs_elsewhere_is_not_started_a_second_time() {
        let directory = tempfile::tempdir().unwrap();
        let (clock, metrics, tasks) = (SystemClock::shared(), Metrics::new(), Tasks::new());
        let config = StorageConfig::new(vec![directory.path().join("disk")]);
        let opening = {
            let (clock, metrics, tasks) = (Arc::clone(&clock), metrics.clone(), tasks.clone());
            move || Storage::open(&config, NodeId::new(1), CLUSTER, clock, &tasks, &metrics)
        };
        let storage = tokio::task::spawn_blocking(opening).await.unwrap().unwrap();
        let (address, incoming) = listen("127.0.0.1:0", &metrics).await.unwrap();
        let check = Check::new(CLUSTER, NodeId::new(1), STORAGE_CALLERS);
        let service = InterceptedService::new(storage.service(), check);
        let router = cairn_rpc::server::builder(&metrics).add_service(service);
        crate::clients::serve(
            "storage service",
            &tasks,
            router.serve_with_incoming(incoming),
        );

        let there = row(1, "storage-1", &address.to_string());
        let topology = TopologyCache::fixed(Topology {
            cluster: CLUSTER,
            epoch: Epoch::new(1),
            data_groups: Vec::new(),
            nodes: vec![there.clone()],
            disks: Vec::new(),
            pools: Vec::new(),
            placement_groups: Vec::new(),
            meta_nodes: Vec::new(),
            write_pool: PoolId::new(0),
        });
        let dialer = Dialer::new(&metrics);
        let start = |node: StorageNode| {
            let (topology, dialer, clock) = (&topology, &dialer, &clock);
            async move { check_storage(topology, CLUSTER, dialer, clock, &node).await }
        };
        let elsewhere = "127.0.0.1:1";
        let copy = start(row(1, "storage-2", elsewhere)).await.unwrap_err();
        assert!(copy.to_string().contains("a copy of its"), "{copy}");
        let namesake = start(row(2, "storage-1", elsewhere)).await.unwrap_err();
        assert!(
            namesake.to_string().contains("another node.name"),
            "{namesake}"
        );
        start(row(2, "storage-2", elsewhere)).await.unwrap();
        // In its own place it is the one that started before.
        start(there).await.unwrap();

        assert!(tasks.stop_and_join(Duration::from_secs(10)).await);
        storage.close().await;
        start(row(1, "storage-1", elsewhere)).await.unwrap();
    }
}
