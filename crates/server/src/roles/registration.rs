//! Telling the root group that a node is there, and making sure that it is the only one of its kind.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use cairn_client::{MetaClient, MutateError, Peers, ShardClient, TopologyCache};
use cairn_rpc::identity::Introduce;
use cairn_rpc::socket::Dialer;
use cairn_runtime::SharedClock;
use cairn_types::cluster::{Disk, MetaNode, StorageNode};
use cairn_types::id::NodeId;
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
    node: MetaNode,
) -> Result<()> {
    let layout = topology(client).await.current();
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
    introduce: &Introduce,
    dialer: &Dialer,
    clock: &SharedClock,
    node: &StorageNode,
) -> Result<()> {
    let peers = Peers::new(introduce.clone(), dialer.clone(), []);
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
