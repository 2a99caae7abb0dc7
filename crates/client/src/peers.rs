//! Channels to the storage nodes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cairn_rpc::channel::connect;
use cairn_types::cluster::StorageNode;
use cairn_types::id::{ClusterId, NodeId};
use tonic::transport::Channel;

/// Connections to one node. Bulk needs more than one: a connection is driven by one task, hence by one core at a time.
pub const CONNECTIONS_PER_NODE: usize = 2;

/// The channels to nodes: in memory where the node is in this process, by address elsewhere. Cloning shares it.
#[derive(Clone)]
pub struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    cluster: ClusterId,
    in_process: HashMap<NodeId, Vec<Channel>>,
    /// Grows by the nodes of the cluster; a node that moved replaces its row.
    dialed: Mutex<HashMap<NodeId, Dialed>>,
    turn: AtomicUsize,
}

struct Dialed {
    address: String,
    channels: Vec<Channel>,
}

impl Peers {
    /// The peers of `cluster`. Nodes that are not `in_process` are reached by the address that the topology has.
    pub fn new(
        cluster: ClusterId,
        in_process: impl IntoIterator<Item = (NodeId, Vec<Channel>)>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                cluster,
                in_process: in_process.into_iter().collect(),
                dialed: Mutex::default(),
                turn: AtomicUsize::new(0),
            }),
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.shared.cluster
    }

    /// One of the channels to `node`, by turns; `None` when its address is no address. Never blocks: a channel connects
    /// when it is first used.
    pub(crate) fn channel(&self, node: &StorageNode) -> Option<Channel> {
        if let Some(channels) = self.shared.in_process.get(&node.id) {
            return self.take_turn(channels);
        }
        let mut dialed = self
            .shared
            .dialed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_current = dialed
            .get(&node.id)
            .is_some_and(|known| known.address == node.address);
        if !is_current {
            let channels = (0..CONNECTIONS_PER_NODE)
                .map(|_| connect(&node.address))
                .collect::<Result<Vec<_>, _>>()
                .ok()?;
            let address = node.address.clone();
            dialed.insert(node.id, Dialed { address, channels });
        }
        self.take_turn(&dialed.get(&node.id)?.channels)
    }

    fn take_turn(&self, channels: &[Channel]) -> Option<Channel> {
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed);
        channels.get(turn.checked_rem(channels.len())?).cloned()
    }
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}
